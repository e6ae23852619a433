"""What a stored recording says about how its test is measured, believed within bounds only."""

from __future__ import annotations

import statistics
from typing import Final

from pytest_flame.measure.job import Plan
from pytest_flame.measure.rounds import MAX_ITERATIONS, MAX_ROUNDS
from pytest_flame.model import Recording

LEAST_CALL_NS: Final = 0.1
"""No call of a function takes less."""
LONGEST_ROUND_NS: Final = 24 * 3600 * 1_000_000_000


def plan_like(base: Recording, time_s: float) -> tuple[Plan, float]:
    """The plan of a stored recording, its number of rounds fitted to the time at hand; and a round's seconds."""
    rounds = [r for p in base.processes for r in p.rounds]
    round_s = max(statistics.median(r.wall_ns for r in rounds) / 1e9, 1e-6)
    # Most of the rounds: a process that was slowed down by chance may have shortened its own.
    iterations = statistics.mode(r.iterations for r in rounds)
    return Plan(iterations, max(1, min(MAX_ROUNDS, int(time_s / round_s)))), round_s


def unbelievable(base: Recording) -> str | None:
    """Why its rounds can't have been measured as they stand there, or None."""
    for r in (r for p in base.processes for r in p.rounds):
        if r.iterations > MAX_ITERATIONS:
            return f"a round of {r.iterations:,} iterations, where {MAX_ITERATIONS:,} are the most that are run"
        if r.iterations > 1000 and max(r.cpu_ns, r.wall_ns) < LEAST_CALL_NS * r.iterations:
            return f"a round of {r.iterations:,} iterations in {max(r.cpu_ns, r.wall_ns):,} ns"
        if max(r.cpu_ns, r.wall_ns) > LONGEST_ROUND_NS:
            return f"a round of {max(r.cpu_ns, r.wall_ns):,} ns, more than a day"
    return None


def per_call_s(recording: Recording) -> float:
    """One call by the clock on the wall."""
    rounds = [r for p in recording.processes for r in p.rounds]
    return sum(r.wall_ns for r in rounds) / 1e9 / sum(r.iterations for r in rounds)


def rounds_s(recording: Recording) -> float:
    """All rounds of its longest process."""
    return max(sum(r.wall_ns for r in p.rounds) for p in recording.processes) / 1e9
