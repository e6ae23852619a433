"""What a worker and its run must agree on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_flame.measure.agreement import Conditions, Seen, said

SEEN = Seen(None, False, "test_it (test_it.py:3)", ("shop", "tmp_path"), ("n=3",), ("flame", "parametrize"))


def test_the_same_test() -> None:
    assert list(SEEN.differences(SEEN)) == []
    assert Seen.from_json({**dataclasses.asdict(SEEN), "fixtures": ["shop", "tmp_path"]}) == SEEN


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"skipped": "need --runslow"}, "skipped there: need --runslow"),
        ({"expected_to_fail": True}, "expected to fail there"),
        ({"function": "test_it (test_it.py:9)"}, "a different function: test_it (test_it.py:9) there, test_it ("),
        ({"fixtures": ("shop",)}, "different fixtures: tmp_path only here"),
        (
            {"marks": ("flame", "flame", "parametrize")},
            "different marks: flame, flame, parametrize there, flame, parametrize here",
        ),
        ({"parameters": ("n=4",)}, "different parameters: n=3 only here; n=4 only there"),
        ({"marks": ("flame", "parametrize", "slow")}, "different marks: slow only there"),
    ],
)
def test_each_difference_is_named(changed: dict[str, object], words: str) -> None:
    found = list(SEEN.differences(dataclasses.replace(SEEN, **changed)))  # type: ignore[arg-type]
    assert len(found) == 1
    assert found[0].startswith(words)


def test_conditions(tmp_path: Path) -> None:
    here = Conditions({"--runslow": "True"}, {"engine": "'a'"}, ("cov",), ("CI=1f", "HOME=2e"), {"--tb": "'short'"})
    here.write(tmp_path / "run.json")
    assert Conditions.read(tmp_path / "run.json") == here
    there = Conditions({"--runslow": "False"}, {}, ("cov", "spy"), ("HOME=2f", "CI=1f"), {"--tb": "'auto'"})
    assert list(here.differences(there)) == [
        "--runslow: True here, False there",
        "ini engine: 'a' here, unknown there",
        "plugin spy: only there",
        "environment variable HOME",
        "--tb: 'short' here, 'auto' there",
        "environment variable PYTEST_FLAME_WORKER: only there",
    ]
    assert said(["a", "b", "c", "d", "e"]) == "a; b; c and 2 more"
