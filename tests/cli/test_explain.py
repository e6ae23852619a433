"""``flame explain``: what it says of a run and of a test, always short, and what it says about other files."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.cli.explain import LIMIT, explain
from pytest_flame.errors import FlameError
from pytest_flame.gate.accepted_file import parse_accepted
from pytest_flame.render.from_json import read_document, result_of

from .conftest import Flame

GOLDEN = Path(__file__).parents[1] / "render" / "golden" / "result.json"
"""The result of the reports' tests, with one test of each verdict."""
PARSE = "tests/test_orders.py::test_parse"


def document() -> Any:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def told(tmp_path: Path, changed: Any, test: str | None = None) -> str:
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    return explain(result_of(read_document(file), str(file)), "result.json", test)


def test_a_run_with_its_failing_tests_first(flame: Flame) -> None:
    said = flame("explain", GOLDEN)
    assert said.status == 0
    lines = said.out.splitlines()
    verdicts = [word for line in lines if (word := line.partition("  ")[0]).isupper()]
    assert verdicts[:2] == ["REGRESSED", "REGRESSED"] and verdicts[-1] == "PASS" and len(verdicts) == 9
    assert f"REGRESSED  {PARSE}  +14.6 % [12.5, 16.7]  in orders.parse:tokenize (changed in this diff)" in lines
    assert lines[-1].startswith("  flame explain ")


def test_a_test_with_its_culprit_its_evidence_and_the_next_command(flame: Flame) -> None:
    out = flame("explain", GOLDEN, "test_parse").out
    for part in (
        f"{PARSE}: REGRESSED",
        "+14.6 % [12.5, 16.7], 98 % interval, 10.01 ms → 11.47 ms (CPU time per iteration)",
        "10 pairs of fresh processes, base 1a2b3c4d5e6f and head measured together",
        "culprit: orders.parse:tokenize (changed in this diff)  orders/parse.py:28\n  62 % slower under every caller",
        "look at orders.parse:tokenize in orders/parse.py:28",
        f"pytest --flame --flame-against=main {PARSE}",
    ):
        assert part in out


def test_the_entry_that_accepts_a_slowdown_can_be_used_as_it_is(flame: Flame) -> None:
    out = flame("explain", GOLDEN, "test_parse").out
    text = "\n".join(line for line in out.partition("accept it in")[2].splitlines()[1:])
    (entry,) = parse_accepted(text.replace("YYYY-MM-DD", "2031-12-31"), "f.toml")
    assert (entry.test, entry.culprit, entry.limit) == (PARSE, "orders.parse:tokenize", 0.17)


@pytest.mark.parametrize(
    ("part", "following"),
    [
        ("test_mail", "pytest tests/test_orders.py::test_mail"),
        ("test_sync", "--flame-processes=20"),
        ("test_export", "nothing until the last day"),
        ("test_refund", "nothing: base does not have the test"),
        ("test_pay", "pytest --flame-update tests/test_orders.py::test_pay"),
        ("test_render", "nothing: it is not slower"),
    ],
)
def test_each_verdict_has_its_next_step(flame: Flame, part: str, following: str) -> None:
    said = flame("explain", GOLDEN, part)
    assert following in said.out.partition("\nnext:\n")[2]


def test_calls_are_told(tmp_path: Path) -> None:
    changed = document()
    test = next(t for t in changed["tests"] if t["id"] == PARSE)
    test["culprits"][0] |= {"calls_base": 1, "calls_head": 4000}
    assert "calls: 1 → 4,000" in told(tmp_path, changed, PARSE)


def test_counts_are_told_as_counts(tmp_path: Path) -> None:
    changed = document()
    test = next(t for t in changed["tests"] if t["id"] == PARSE)
    test |= {"metric": "orders", "unit": "orders", "base_ns": 120, "head_ns": 240}
    assert "120 orders → 240 orders (orders)" in told(tmp_path, changed, PARSE)


def test_what_is_the_same_code_says_so(tmp_path: Path) -> None:
    changed = document()
    test = next(t for t in changed["tests"] if t["verdict"] == "PASS")
    figures = [name for name, value in test.items() if isinstance(value, int | float) and name.endswith("_ns")]
    test |= {**dict.fromkeys(figures), "evidence": "same code", "base_ns": None}
    assert "evidence: both sides execute the same code" in told(tmp_path, changed, test["id"])


