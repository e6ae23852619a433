"""Results of shards become that of one run, or an error that names what is missing."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from pytest_flame.baseline.slug import slug
from pytest_flame.model import (
    Acceptance,
    ChangedFunction,
    CodeChange,
    Comparison,
    DiffCoverage,
    EntryState,
    EntryUse,
    Frame,
    FrameDelta,
    Judgement,
    Limits,
    RunResult,
    Shard,
    SourceLine,
    Verdict,
)
from pytest_flame.render.json import result_json, schema

from .conftest import Flame

CULPRIT = FrameDelta(Frame("shop", "total"), 5, 9, 50_000, 90_000, 30_000, 50_000, 0.001, True, True, own_delta=40_000)
COMPARISON = Comparison(
    "t", 100_000, 140_000, 1.4, 1.35, 1.45, 0.98, 1.07, 10, 10, Limits(), culprits=(CULPRIT,), blind_below=1_000
)
MISSED = [ChangedFunction(Frame("shop", name), CodeChange.CHANGED, SourceLine("shop.py", 3)) for name in ("f", "g")]
Write = Callable[..., Path]


def passed(test_id: str) -> Judgement:
    comparison = replace(COMPARISON, test_id=test_id, head=100_000, ratio=1.0, low=0.98, high=1.02, culprits=())
    return Judgement(test_id, Verdict.PASS, "no change", comparison, interleaved=True, wall_s=2.0)


def regressed(test_id: str) -> Judgement:
    comparison = replace(COMPARISON, test_id=test_id)
    return Judgement(test_id, Verdict.REGRESSED, "slower", comparison, interleaved=True, wall_s=3.0)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def shard(index: int, *judgements: Judgement, count: int = 2, division: str = "d", **changes: object) -> Path:
        folder = tmp_path / f"s{index}"
        (folder / "report").mkdir(parents=True, exist_ok=True)
        for judgement in judgements:
            (folder / "report" / f"{slug(judgement.test_id)}.diff.svg").write_text(f"<svg>{judgement.test_id}</svg>")
        result = RunResult(
            judgements, "interleaved", 1, Limits(), base_commit="c" * 40, shard=Shard(index, count, division)
        )
        path = folder / "r.json"
        path.write_text(json.dumps(result_json(replace(result, **changes), report="report")))  # type: ignore[arg-type]
        return path

    return shard


def test_one_result_report_and_status(flame: Flame, write: Write, tmp_path: Path) -> None:
    second, first = write(2, regressed("b")), write(1, passed("a"))
    said = flame("merge", second, first, "--json", "all.json", "--markdown", "all.md", "--report", "report")
    assert said.status == 1, said
    assert "2 tests" in said.out and "shop:total" in said.out and "REGRESSED" in said.out
    document = json.loads((tmp_path / "all.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert [test["id"] for test in document["tests"]] == ["a", "b"]
    assert document["tests"] == [json.loads(path.read_text())["tests"][0] for path in (first, second)]
    assert document["shard"] is None and document["report"] == "report"
    assert "2 tests: 1 regressed, 1 passed" in (tmp_path / "all.md").read_text()
    page = (tmp_path / "report" / "index.html").read_text()
    for test in "ab":
        assert f"{slug(test)}.diff.svg" in page
        assert (tmp_path / "report" / f"{slug(test)}.diff.svg").read_text() == f"<svg>{test}</svg>"


def test_shards_that_pass_pass(flame: Flame, write: Write) -> None:
    assert flame("merge", write(1, passed("a")), write(2, passed("b"))).status == 0


def test_what_was_not_judged_fails_if_strict(flame: Flame, write: Write) -> None:
    paths = write(1, passed("a")), write(2, Judgement("b", Verdict.INCONCLUSIVE, "too noisy"))
    assert flame("merge", *paths).status == 0
    assert flame("merge", *paths, "--strict").status == 1


def test_an_interrupted_shard_fails(flame: Flame, write: Write) -> None:
    assert flame("merge", write(1, passed("a")), write(2, interrupted=True)).status == 1


def test_a_slowdown_whose_baseline_was_written_is_accepted(flame: Flame, write: Write) -> None:
    accepted = replace(regressed("b"), baseline_written="flame-baselines/b.json")
    assert flame("merge", write(1, passed("a")), write(2, accepted)).status == 0


def test_a_changed_function_is_missed_if_every_shard_misses_it(flame: Flame, write: Write) -> None:
    one = DiffCoverage("c0ffee1", 2, (MISSED[0],), exact=True)
    other = DiffCoverage("c0ffee1", 2, (MISSED[1],), exact=True)
    both = DiffCoverage("c0ffee1", 2, tuple(MISSED), exact=True)
    paths = write(1, passed("a"), coverage=(one,)), write(2, passed("b"), coverage=(other,))
    said = flame("merge", *paths, "--require-covered")
    assert said.status == 0 and "shop:f" not in said.out
    write(2, passed("b"), coverage=(both,))
    said = flame("merge", *paths, "--require-covered")
    assert said.status == 1 and "shop:f" in said.out and "shop:g" not in said.out


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"division": "other"}, "divided the tests differently"),
        ({"count": 3}, "divided the tests differently"),
        ({"base_commit": "e" * 40}, "not parts of one run"),
        ({"limits": Limits(0.2)}, "threshold is 0.05 and 0.2"),
        ({"shard": None}, "the result of a whole run"),
    ],
)
def test_results_of_other_runs_are_refused(flame: Flame, write: Write, changes: dict[str, object], why: str) -> None:
    said = flame("merge", write(1, passed("a")), write(2, passed("b"), **changes))
    assert said.status == 2 and why in said.err, said


def test_a_missing_shard_and_one_given_twice_are_errors(flame: Flame, write: Write) -> None:
    first = write(1, passed("a"), count=4)
    said = flame("merge", first, write(3, passed("b"), count=4))
    assert said.status == 2 and "shards 2, 4 of 4 are missing" in said.err
    said = flame("merge", first, first, *(write(i, count=4) for i in (2, 3, 4)))
    assert said.status == 2 and "shard 1 is given twice" in said.err


def test_figures_that_are_not_finite_survive(flame: Flame, write: Write) -> None:
    noisy = replace(COMPARISON, test_id="b", high=math.inf, mde=math.inf, culprits=())
    judgement = Judgement("b", Verdict.INCONCLUSIVE, "too noisy", noisy, interleaved=True)
    assert flame("merge", write(1, passed("a")), write(2, judgement)).status == 0


def test_a_report_that_is_gone_leaves_the_page_without_pictures(flame: Flame, write: Write, tmp_path: Path) -> None:
    paths = [write(1, passed("a")), write(2, passed("b"))]
    for path in paths:
        path.rename(tmp_path / f"{path.parent.name}.json")
    said = flame("merge", "s1.json", "s2.json", "--report", "report")
    assert said.status == 0
    assert ".svg" not in (tmp_path / "report" / "index.html").read_text().split("</style>")[1]


def test_accepted_slowdowns_are_those_of_all_shards(flame: Flame, write: Write, tmp_path: Path) -> None:
    entries = [
        Acceptance(test, 0.5, "wanted", datetime.date(2031, 12, 31), place=f"f.toml, entry {number}")
        for number, test in enumerate(("a", "b", "*"), 1)
    ]
    accepted = replace(regressed("a"), verdict=Verdict.ACCEPTED, accepted=(entries[0],))
    states = {1: ("accepts", "undecided", "undecided"), 2: ("undecided", "no longer needed", "undecided")}
    files = [
        write(
            index,
            judgement,
            accepted=tuple(
                EntryUse(entry, EntryState(state), (judgement.test_id,) if state != "undecided" else ())
                for entry, state in zip(entries, states[index], strict=True)
            ),
        )
        for index, judgement in ((1, accepted), (2, passed("b")))
    ]
    said = flame("merge", *files, "--json", tmp_path / "all.json")
    assert said.status == 0, said.err
    document = json.loads((tmp_path / "all.json").read_text())
    assert [one["state"] for one in document["accepted"]] == ["accepts", "no longer needed", "undecided"]
    assert document["accepted"][0]["tests"] == ["a"]
    assert "ACCEPTED, until 2031-12-31: wanted" in said.out and "f.toml, entry 2: no longer needed" in said.out
