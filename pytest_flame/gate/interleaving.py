"""Base and head measured together, pair by pair: what ``--flame-against`` does, and how a suspicion is confirmed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_flame import clocks, fold
from pytest_flame.baseline.libraries import changed_releases
from pytest_flame.gate.in_diff import sampled_frames, with_changed_code
from pytest_flame.gate.proving import Proofs, not_measured, prove
from pytest_flame.gate.remarks import (
    comparison_warnings,
    left_running,
    own_processes,
    recording_warnings,
    repeatable_hint,
    why_ended,
)
from pytest_flame.gate.request import Judged, Request, Selected
from pytest_flame.gate.trial import OneLook, Trial
from pytest_flame.judge import error, inconclusive, new
from pytest_flame.measure.job import Plan, Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.schedule import BASE, HEAD, MIN_PROCESSES, Launchers, Measured, Referee, Target, measure
from pytest_flame.model import ChangedCode, Judgement, Recording, Verdict
from pytest_flame.stats import noise
from pytest_flame.stats.diagnosis import diagnose
from pytest_flame.trees.changed import code_between
from pytest_flame.trees.scratch import scratch_directory
from pytest_flame.trees.sides import Sides, open_sides

_MOST_SHOWN: Final = 3
_OUT_OF_TIME: Final = WorkerResult(Status.OUT_OF_TIME, why_ended(interrupted=False))


@dataclass(frozen=True, slots=True)
class Interleaved:
    tests: Mapping[str, Judged]
    commit: str
    """The base's."""
    changed: ChangedCode
    """Between it and head."""
    notes: tuple[str, ...]
    interrupted: bool


def measure_against(ref: str, selected: Sequence[Selected], request: Request) -> Interleaved:
    """Measures ``ref`` and the working tree. Raises ``FlameError`` if ``ref`` is not available."""
    s = request.settings
    with (
        scratch_directory() as scratch,
        open_sides(
            ref,
            scratch,
            root=s.root,
            directory=request.directory,
            test_patterns=request.test_patterns,
            base_python=s.base_python,
            base_install=s.base_install,
            base_install_from=s.base_install_from,
            tests=[test.file for test in selected],
            copied=s.copy_ignored,
            head=s.head,
        ) as sides,
    ):
        changed = code_between(sides, sys.path)  # before a test can change a file
        launcher = request.launcher(scratch)
        places = Launchers(launcher.on(sides.head), launcher.on(sides.base))
        began = clocks.monotonic()
        proving = {BASE: launcher.on(sides.base), HEAD: places.head}
        proofs = prove(selected, proving, changed, request, s.max_time_s)
        judged = proofs.settled(selected)
        timed = [test for test in selected if test.test_id not in judged]
        if s.measure == "none":
            judged |= {test.test_id: _untimed(test, proofs, sides) for test in timed}
            timed = []
        targets = [_target(test, request.family(len(selected)), proofs, request) for test in timed]
        how = replace(request.how, max_time_s=_left_s(s.max_time_s, began))
        if proofs.interrupted:
            measured, interrupted = not_measured(timed), True
        else:
            measured, interrupted = measure(targets, how, places, request.progress)
        for test, one in zip(timed, measured, strict=True):
            found = _judged(test, one, sides, request, proofs, interrupted=interrupted)
            judged[test.test_id] = _in_diff(found, request.frames.changed(changed))
        judged = {test: proofs.with_counted(one, test) for test, one in judged.items()}
        if not interrupted and _not_seen(changed, judged):
            interrupted = _measure_new(targets, judged, request, places.head, _left_s(s.max_time_s, began))
        with_commit = {t: replace(one, judgement=_of(one.judgement, sides.commit)) for t, one in judged.items()}
        return Interleaved(with_commit, sides.commit, changed, sides.notes, interrupted)


def _of(judgement: Judgement | None, commit: str) -> Judgement | None:
    return judgement and replace(judgement, interleaved=True, base_commit=commit)


def _left_s(time_s: float | None, began: float) -> float | None:
    return None if time_s is None else time_s - (clocks.monotonic() - began)


def _in_diff(judged: Judged, changed: ChangedCode) -> Judged:
    if judged.judgement is None:
        return judged
    return replace(judged, judgement=with_changed_code(judged.judgement, changed))


def _not_seen(changed: ChangedCode, judged: Mapping[str, Judged]) -> bool:
    """Whether no test has run a changed function so far, as far as is known."""
    ran = {frame for one in judged.values() for frame in one.ran}
    return any(function.frame not in ran for function in changed.functions)


def _measure_new(
    targets: Sequence[Target], judged: dict[str, Judged], request: Request, head: Launcher, left_s: float | None
) -> bool:
    """Measures tests that base does not have on head alone, as a screening does: the functions they run are not unseen.

    Completes ``judged``; returns whether Ctrl-C ended it.
    """
    new = [t for t in targets if (j := judged[t.test_id].judgement) is not None and j.verdict is Verdict.NEW]
    if not new or (left_s is not None and left_s <= 0):
        return False
    alone = [replace(target, referee=lambda most, plan: OneLook()) for target in new]
    done, interrupted = measure(alone, replace(request.how, max_time_s=left_s), Launchers(head), request.progress)
    for one in done:
        before = judged[one.test_id]
        assert before.judgement is not None
        judgement = replace(before.judgement, head=one.head)
        judged[one.test_id] = replace(
            before, judgement=judgement, wall_s=before.wall_s + one.wall_s, ran=sampled_frames(one.head)
        )
    return interrupted


