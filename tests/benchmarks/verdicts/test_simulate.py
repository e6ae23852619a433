"""The decisions on a few simulated processes: what the tables of ``simulate`` show must not break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.verdicts import power_plot, simulate, worlds

ROUGH: dict[str, float] = {"outliers": 0.1, "drift": 0.05}
Runs = Callable[..., list[simulate.Run]]


@pytest.fixture
def runs() -> Runs:
    def decide(count: int, change: str = "unchanged", size: float = 0.0, **more: Any) -> list[simulate.Run]:
        weather = worlds.Weather(**{"process_sd": 0.015, **more.pop("weather", {})})
        cell = simulate.Cell("test", change, size, frames=60, weather=weather, **more)
        return [simulate.run(cell, seed) for seed in range(count)]

    return decide


def test_identical_code_is_never_called_regressed_and_stops_early(runs: Runs) -> None:
    decided = runs(12, weather=ROUGH)
    assert not any(r.regressed for r in decided)
    assert sum(r.pairs for r in decided) / len(decided) < 16


@pytest.mark.parametrize("change", ["slower_leaf", "new_frame"])
def test_a_tenth_of_the_test_is_found_and_named(runs: Callable[..., list[simulate.Run]], change: str) -> None:
    decided = runs(6, change, 0.1, weather=ROUGH)
    assert sum(r.regressed and r.right for r in decided) >= 5


def test_growth_that_another_branch_hides_is_found(runs: Runs) -> None:
    assert sum(r.regressed for r in runs(5, "masked", 0.06)) >= 4


@pytest.mark.parametrize("change", ["renamed", "extracted", "inlined"])
def test_what_only_moved_is_not_a_regression(runs: Callable[..., list[simulate.Run]], change: str) -> None:
    assert not any(r.regressed for r in runs(6, change, 0.1))


def test_the_printed_interval_holds_the_truth(runs: Runs) -> None:
    decided = runs(6, "everything", 0.1, most=10, weather=ROUGH) + runs(6, "everything", 0.03, most=10, threshold=0.0)
    assert sum(r.covers for r in decided) >= len(decided) - 1


def test_a_stored_baseline_of_several_recordings_suspects_no_identical_code(runs: Runs) -> None:
    decided = runs(15, recordings=5, most=10, weather={"session_sd": 0.007})
    assert sum(r.regressed for r in decided) <= 1


@pytest.mark.parametrize("change", ["slower_leaf", "more_calls", "new_frame"])
def test_a_change_is_of_the_size_it_says_and_everything_else_stays(change: str) -> None:
    case = worlds.case(change, 0.1, 80, np.random.default_rng(3))
    assert case.ratio == pytest.approx(1.1)
    (culprit,) = case.culprits
    assert worlds.inclusive(case.head, culprit) - worlds.inclusive(case.base, culprit) == pytest.approx(0.1)
    differing = {s for s in case.base.keys() | case.head.keys() if case.base.get(s) != case.head.get(s)}
    assert all(culprit in stack for stack in differing)


@pytest.mark.parametrize("change", ["masked", "renamed", "extracted", "inlined"])
def test_what_moves_leaves_the_total_as_it_was(change: str) -> None:
    case = worlds.case(change, 0.04, 80, np.random.default_rng(3))
    assert case.ratio == pytest.approx(1.0)
    assert case.head != case.base


def test_a_machine_costs_what_its_program_says() -> None:
    rng = np.random.default_rng(1)
    costs = worlds.program(60, rng)
    machine = worlds.Machine(worlds.Weather(process_sd=0.0, stack_sd=0.0, round_sd=0.0), rng, 2)
    process = machine.process(costs)
    assert min(r.cpu_ns for r in process.rounds) == pytest.approx(0.05e9)
    assert process.counts.taken == sum(s.count for s in process.stacks.values()) == 499


def test_finished_runs_are_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = simulate.Cell("test", recordings=1, most=5, frames=50, runs=2)
    first = simulate.simulate(tmp_path / "runs.jsonl", [cell], None, "this code", jobs=1)
    monkeypatch.setattr(simulate, "run", None)
    again = simulate.simulate(tmp_path / "runs.jsonl", [cell], None, "this code", jobs=1)
    assert repr(again) == repr(first)  # in it are NaN
    assert len(again[cell.key]) == 2
    assert simulate.results(tmp_path / "runs.jsonl", [cell], "other code") == {cell.key: []}


def test_the_plot_is_an_image_with_a_point_for_every_budget() -> None:
    points = tuple(power_plot.Point(budget, 3, 10) for budget in power_plot.BUDGETS)
    drawn = power_plot.svg({"everything +10 %": [power_plot.Line("sd 3 %", "#000", "", points)]})
    assert len(ElementTree.fromstring(drawn).findall("{http://www.w3.org/2000/svg}circle")) == len(points)
