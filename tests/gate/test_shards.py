"""Every test is in one shard, shards take about as long, and all runs divide alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import UsageError
from pytest_flame.gate.request import Request
from pytest_flame.gate.shards import measured_seconds, part
from pytest_flame.model import Judgement, Limits, RunResult, Shard, Verdict
from pytest_flame.render.json import SCHEMA_ID, result_json

TESTS = st.lists(st.text(min_size=1), unique=True, max_size=30)
SECONDS = st.dictionaries(st.text(min_size=1), st.floats(0, 1e4), max_size=30)


@given(TESTS, SECONDS, st.integers(1, 8))
def test_the_shards_are_the_tests_whatever_their_order(tests: list[str], seconds: dict[str, float], count: int) -> None:
    parts = [part(tests, Shard(i, count), seconds) for i in range(1, count + 1)]
    together = [test for own, _ in parts for test in own]
    assert sorted(together) == sorted(tests)
    assert len({shard.division for _, shard in parts}) == 1
    assert [part(tests[::-1], Shard(i, count), seconds) for i in range(1, count + 1)] == parts


def test_shards_take_about_as_long() -> None:
    seconds = {f"t{n}": 1.0 + n for n in range(40)}
    sums = [sum(seconds[test] for test in part([*seconds], Shard(i, 4), seconds)[0]) for i in range(1, 5)]
    assert max(sums) - min(sums) <= 2.0


def test_a_test_of_unknown_duration_takes_the_mean() -> None:
    seconds = {"long": 30.0, "a": 10.0, "b": 10.0}
    own, _ = part([*seconds, "new"], Shard(1, 2), seconds)
    assert own == {"long"}, "50/3 for the new one: 30 against 36.7"


def test_without_durations_shards_have_as_many_tests() -> None:
    assert [len(part(list("abcdefg"), Shard(i, 3), {})[0]) for i in (1, 2, 3)] == [3, 2, 2]


def test_other_tests_or_durations_are_another_division() -> None:
    divisions = {
        part(list("abcd"), Shard(1, 2), {})[1].division,
        part(list("abce"), Shard(1, 2), {})[1].division,
        part(list("abcd"), Shard(1, 3), {})[1].division,
        part(list("abcd"), Shard(1, 2), {"a": 1.0, "d": 9.0})[1].division,
    }
    assert len(divisions) == 4


def test_durations_are_those_of_measured_tests(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    judgements = (Judgement("a", Verdict.NEW, "new", wall_s=2.5), Judgement("proved", Verdict.PASS, "same code"))
    file.write_text(json.dumps(result_json(RunResult(judgements, "stored", 1, Limits()))))
    assert measured_seconds(file) == {"a": 2.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON document"),
        ("[]", "no result of a run"),
        ('{"schema": "other/1", "tests": []}', "'other/1'"),
        (json.dumps({"schema": SCHEMA_ID, "tests": [{"id": "a"}]}), "no complete result of a run"),
        (None, "can't be read"),
    ],
)
def test_a_file_that_is_no_result_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "r.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        measured_seconds(file)
    assert str(file) in str(error.value)


def test_shards_share_the_accepted_error() -> None:
    settings = SimpleNamespace(max_time_s=None)
    whole = Request(settings, (), Path(), None, ())  # type: ignore[arg-type]
    assert whole.family(7) == 7
    assert replace(whole, shard=Shard(2, 3)).family(7) == 21
