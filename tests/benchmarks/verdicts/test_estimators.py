"""Pairs with a known ratio, read from a bank."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.verdicts.bank import Entry
from benchmarks.verdicts.estimators import ESTIMATORS, main, noise
from pytest_flame.model import Process, Recording, Round, SamplerInfo

SAMPLER = SamplerInfo(rung="perf-sigtrap", event="task-clock", kernel=True, frequency_hz=997)


def entry(pair: int, *, second: bool, factor: float) -> Entry:
    rounds = tuple(Round(10, round(1000 * (20 + i % 3) * factor), 1, i % 2 == 0) for i in range(12))
    recording = Recording("t", (Process(rounds, {}),), SAMPLER, {})
    return Entry("json", "quiet", pair, second, 0.0, 1.0, 0.0, 1.0, recording)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for bank, factor in (("wide", 1.1), ("narrow", 1.05)):
        (tmp_path / bank).mkdir()
        lines = [entry(p, second=s, factor=factor if s else 1.0).to_json() for p in range(3) for s in (False, True)]
        (tmp_path / bank / "json.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_finds_the_ratio(results: Path, name: str) -> None:
    found, pairs = noise(results / "wide", "json", ESTIMATORS[name])
    assert pairs == 3
    assert found == pytest.approx(math.log(1.1), rel=1e-3)


def test_the_variance_is_that_of_the_first_bank(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bank in ("wide", "narrow"):
        for workload in ("recursion", "regex", "numpy", "compression", "objects", "system_calls"):
            (results / bank / f"{workload}.jsonl").write_text((results / bank / "json.jsonl").read_text())
    main(["wide", "narrow", "--results", str(results)])
    shown = capsys.readouterr().out
    expected = (math.log(1.05) / math.log(1.1)) ** 2
    assert "variance × 1.00" in shown and f"variance × {expected:.2f}" in shown
