"""Applies the accepted slowdowns to the verdicts of a run.

An entry accepts what is shown to be within its limit: the upper end of the interval counts, not the estimate, as for
PASS. An entry for the whole test also accepts the growth of its functions, none of which may be shown to exceed the
limit. What an entry does not cover stays REGRESSED, with a note that says why.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_flame.judge import CALLS_RULE, FUNCTION_RULE, WHOLE_RULE
from pytest_flame.model import Acceptance, Comparison, EntryState, EntryUse, FrameDelta, Judgement, Verdict


def accept(
    judgements: Sequence[Judgement], entries: Sequence[Acceptance], today: datetime.date, *, complete: bool
) -> tuple[list[Judgement], tuple[EntryUse, ...]]:
    """The judgements with ACCEPTED ones, and the use of each entry.

    ``complete``: the run selected all tests, so an entry without a test has none.
    """
    judged = [_accepted(judgement, entries, today) for judgement in judgements]
    return judged, tuple(_use(entry, judged, today, complete=complete) for entry in entries)


def matches(entry: Acceptance, test_id: str) -> bool:
    """Only ``*`` and ``?`` have a meaning: brackets belong to the ids of parametrised tests."""
    pattern = re.escape(entry.test).replace(r"\*", ".*").replace(r"\?", ".")
    return entry.test == test_id or re.fullmatch(pattern, test_id, re.DOTALL) is not None


def _accepted(judgement: Judgement, entries: Sequence[Acceptance], today: datetime.date) -> Judgement:
    mine = [entry for entry in entries if matches(entry, judgement.test_id)]
    if judgement.verdict is not Verdict.REGRESSED or not mine:
        return judgement
    valid = [entry for entry in mine if not entry.expired(today)]
    notes = [_says_expired(entry) for entry in mine if entry.expired(today)]
    used, uncovered = _cover(judgement, valid)
    if used and not uncovered:
        by = "; ".join(f"until {entry.until}: {entry.reason}" for entry in used)
        reason = f"{judgement.reason}; accepted {by}"
        return replace(judgement, verdict=Verdict.ACCEPTED, reason=reason, accepted=used)
    if valid:
        notes.append(f"not accepted by {', '.join(entry.place for entry in valid)}: {'; '.join(uncovered)}")
    return replace(judgement, notes=(*judgement.notes, *notes))


def _cover(judgement: Judgement, entries: Sequence[Acceptance]) -> tuple[tuple[Acceptance, ...], list[str]]:
    """The entries that cover all objections together, and in words what they leave."""
    comparison = judgement.comparison
    others = {o.rule for o in judgement.objections} - {WHOLE_RULE, FUNCTION_RULE}
    if comparison is None or others:
        calls = "the calls (--flame-calls-threshold), and an entry accepts cost" if CALLS_RULE in others else ""
        return (), [f"it also fails for {calls or ', '.join(sorted(others)) or 'a reason other than its cost'}"]
    left: list[str] = []
    used: dict[Acceptance, None] = {}
    for culprit in comparison.culprits:
        covering = _covering(comparison, culprit, entries)
        if covering is None:
            left.append(_not_covered(comparison, culprit, entries))
        else:
            used[covering] = None
    whole = max((entry for entry in entries if entry.culprit is None), key=lambda e: e.limit, default=None)
    for_functions = sum(entry.limit for entry in used if entry.culprit is not None)
    accepted = max(comparison.limits.threshold, for_functions)
    if comparison.high > 1 + accepted:
        if whole is None and not comparison.culprits:
            left.append("no single function is to blame, and the entry is for one")
        elif comparison.high > 1 + (limit := max(accepted, whole.limit if whole is not None else 0.0)):
            left.append(f"the upper end of its slowdown is +{_upper(comparison.high - 1)} %, above +{100 * limit:g} %")
        elif whole is not None:
            used[whole] = None
    return tuple(used), left


def _covering(comparison: Comparison, culprit: FrameDelta, entries: Iterable[Acceptance]) -> Acceptance | None:
    """An entry for the function itself before one for the whole test."""
    fitting = [
        entry
        for entry in entries
        if entry.culprit in (None, culprit.frame.name) and _growth(comparison, culprit, entry) <= entry.limit
    ]
    return min(fitting, key=lambda entry: (entry.culprit is None, entry.limit), default=None)


def _not_covered(comparison: Comparison, culprit: FrameDelta, entries: Sequence[Acceptance]) -> str:
    name = culprit.frame.name
    mine = [entry for entry in entries if entry.culprit in (None, name)]
    if not mine:
        return f"the culprit {name} is not the accepted one"
    entry = max(mine, key=lambda entry: entry.limit)
    end = "lower" if entry.culprit is None else "upper"
    grown = f"+{_upper(_growth(comparison, culprit, entry))} % of the test"
    return f"the {end} end of the growth of {name} is {grown}, above +{100 * entry.limit:g} %"


def _growth(comparison: Comparison, culprit: FrameDelta, entry: Acceptance) -> float:
    """What the entry has to tolerate of a function's growth with everything it calls, as a share of the test's base
    cost: the upper end if the entry is for this function, the lower end if it is for the whole test."""
    end = culprit.low if entry.culprit is None else culprit.high
    return end / comparison.base if comparison.base else math.inf


def _upper(share: float) -> str:
    """Percent, rounded up: what a limit would have to be."""
    return f"{math.ceil(round(share * 1000, 6)) / 10:g}" if math.isfinite(share) else "∞"


def _says_expired(entry: Acceptance) -> str:
    return f"{entry.place} expired on {entry.until} and no longer accepts this slowdown (its reason: {entry.reason})"


def _use(entry: Acceptance, judgements: Sequence[Judgement], today: datetime.date, *, complete: bool) -> EntryUse:
    mine = [judgement for judgement in judgements if matches(entry, judgement.test_id)]
    ids = tuple(judgement.test_id for judgement in mine)
    if accepts := tuple(judgement.test_id for judgement in mine if entry in judgement.accepted):
        return EntryUse(entry, EntryState.ACCEPTS, accepts)
    if entry.expired(today):
        return EntryUse(entry, EntryState.EXPIRED, ids)
    if regressed := tuple(judgement.test_id for judgement in mine if judgement.verdict is Verdict.REGRESSED):
        return EntryUse(entry, EntryState.EXCEEDED, regressed)
    # One run of a few tests says nothing about a pattern that is also for others.
    known = complete or entry.test in ids
    if not mine:
        return EntryUse(entry, EntryState.UNMATCHED if known else EntryState.UNDECIDED)
    fine = all(judgement.verdict in (Verdict.PASS, Verdict.IMPROVED, Verdict.ACCEPTED) for judgement in mine)
    return EntryUse(entry, EntryState.UNNEEDED if known and fine else EntryState.UNDECIDED, ids)