def _target(test: Selected, tests: int, proofs: Proofs, request: Request) -> Target:
    s, exact = test.settings, request.frames.with_known_calls(proofs.exact.get(test.test_id))

    def referee(most: int, plan: Plan) -> Referee:
        return Trial(s.limits, most, tests, s.time_s, exact, plan.rounds, request.rules)

    return replace(test.target, referee=referee, priority=proofs.priority.get(test.test_id, 0.0))


def _judged(
    test: Selected, one: Measured, sides: Sides, request: Request, proofs: Proofs, *, interrupted: bool
) -> Judged:
    failure = one.failure
    if failure is not None and failure.status in (Status.SKIPPED, Status.XFAILED) and one.failed_side != BASE:
        return Judged(None, failure, one.wall_s)
    if failure is not None and failure.status is not Status.OUT_OF_TIME:
        judgement = _failed(test, failure, one.failed_side, sides)
    elif one.base is None or one.head is None or len(one.head.processes) < min(MIN_PROCESSES, one.asked):
        why = why_ended(interrupted=interrupted)
        done = len(one.head.processes) if one.head else 0
        judgement = inconclusive(test.test_id, f"{why} after {done} of {one.asked} pairs")
    else:
        judgement = _decided(one, one.base, one.head, request, interrupted=interrupted)
    judgement = replace(judgement, notes=(*judgement.notes, *left_running(one), *own_processes(one)))
    judged = Judged(judgement, None, one.wall_s, sampled_frames(one.base, one.head))
    return proofs.with_exact(judged, test.test_id)


def _untimed(test: Selected, proofs: Proofs, sides: Sides) -> Judged:
    """A test that is not proved to be the same, and is not to be timed."""
    wall_s, exact = proofs.wall_s[test.test_id], proofs.exact.get(test.test_id)
    if exact is not None:
        judgement = inconclusive(test.test_id, f"not timed (--flame-measure=none): {exact.why_not}")
        return Judged(replace(judgement, exact=exact), None, wall_s)
    side, failure = proofs.failures.get(test.test_id, (HEAD, _OUT_OF_TIME))
    if failure.status in (Status.SKIPPED, Status.XFAILED) and side != BASE:
        return Judged(None, failure, wall_s)
    if failure.status in (Status.OUT_OF_TIME, Status.UNUSABLE):
        return Judged(inconclusive(test.test_id, f"could not be counted: {failure.message}"), None, wall_s)
    return Judged(_failed(test, failure, side, sides), None, wall_s)


def _failed(test: Selected, failure: WorkerResult, side: str, sides: Sides) -> Judgement:
    """NEW if base lacks the test or what it uses; any other failure there is an error with its traceback."""
    at = f"at base {sides.commit[:7]}"
    if failure.status is Status.UNSEEN:
        return inconclusive(test.test_id, failure.message, failure.details)
    if side != BASE:
        return error(test.test_id, failure.message + repeatable_hint(failure, test), details=failure.details)
    if failure.status is Status.ABSENT:
        return new(test.test_id, f"{failure.message} ({at})")
    of_the_body = failure.status in (Status.FAILED, Status.UNREPEATABLE, Status.SKIPPED, Status.XFAILED)
    if failure.status is Status.MISSING:
        return new(test.test_id, f"{failure.message} ({at})")
    if of_the_body and not sides.test_existed(test.file, test.test_id):
        return new(test.test_id, f"the test does not exist {at}, and does not pass on its code")
    return error(test.test_id, f"{at}: {failure.message}", details=failure.details)


def _decided(one: Measured, base: Recording, head: Recording, request: Request, *, interrupted: bool) -> Judgement:
    trial = one.referee
    assert isinstance(trial, Trial)
    done = trial.judgement if one.complete else None
    judgement = done or trial.decide(base, head)
    notes = [*judgement.notes, *recording_warnings(head)]
    notes += comparison_warnings(base, head, trial.limits.threshold, together=True)
    if not one.complete:
        why = why_ended(interrupted=interrupted)
        notes.append(f"only {len(head.processes)} pairs were measured: {why}")
    if releases := changed_releases(base, head):
        more = f" and {len(releases) - _MOST_SHOWN} more" if len(releases) > _MOST_SHOWN else ""
        notes.append(f"the sides have different libraries: {', '.join(releases[:_MOST_SHOWN])}{more}")
    if trial.discarded:
        reasons = sorted({d.reason for d in trial.discarded})[:_MOST_SHOWN]
        notes.append(f"{len(trial.discarded)} of {len(head.processes)} pairs discarded: {'; '.join(reasons)}")
    base_costs, head_costs = (np.array([fold.cost(p) for p in r.processes], dtype=np.float64) for r in (base, head))
    if base_costs.min() > 0 and head_costs.min() > 0:
        seed = request.settings.seed
        notes += noise.warnings(np.log(head_costs) - np.log(base_costs), seed=seed).words
        if judgement.verdict is Verdict.INCONCLUSIVE:
            found = diagnose(
                base.processes,
                head.processes,
                base_costs,
                head_costs,
                paired=True,
                pinned=bool(request.settings.cpus),
                seed=seed,
            )
            notes.append(found.words)
    return replace(judgement, notes=tuple(notes))
