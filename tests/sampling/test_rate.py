"""The rate of a run, from the cost of a tick."""

from __future__ import annotations

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.sampling import rate
from pytest_flame.sampling.ladder import open_sampler
from pytest_flame.sampling.rate import BEARABLE, RATES, TickCost, choose_rate

US = 1000


@pytest.mark.parametrize(
    ("cost_us", "recorded", "expected"),
    [
        (0, None, 1997),
        (30, None, 1997),
        (31, None, 997),
        (61, None, 499),
        (140, None, 251),
        (5_000, None, 127),
        (5, 997, 997),  # only recordings of one rate can be compared
        (61, 997, 997),
        (120, 997, 997),
        (121, 997, 251),
        (15, 499, 499),
    ],
)
def test_the_highest_bearable_rate_is_taken(cost_us: float, recorded: int | None, expected: int) -> None:
    assert TickCost(cost_us * US).best_rate(recorded) == expected


def test_the_share_is_of_the_programs_cpu() -> None:
    assert TickCost(15 * US).share(1000) == pytest.approx(0.015)
    assert TickCost(BEARABLE * 1e9 / RATES[0]).best_rate() == RATES[0]


def test_a_tick_costs_something_here(perf_required: object) -> None:
    with open_sampler("perf", 997) as sampler:
        costs = [rate.tick_cost(sampler).ns for _ in range(5)]  # one of them may be lost in a busy machine's noise
    assert max(costs) > US and min(costs) < 1000 * US


def test_a_dear_tick_lowers_the_rate(perf_required: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "tick_cost", lambda sampler: TickCost(70 * US))
    assert choose_rate("perf", kernel_frames=False, native_frames=False) == 499
    assert choose_rate("perf", [997, 499], kernel_frames=False, native_frames=False) == 997


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be combined"):
        choose_rate("timer", kernel_frames=True, native_frames=False)
