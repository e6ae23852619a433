"""Replays hand out every pair once, inject what they say, and count what is independent."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_flame.model import Frame, Process, Recording, Round, SamplerInfo, StackSample, Verdict

BODY, HOT, COLD = Frame("t", "test"), Frame("m", "hot"), Frame("m", "cold")


def entry(bank: Any, pair: int, second: bool, cost: int = 1_000_000) -> Any:
    stacks = {(BODY, HOT): StackSample(60, 60_000), (BODY, COLD): StackSample(40, 40_000)}
    rounds = tuple(Round(10, cost + i, cost, sampled=True) for i in range(4))
    process = Process(rounds, stacks, hash_seed=pair)
    recording = Recording("t.py::test", (process,), SamplerInfo("timer", "cpu", False, 997), {})
    return bank.Entry("json", "quiet", pair, second, 1e9 + pair, 1.0, 0.0, 1.0, recording)


@pytest.fixture
def bank() -> Any:
    return importlib.import_module("bank")


@pytest.fixture
def replay() -> Any:
    return importlib.import_module("replay")


def series(bank: Any, pairs: int) -> list[Any]:
    return [entry(bank, pair, second) for pair in range(pairs) for second in (False, True)]


def test_comparisons_of_one_pass_share_no_pair(bank: Any, replay: Any) -> None:
    seen: list[int] = []

    def judge(pairs: Iterator[Any]) -> Any:
        for _ in range(3):
            base, head = next(pairs)
            assert base.processes[0].hash_seed == head.processes[0].hash_seed
            seen.append(base.processes[0].hash_seed)
        return replay.Decision(Verdict.PASS)

    tally = replay.replay(series(bank, 10), judge, replay.Case(0.0, None), passes=1)
    assert (tally.comparisons, tally.independent, tally.pairs) == (3, 3, 9)
    assert seen == list(range(10)), "the tenth was taken for a comparison that did not come to its end"


def test_further_passes_are_not_independent(bank: Any, replay: Any) -> None:
    judge = replay.peer("min", 0.05, budget=5)
    tally = replay.replay(series(bank, 10), judge, replay.Case(0.0, None), passes=4)
    assert tally.independent == 2
    assert tally.comparisons > 2


@pytest.mark.parametrize(("effect", "verdict"), [(0.0, Verdict.PASS), (0.1, Verdict.REGRESSED)])
def test_what_is_injected_is_found(bank: Any, replay: Any, effect: float, verdict: Verdict) -> None:
    tally = replay.replay(series(bank, 10), replay.peer("median", 0.05, 5), replay.Case(effect, HOT), passes=2)
    assert set(tally.verdicts) == {verdict}


def test_samples_grow_where_the_cost_does() -> None:
    inject = importlib.import_module("inject")
    process = entry(importlib.import_module("bank"), 0, False).process
    draw = np.random.default_rng(1)
    found = [inject.slowed(process, 0.5, HOT, draw) for _ in range(200)]
    assert found[0].rounds[0].cpu_ns == 1_500_000
    assert {p.stacks[BODY, COLD] for p in found} == {process.stacks[BODY, COLD]}
    grown = np.mean([p.stacks[BODY, HOT].count for p in found])
    assert grown == pytest.approx(60 + 50, abs=2), "half of all samples more, all of them there"
    assert found[0].stacks[BODY, HOT].weight_ns == 1000 * found[0].stacks[BODY, HOT].count


def test_growth_needs_a_place() -> None:
    inject = importlib.import_module("inject")
    process = entry(importlib.import_module("bank"), 0, False).process
    with pytest.raises(ValueError, match="m:none was not sampled"):
        inject.slowed(process, 0.5, Frame("m", "none"), np.random.default_rng(1))


def test_hottest_frame_is_one_that_every_process_has(bank: Any) -> None:
    inject = importlib.import_module("inject")
    rare = Process(
        (Round(1, 1, 1, True),), {(BODY, Frame("m", "rare")): StackSample(900, 1), (BODY, HOT): StackSample(1, 1)}
    )
    assert inject.hottest([entry(bank, 0, False).process, rare]) == HOT


def test_bank_is_read_back_without_what_an_interruption_left(bank: Any, tmp_path: Path) -> None:
    entries = series(bank, 3)
    lines = [one.to_json() for one in entries[:5]]
    (tmp_path / "json.jsonl").write_text("\n".join(lines) + "\n" + entries[5].to_json()[:50], encoding="utf-8")
    assert bank.read_bank(tmp_path, "json") == entries[:4]
    assert bank.next_pair(tmp_path, "json") == 2
    assert bank.next_pair(tmp_path, "regex") == 0
