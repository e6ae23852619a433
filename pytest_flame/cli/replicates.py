"""Two sides of profiles, compared and judged as in the gate; too few of them are compared but not judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame.cli.recordings import recording
from pytest_flame.cli.untested import untested
from pytest_flame.errors import UsageError
from pytest_flame.judge import Case, judge
from pytest_flame.model import Judgement, Limits, Profile, Verdict
from pytest_flame.render import units

FEWEST: Final = 3
"""Profiles per side that show their noise."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How two sides are compared."""

    limits: Limits
    paired: bool = False
    """Whether profiles ``i`` of both sides were recorded together."""


def compare_replicates(title: str, before: Sequence[Profile], after: Sequence[Profile], terms: Terms) -> Judgement:
    """The verdict; with fewer than three profiles per side there is none, only the differences.

    Raises ``UsageError`` for ``paired`` if the sides differ in number.
    """
    base, head = recording(title, before), recording(title, after)
    if terms.paired and len(before) != len(after):
        raise UsageError(
            f"--paired: {len(before)} profiles before and {len(after)} after are not pairs",
            why="the first of one side belongs to the first of the other, and so on",
        )
    few = min(len(before), len(after))
    if few < FEWEST:
        comparison = untested(base, head, terms.limits)
        side = (
            "one profile per side" if len(before) == len(after) == 1 else f"{units.count(few, 'profile')} on one side"
        )
        reason = f"not tested: {side}; the noise is known with {FEWEST} or more per side"
        return Judgement(title, Verdict.INCONCLUSIVE, reason, comparison, base, head)
    from pytest_flame.compare import compare, compare_interleaved  # takes a second, and drawing does not need it

    if terms.paired:
        comparison = compare_interleaved(base, head, terms.limits, alpha=terms.limits.alpha, most=few)
    else:
        comparison = compare(base, head, terms.limits)
    judgement = judge(comparison, base, head, advise=_advise)
    return replace(judgement, interleaved=terms.paired)


def _advise(case: Case, longer: float) -> str:
    if math.isfinite(longer):
        count = math.ceil(case.comparison.head_processes * longer)
        return f"more or longer profiles (about {count} per side, or correspondingly longer ones) would settle it"
    if not case.together:
        return "profiles recorded alternately, before and after, and compared with --paired would settle it"
    return "too close to the threshold for more profiles to settle it"


def unlike(before: Sequence[Profile], after: Sequence[Profile]) -> list[str]:
    """A note if most of the cost before is in functions not seen after: then names differ, not code."""
    known = {frame for profile in after for stack in profile.costs for frame in stack}
    whole = sum(profile.total for profile in before)
    lost = sum(cost for profile in before for frame, cost in profile.self_costs().items() if frame not in known)
    if not known or lost <= whole / 2:
        return []
    return [
        f"{units.percent(lost / whole)} of the cost before is in functions that do not occur after; if they are the "
        "same in another folder, --strip FOLDER removes it from their names"
    ]
