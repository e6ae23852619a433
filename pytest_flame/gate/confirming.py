"""A suspicion against a stored baseline, confirmed or dismissed: the baseline's own commit is measured again, here.

What a stored baseline can't distinguish from slower code (a different machine or time) is then the same for both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pytest_flame import clocks
from pytest_flame.baseline.origin import Evidence, Origin, OriginFinder
from pytest_flame.baseline.store import Store
from pytest_flame.errors import FlameError
from pytest_flame.gate.interleaving import measure_against
from pytest_flame.gate.request import Judged, Request, Selected
from pytest_flame.git import Repository
from pytest_flame.judge import finding
from pytest_flame.model import ChangedCode, Judgement, Recording, Verdict
from pytest_flame.render import units, words
from pytest_flame.trees.overlay import is_test_module, test_parts

SUSPICIONS: Final = frozenset({Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.INCOMPATIBLE})
_UNDER_BOTH: Final = ("Python", "installed packages", "C library", "kernel", "CPU model")
"""Differences from the baseline that both sides of a new measurement share."""


_INTERRUPTED: Final = "the run was interrupted"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A test that its baseline does not decide. ``screened`` is None if the baseline was not used."""

    test: Selected
    base: Recording
    screened: Judged | None


@dataclass(frozen=True, slots=True)
class Confirmed:
    tests: Mapping[str, Judged]
    notes: tuple[str, ...]
    interrupted: bool
    changed: tuple[ChangedCode, ...]
    """Between each commit that was measured again and head."""


@dataclass
class _Progress:
    tests: dict[str, Judged] = field(default_factory=dict)
    changed: list[ChangedCode] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


def is_suspicion(judgement: Judgement) -> bool:
    """Measuring the base again could change the verdict."""
    return judgement.verdict in SUSPICIONS and (
        judgement.comparison is not None or judgement.verdict is Verdict.INCOMPATIBLE
    )


def confirm(suspects: Sequence[Suspect], store: Store, request: Request, began: float) -> Confirmed:
    """Measures each suspect's base again. ``began`` (monotonic) is when the run's time started."""
    done = _Progress()
    groups, lost = _origins(suspects, store, request)
    for suspect, error in lost:
        done.tests[suspect.test.test_id] = _unconfirmed(suspect, error.what, str(error))
    for commit, group in groups.items():
        _measure_again(commit, group, request, began, done)
    return Confirmed(done.tests, tuple(done.notes), done.interrupted, tuple(done.changed))


def _origins(
    suspects: Sequence[Suspect], store: Store, request: Request
) -> tuple[dict[str, list[tuple[Suspect, Origin]]], list[tuple[Suspect, FlameError]]]:
    """Which commit each suspect's baseline is from, or why it is not known."""
    groups: dict[str, list[tuple[Suspect, Origin]]] = {}
    lost: list[tuple[Suspect, FlameError]] = []
    root = request.settings.root
    try:
        repository = Repository.holding(root, *{suspect.test.file for suspect in suspects})
    except FlameError as e:
        return groups, [(suspect, e) for suspect in suspects]
    sources = {path for suspect in suspects for path in suspect.base.source_hashes}
    tests = test_parts(sources, request.test_patterns)
    finder = OriginFinder(repository, root, lambda p: p in tests or is_test_module(p, request.test_patterns))
    for suspect in suspects:
        try:
            origin = finder.find(suspect.base, store.path(suspect.test.test_id))
        except FlameError as e:
            lost.append((suspect, e))
        else:
            groups.setdefault(origin.commit, []).append((suspect, origin))
    return groups, lost


def _measure_again(
    commit: str, group: Sequence[tuple[Suspect, Origin]], request: Request, began: float, done: _Progress
) -> None:
    why = _INTERRUPTED if done.interrupted else None
    settings = request.settings
    if settings.max_time_s is not None:
        left = settings.max_time_s - (clocks.monotonic() - began)
        settings = replace(settings, max_time_s=left)
        if left <= 0:
            why = "the run's time limit was reached (--flame-max-time)"
    if why is not None:
        done.tests.update({s.test.test_id: _unconfirmed(s, why) for s, _ in group})
        return
    try:
        again = measure_against(commit, [s.test for s, _ in group], replace(request, settings=settings))
    except FlameError as e:
        done.tests.update({s.test.test_id: _unconfirmed(s, e.what, str(e)) for s, _ in group})
        return
    except KeyboardInterrupt:  # while the sides were being set up: screened results are still reported
        done.interrupted = True
        done.tests.update({s.test.test_id: _unconfirmed(s, _INTERRUPTED) for s, _ in group})
        return
    done.interrupted |= again.interrupted
    done.changed.append(again.changed)
    done.notes += [_what_was_done(group), *again.notes]
    for suspect, origin in group:
        done.tests[suspect.test.test_id] = _again(suspect, origin, again.tests[suspect.test.test_id])


