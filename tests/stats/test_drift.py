import numpy as np
import pytest

from pytest_flame.model import Process, Round
from pytest_flame.stats.drift import find_drift


def processes(slope: float, *, n: int = 8, rounds: int = 12, sd: float = 0.02, seed: int = 0) -> list[Process]:
    """Cost rises by ``slope`` from the first round to the last."""
    rng = np.random.default_rng(seed)
    trend = 1 + slope * np.linspace(0, 1, rounds)
    return [
        Process(
            tuple(
                Round(iterations=10, cpu_ns=int(1e7 * c * np.exp(sd * rng.standard_normal())), wall_ns=0, sampled=True)
                for c in trend
            ),
            stacks={},
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("slope", [0.3, -0.2])
def test_a_trend_shared_by_all_processes_is_found(slope: float) -> None:
    drift = find_drift(processes(slope))
    assert drift is not None
    assert drift.change == pytest.approx(slope * 0.7, abs=0.06)
    assert drift.processes == 8


def test_noise_is_no_drift_but_once_in_a_thousand() -> None:
    assert sum(find_drift(processes(0, sd=0.1, seed=s)) is not None for s in range(500)) <= 2


def test_a_drift_too_small_to_matter_is_none() -> None:
    assert find_drift(processes(0.03, sd=0.001)) is None


def test_one_process_that_drifts_is_no_property_of_the_body() -> None:
    assert find_drift([*processes(0, n=7), *processes(2.0, n=1)]) is None


def test_too_few_rounds_tell_nothing() -> None:
    assert find_drift(processes(0.5, rounds=5)) is None


def test_too_few_processes_tell_nothing() -> None:
    assert find_drift(processes(0.5, n=2)) is None


def test_identical_processes_with_a_trend_are_found() -> None:
    assert find_drift(processes(0.5, sd=0.0)) is not None


def test_free_iterations_tell_nothing() -> None:
    free = Process(tuple(Round(iterations=1, cpu_ns=0, wall_ns=0, sampled=True) for _ in range(9)), stacks={})
    assert find_drift([free] * 5) is None
