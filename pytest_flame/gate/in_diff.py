"""What the code that differs between base and head says about results: culprits in it, and what no test ran of it.

No verdict depends on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from dataclasses import replace
from typing import Final

from pytest_flame.fold import recording_profile
from pytest_flame.model import ChangedCode, CodeChange, Costs, DiffCoverage, Frame, FrameDelta, Judgement, Recording

_MOST: Final = 0.5
"""Share of a culprit's growth that has to lie below a changed function to name it."""


def with_changed_code(judgement: Judgement, code: ChangedCode) -> Judgement:
    """With the culprits that changed, and for each of the others the changed function above it."""
    comparison, base, head = judgement.comparison, judgement.base, judgement.head
    if comparison is None or base is None or head is None or not code.frames:
        return judgement
    sides = recording_profile(base).costs, recording_profile(head).costs
    culprits = tuple(_marked(culprit, code.frames, *sides) for culprit in comparison.culprits)
    return replace(judgement, comparison=replace(comparison, culprits=culprits))


def _marked(culprit: FrameDelta, changed: Mapping[Frame, CodeChange], base: Costs, head: Costs) -> FrameDelta:
    if culprit.frame in changed:
        return replace(culprit, code_change=changed[culprit.frame])
    return replace(culprit, changed_caller=_changed_caller(culprit.frame, changed, base, head))


def _changed_caller(frame: Frame, changed: Collection[Frame], base: Costs, head: Costs) -> Frame | None:
    growth: dict[Frame | None, int] = defaultdict(int)
    for costs, sign in ((base, -1), (head, 1)):
        for stack, cost in costs.items():
            if frame in stack:
                above = stack[: stack.index(frame)]
                growth[next((f for f in reversed(above) if f in changed), None)] += sign * cost
    grown = {caller: delta for caller, delta in growth.items() if delta > 0}
    most = max(grown, key=lambda caller: grown[caller], default=None)
    return most if most is not None and grown[most] >= _MOST * sum(grown.values()) else None


def sampled_frames(*recordings: Recording | None) -> frozenset[Frame]:
    """Every function in a sample: it ran. One that is in none may have been too short."""
    measured = [process for recording in recordings if recording is not None for process in recording.processes]
    return frozenset(frame for process in measured for stack in process.stacks for frame in stack)


def coverage(code: ChangedCode, ran: Set[Frame], *, exact: bool) -> DiffCoverage:
    """``ran`` are functions that the selected tests ran, on either side; ``exact`` says that they are all of them."""
    missed = tuple(function for function in code.functions if function.frame not in ran)
    return DiffCoverage(code.commit, len(code.functions), missed, exact, code.unknown)