def _what_was_done(group: Sequence[tuple[Suspect, Origin]]) -> str:
    """``base 1a2b3c4 re-measured here for 2 tests: slower than the stored baseline``."""
    reasons = Counter(_why_again(s.screened.judgement) for s, _ in group if s.screened is not None)
    several = len(reasons) > 1
    counted = [f"{n} {why}" if several else why for why, n in reasons.most_common()]
    shown = "; ".join(counted) or "--flame-remeasure=always"
    found = " (found by its source hashes)" if group[0][1].how is Evidence.HASHES else ""
    return f"base {group[0][1].commit[:7]}{found} re-measured here for {units.count(len(group), 'test')}: {shown}"


def _why_again(judgement: Judgement | None) -> str:
    match judgement and judgement.verdict:
        case Verdict.INCOMPATIBLE:
            assert judgement is not None
            return f"the baseline was recorded under other conditions ({_unlike(judgement)})"
        case Verdict.REGRESSED:
            assert judgement is not None
            where = "in a function " if words.only_in(judgement) else ""
            return f"{where}slower than the stored baseline"
        case _:
            return f"not decided by the stored baseline ({_undecided(judgement)})"


def _a_function(judgement: Judgement) -> bool:
    """Whether a function, which the reason names, could not be decided, rather than the total."""
    comparison = judgement.comparison
    return comparison is not None and comparison.high < 1 + comparison.limits.threshold


def _undecided(judgement: Judgement | None) -> str:
    """Why, in the same words for all tests of this kind."""
    comparison = judgement.comparison if judgement is not None else None
    if comparison is None or not math.isfinite(comparison.high):
        return "too few processes"
    limits = comparison.limits
    if comparison.low <= 1 + limits.threshold <= comparison.high:
        return f"the interval spans the threshold {units.setting(limits.threshold)}"
    return "whether a function grew by more than it may is not clear"


def _screened_as(judgement: Judgement) -> str:
    """The result against the stored baseline, without advice that has been followed by now."""
    said = words.effect(judgement.comparison) if judgement.comparison else _unlike(judgement)
    if judgement.verdict is Verdict.INCONCLUSIVE:
        said = f"{said}: {finding(judgement) if _a_function(judgement) else _undecided(judgement)}"
    elif where := words.only_in(judgement):
        said = f"{said}, {where}"
    return f"against the stored baseline: {judgement.verdict.value}, {said}"


def _unlike(judgement: Judgement) -> str:
    return _subjects(judgement.details.splitlines()) or judgement.reason


def _subjects(differences: Sequence[str]) -> str:
    """``CPU model, kernel``: what differs, without the values."""
    return ", ".join(line.partition(":")[0] for line in differences)


def _again(suspect: Suspect, origin: Origin, judged: Judged) -> Judged:
    """The new verdict, with what remains of the old one."""
    before, now = suspect.screened, judged.judgement
    wall_s = judged.wall_s + (before.wall_s if before else 0.0)
    ran = judged.ran | (before.ran if before else frozenset())
    if now is None:
        return replace(judged, wall_s=wall_s, ran=ran)
    screened = before.judgement if before else None
    if now.verdict is Verdict.NEW and screened is not None:
        return replace(_unconfirmed(suspect, now.reason), ran=ran)
    notes = [*now.notes]
    if screened is not None:
        notes.insert(0, f"{_screened_as(screened)}; measured again with its commit {origin.commit[:7]}")
        both = [line for line in screened.details.splitlines() if line.startswith(_UNDER_BOTH)]
        if screened.verdict is Verdict.INCOMPATIBLE and both:
            changed = f"this comparison does not include the effect of a change of {_subjects(both)}"
            notes.insert(1, f"both sides ran under today's conditions: {changed}")
    if origin.unverified:
        more = f" and {len(origin.unverified) - 3} more" if len(origin.unverified) > 3 else ""
        notes.append(
            f"whether the base had the same {', '.join(origin.unverified[:3])}{more} as its baseline is not known: no "
            "commit contains generated files or files of a submodule"
        )
    details = now.details or (screened.details if screened is not None else "")
    return Judged(replace(now, notes=tuple(notes), details=details), None, wall_s, ran)


def _unconfirmed(suspect: Suspect, why: str, details: str = "") -> Judged:
    """A stored baseline decides alone only if its session variance is known."""
    assert suspect.screened is None or suspect.screened.judgement is not None
    wall_s = suspect.screened.wall_s if suspect.screened else 0.0
    ran = suspect.screened.ran if suspect.screened else frozenset()
    screened = suspect.screened.judgement if suspect.screened else None
    if screened is None:
        reason = f"the baseline's commit could not be measured again: {why}"
        return Judged(
            Judgement(suspect.test.test_id, Verdict.INCONCLUSIVE, reason, base=suspect.base, details=details),
            None,
            wall_s,
            ran,
        )
    note = f"the baseline's commit could not be measured again: {why}"
    if screened.verdict is Verdict.REGRESSED and not (screened.comparison and screened.comparison.sessions):
        screened = replace(
            screened,
            verdict=Verdict.INCONCLUSIVE,
            reason=f"a suspicion that could not be confirmed: {screened.reason}; {why}",
            details=details or screened.details,
        )
        return Judged(screened, None, wall_s, ran)
    return Judged(replace(screened, notes=(*screened.notes, note)), None, wall_s, ran)
