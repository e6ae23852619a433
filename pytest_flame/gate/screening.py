"""Head alone against the baselines that are stored: what passes here is done, what doesn't is a suspicion."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame import clocks
from pytest_flame.baseline.broken import malformed
from pytest_flame.baseline.fingerprint import differences, sampler_differences
from pytest_flame.baseline.store import Store
from pytest_flame.errors import BaselineError
from pytest_flame.gate.in_diff import sampled_frames
from pytest_flame.gate.proving import Proofs, count_head, not_measured
from pytest_flame.gate.remarks import (
    comparison_warnings,
    left_running,
    own_processes,
    recording_warnings,
    repeatable_hint,
    why_ended,
)
from pytest_flame.gate.request import Judged, Request, Selected
from pytest_flame.gate.trial import OneLook, Screen
from pytest_flame.judge import error, incompatible, inconclusive, new
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.measure.job import Plan, Status
from pytest_flame.measure.planned import unbelievable
from pytest_flame.measure.schedule import MIN_PROCESSES, Launchers, Measured, Referee, Target, measure
from pytest_flame.model import Judgement, Recording
from pytest_flame.trees.scratch import scratch_directory

RECORDED: Final = 10
"""Processes of a new baseline, unless a number is asked for: more would only make exact what the hour adds to it."""


@dataclass(frozen=True, slots=True)
class Bases:
    """The stored baselines of the selected tests."""

    found: Mapping[str, Recording | None]
    broken: Mapping[str, BaselineError]


@dataclass(frozen=True, slots=True)
class Screened:
    tests: Mapping[str, Judged]
    interrupted: bool


def load_bases(store: Store, selected: Sequence[Selected], frames: ChosenFrames) -> Bases:
    found: dict[str, Recording | None] = {}
    broken: dict[str, BaselineError] = {}
    for test in selected:
        try:
            base = store.load(test.test_id)
            if base is None and test.node_id:  # as it was stored before ids were portable
                stored = store.load(test.node_id)
                base = stored and replace(stored, test_id=test.test_id)
        except BaselineError as e:
            broken[test.test_id] = e
            continue
        why = unbelievable(base) if base is not None else None
        if why is not None:
            broken[test.test_id] = malformed(test.test_id, store.path(test.test_id), why)
        else:
            found[test.test_id] = base and frames.recording(base)
    return Bases(found, broken)


def screen(selected: Sequence[Selected], bases: Bases, request: Request) -> Screened:
    """Measures head. A run that records baselines measures all processes, another only what the verdict needs."""
    recording = request.settings.update is not None
    with scratch_directory() as scratch:
        began = clocks.monotonic()
        launcher = request.launcher(scratch)
        counted_before = any(base is not None and base.counted is not None for base in bases.found.values())
        exact, interrupted = count_head(selected, launcher, request) if recording or counted_before else ({}, False)
        proofs = Proofs.from_stored(bases.found, exact, request) if not recording else Proofs.nothing()
        judged = proofs.settled(selected)
        timed = [test for test in selected if test.test_id not in judged]
        how = request.how
        if how.max_time_s is not None:
            how = replace(how, max_time_s=how.max_time_s - (clocks.monotonic() - began))
        targets = [_target(test, bases.found.get(test.test_id), request, recording=recording) for test in timed]
        if interrupted:
            measured = not_measured(timed)
        else:
            measured, interrupted = measure(targets, how, Launchers(launcher), request.progress)
    for test, one in zip(timed, measured, strict=True):
        head = one.head and replace(one.head, counted=exact.get(test.test_id))
        found = _judged(test, replace(one, head=head), bases, request, interrupted=interrupted)
        judged[test.test_id] = proofs.with_exact(found, test.test_id)
    return Screened(judged, interrupted)


@dataclass
class _Screener:
    """A screen, once the first process shows that head is comparable."""

    screen: Screen

    @property
    def next_share(self) -> float:
        return self.screen.next_share

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        return not _unlike(self.screen.base, head) and self.screen.wants_more(base, head)


def _target(test: Selected, base: Recording | None, request: Request, *, recording: bool) -> Target:
    s = test.settings

    def referee(most: int, plan: Plan) -> Referee:
        return OneLook() if base is None else _Screener(Screen(base, s.limits, most, s.time_s, request.rules))

    processes, time_s = s.processes, s.time_s
    if recording and not s.processes_given and processes > RECORDED:
        processes, time_s = RECORDED, time_s * RECORDED / processes
    return replace(
        test.target,
        processes=processes,
        time_s=time_s,
        stored=base,
        referee=None if recording else referee,
    )


def _judged(test: Selected, one: Measured, bases: Bases, request: Request, *, interrupted: bool) -> Judged:
    failure = one.failure
    if failure is not None and failure.status in (Status.SKIPPED, Status.XFAILED):
        return Judged(None, failure, one.wall_s)
    base, broken = bases.found.get(test.test_id), bases.broken.get(test.test_id)
    head = _dated(one.head)
    if failure is not None and failure.status is Status.UNSEEN:
        judgement = inconclusive(test.test_id, failure.message, failure.details)
    elif failure is not None and failure.status is not Status.OUT_OF_TIME:
        judgement = error(test.test_id, failure.message + repeatable_hint(failure, test), details=failure.details)
    elif broken is not None:
        judgement = replace(error(test.test_id, broken.what, details=str(broken)), head=head)
    elif head is None or (not one.complete and len(head.processes) < min(MIN_PROCESSES, one.asked)):
        why = why_ended(interrupted=interrupted)
        done = len(head.processes) if head else 0
        judgement = inconclusive(test.test_id, f"{why} after {done} of {one.asked} processes")
    else:
        judgement = _compared(test, base, replace(one, head=head), head, request)
        notes = [*judgement.notes, *recording_warnings(head)]
        if judgement.comparison is not None and base is not None:
            notes += comparison_warnings(base, head, test.settings.limits.threshold, together=False)
        if not one.complete:
            why = why_ended(interrupted=interrupted)
            notes.append(f"only {len(head.processes)} of {one.asked} processes were measured: {why}")
        judgement = replace(judgement, notes=tuple(notes))
    judgement = replace(judgement, notes=(*judgement.notes, *left_running(one), *own_processes(one)))
    return Judged(judgement, None, one.wall_s, sampled_frames(base, head))


def _compared(test: Selected, base: Recording | None, one: Measured, head: Recording, request: Request) -> Judgement:
    if base is None:
        return replace(new(test.test_id), head=head)
    unlike = _unlike(base, head)
    if unlike:
        return replace(incompatible(test.test_id, unlike), base=base, head=head)
    if one.complete and isinstance(one.referee, _Screener) and one.referee.screen.judgement is not None:
        return replace(one.referee.screen.judgement, head=head)
    most = len(head.processes)
    s = test.settings
    return Screen(base, s.limits, max(most, one.asked), s.time_s, request.rules).decide(head)


def _unlike(base: Recording, head: Recording) -> list[str]:
    unlike = [
        *sampler_differences(base.sampler, head.sampler),
        *differences(base.fingerprint, head.fingerprint),
    ]
    if base.fresh != head.fresh:
        unlike.append(f"fresh=True was {'set' if base.fresh else 'not set'} when the baseline was recorded")
    if base.metric != head.metric:
        before, now = base.metric.name, head.metric.name
        unlike.append(f"metric: the baseline was recorded with metric={before!r}, this is {now!r}")
    return unlike


def _dated(head: Recording | None) -> Recording | None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return replace(head, recorded_at=now) if head is not None else None
