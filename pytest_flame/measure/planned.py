"""How a stored recording says its test is measured; accepted only within bounds."""

from __future__ import annotations

import statistics
from typing import Final

from pytest_flame.measure.job import Plan
from pytest_flame.measure.rounds import MAX_ITERATIONS, MAX_ROUNDS
from pytest_flame.model import Recording

LEAST_CALL_NS: Final = 0.1
"""The least a function call can take."""
LONGEST_ROUND_NS: Final = 24 * 3600 * 1_000_000_000


def plan_like(base: Recording, time_s: float) -> tuple[Plan, float]:
    """The plan of a stored recording, with its number of rounds fitted to the available time; and a round's seconds."""
    timings = [p.timing for p in base.processes]
    round_s = max(statistics.median(t.wall_ns * t.iterations / t.calls for t in timings) / 1e9, 1e-6)
    # That of most processes: one that happened to be slowed down may have shortened its rounds.
    iterations = statistics.mode(t.iterations for t in timings)
    return Plan(iterations, max(1, min(MAX_ROUNDS, int(time_s / round_s)))), round_s


def unbelievable(base: Recording) -> str | None:
    """Why its rounds can't have been measured as stored, or None."""
    for timing in (p.timing for p in base.processes):
        iterations = max(timing.iterations, timing.calls // timing.rounds)
        longer_ns = max(timing.cpu_ns, timing.wall_ns) // timing.rounds
        if iterations > MAX_ITERATIONS:
            return f"a round of {iterations:,} iterations, more than the maximum of {MAX_ITERATIONS:,}"
        if iterations > 1000 and longer_ns < LEAST_CALL_NS * iterations:
            return f"a round of {iterations:,} iterations in {longer_ns:,} ns"
        if longer_ns > LONGEST_ROUND_NS:
            return f"a round of {longer_ns:,} ns, more than a day"
    return None


def per_call_s(recording: Recording) -> float:
    """Wall time of one call."""
    timings = [p.timing for p in recording.processes]
    return sum(t.wall_ns for t in timings) / 1e9 / sum(t.calls for t in timings)


def rounds_s(recording: Recording) -> float:
    """All rounds of its longest process."""
    return max(p.timing.wall_ns for p in recording.processes) / 1e9
