"""Two sides with only their costs known: the exact differences, without any statement about noise."""

from __future__ import annotations

import math
from typing import Final

from pytest_flame.fold import recording_profile
from pytest_flame.model import Change, Comparison, FrameDelta, Limits, Recording

_UNKNOWN: Final = 2**63 - 1


def untested(base: Recording, head: Recording, limits: Limits) -> Comparison:
    """Every function's self and inclusive cost on both sides; a recursive one counts once. Intervals are infinite."""
    sides = [recording_profile(side) for side in (base, head)]
    own = [profile.self_costs() for profile in sides]
    inclusive = [profile.total_costs() for profile in sides]
    lines = {**base.lines, **head.lines}
    deltas = []
    for frame in inclusive[0].keys() | inclusive[1].keys():
        before, after = (costs.get(frame, 0) for costs in inclusive)
        deltas.append(
            FrameDelta(
                frame=frame,
                base_self=own[0].get(frame, 0),
                head_self=own[1].get(frame, 0),
                base=before,
                head=after,
                low=-_UNKNOWN,
                high=_UNKNOWN,
                p_adjusted=1.0,
                significant=False,
                over_threshold=False,
                change=_change(before, after),
                line=lines.get(frame),
            )
        )
    base_cost, head_cost = (profile.total for profile in sides)
    comparison = Comparison(
        test_id=head.test_id,
        base=base_cost,
        head=head_cost,
        ratio=head_cost / base_cost if base_cost else math.inf if head_cost else 1.0,
        low=0.0,
        high=math.inf,
        level=1 - 2 * limits.alpha,
        mde=math.inf,
        base_processes=len(base.processes),
        head_processes=len(head.processes),
        limits=limits,
        metric=head.metric,
        frames=tuple(sorted(deltas, key=lambda d: (-abs(d.delta), d.frame))),
        tested=False,
    )
    comparison.check()
    return comparison


def _change(before: int, after: int) -> Change:
    if before == after:
        return Change.UNCHANGED
    if not before:
        return Change.NEW
    if not after:
        return Change.GONE
    return Change.SLOWER if after > before else Change.FASTER
