"""Two sides of profiles, compared and judged as the gate does it; too few of them are compared and not judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame.cli.recordings import recording
from pytest_flame.cli.sources import Source
from pytest_flame.compare import compare, compare_interleaved
from pytest_flame.errors import UsageError
from pytest_flame.judge import Case, judge
from pytest_flame.model import Change, Comparison, FrameDelta, Judgement, Limits, Verdict
from pytest_flame.render import units

FEWEST: Final = 3
"""Profiles a side that show their noise."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How two sides are compared."""

    limits: Limits
    paired: bool = False
    """Profile ``i`` of either side were recorded beside each other."""


def compared(title: str, before: Sequence[Source], after: Sequence[Source], terms: Terms) -> Judgement:
    """The verdict; of fewer than three profiles a side there is none, only what differs.

    Raises ``UsageError`` where pairs were promised and the sides differ in number.
    """
    base, head = recording(title, before), recording(title, after)
    if terms.paired and len(before) != len(after):
        raise UsageError(
            f"--paired: {len(before)} profiles before and {len(after)} after are no pairs",
            why="the first of one side belongs to the first of the other, and so on",
        )
    few = min(len(before), len(after))
    if few < FEWEST:
        comparison = _untested(compare(base, head, terms.limits))
        side = "one profile a side" if len(before) == len(after) == 1 else f"{units.count(few, 'profile')} on one side"
        reason = f"not tested: {side}; from {FEWEST} a side on their noise is known"
        return Judgement(title, Verdict.INCONCLUSIVE, reason, comparison, base, head)
    if terms.paired:
        comparison = compare_interleaved(base, head, terms.limits, alpha=terms.limits.alpha, most=few)
    else:
        comparison = compare(base, head, terms.limits)
    judgement = judge(comparison, base, head, advise=_advise)
    return replace(judgement, interleaved=terms.paired)


def _advise(case: Case, longer: float) -> str:
    if math.isfinite(longer):
        count = math.ceil(case.comparison.head_processes * longer)
        return f"more or longer profiles (about {count} a side, or as much more of each) would settle it"
    if not case.together:
        return "profiles recorded in turns, before and after, and compared with --paired would settle it"
    return "too close to the threshold to be settled by more of the same"


def _untested(comparison: Comparison) -> Comparison:
    frames = tuple(replace(delta, change=_change(delta)) for delta in comparison.frames)
    return replace(comparison, frames=frames, culprits=(), moved=(), unclear=(), notes=(), tested=False)


def _change(delta: FrameDelta) -> Change:
    """What the numbers say, significant or not."""
    if delta.delta_ps == 0:
        return Change.UNCHANGED
    if not delta.base_ps:
        return Change.NEW
    if not delta.head_ps:
        return Change.GONE
    return Change.SLOWER if delta.delta_ps > 0 else Change.FASTER