def test_a_whole_id_wins_over_the_ids_that_contain_it(tmp_path: Path) -> None:
    changed = document()
    longer = copy.deepcopy(changed["tests"][0]) | {"id": f"{PARSE}_more"}
    changed["tests"].append(longer)
    assert told(tmp_path, changed, PARSE).startswith(f"{PARSE}: ")
    with pytest.raises(FlameError, match="2 tests' ids contain 'test_parse'"):
        told(tmp_path, changed, "test_parse")


@pytest.mark.parametrize(
    ("part", "said"), [("test_orders", "7 more"), ("tst_prase", f"such as {PARSE}"), ("☃", "no test's id contains")]
)
def test_a_part_of_none_or_of_several(flame: Flame, part: str, said: str) -> None:
    got = flame("explain", GOLDEN, part)
    assert got.status == 2 and got.out == ""
    assert said.replace("7 more", "3 more") in got.err and "fix: give" in got.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read"),
        (b"\xff\xfe\x00", "is no JSON document"),
        (b"{", "is no JSON document"),
        (b"[" * 100_000, "is no JSON document"),
        (b"[]", "its schema is None"),
        (b'{"schema": "pytest-flame/result/2"}', "its schema is 'pytest-flame/result/2'"),
        (b'{"schema": "pytest-flame/result/1"}', "lacks 'base'"),
    ],
)
def test_other_files_are_errors_with_the_command_that_writes_one(
    flame: Flame, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "r.json").write_bytes(content)
    got = flame("explain", "r.json")
    assert got.status == 2
    assert said in got.err
    assert "fix: give a file that --flame-json" in got.err


def test_a_run_without_tests(tmp_path: Path) -> None:
    changed = document() | {"tests": []}
    assert "0 tests: nothing was measured" in told(tmp_path, changed)
    with pytest.raises(FlameError, match="no test was measured"):
        told(tmp_path, changed, "any")


def test_it_is_short_however_much_there_is(tmp_path: Path) -> None:
    changed = document()
    test = next(t for t in changed["tests"] if t["id"] == PARSE)
    many = copy.deepcopy(changed["tests"])
    for number in range(3_000):
        many.append(copy.deepcopy(test) | {"id": f"tests/test_a.py::test_{number}[{'x' * (number % 700)}]"})
    test["culprits"] = [copy.deepcopy(test["culprits"][0]) | {"frame": "a" * 5_000} for _ in range(50)]
    test |= {"notes": ["n" * 900] * 90, "details": "d" * 500 + "\nline" * 9_000, "reason": "r" * 9_000}
    test["id"] = "tests/test_b.py::test_long[" + "🔥" * 9_000 + "]"
    changed["tests"] = [test, *many]
    changed["accepted"] = changed["accepted"] * 900
    changed["gate"]["changes"] = changed["gate"]["changes"] * 900
    whole = told(tmp_path, changed)
    assert len(whole) < LIMIT and "more lines" in whole and "\nnext:\n" in whole
    one = told(tmp_path, changed, "test_long")
    assert len(one) < LIMIT and "pytest --flame --flame-against=main tests/test_b.py::test_long\n" in one + "\n"


@given(st.randoms(use_true_random=False), st.sampled_from([None, PARSE, "test_mail"]))
def test_a_damaged_result_is_told_or_refused(
    tmp_path_factory: pytest.TempPathFactory, draw: random.Random, test: str | None
) -> None:
    changed = document()
    for _ in range(draw.randint(1, 3)):
        place: Any = changed
        while isinstance(place, dict | list) and place:
            key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or draw.random() < 0.2:
                if draw.random() < 0.3:
                    del place[key]
                else:
                    place[key] = draw.choice([None, -1, 0, 1e300, "", "x" * 10_000, "\x1b[31m", [], {}, True])
                break
            place = place[key]
    try:
        out = told(tmp_path_factory.getbasetemp(), changed, test)
    except FlameError as e:
        assert e.fix
    else:
        assert len(out) < LIMIT and "\x1b" not in out
