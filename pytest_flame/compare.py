"""Two recordings into one Comparison: arrays in, model out. All judgement is in ``judge``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from pytest_flame import fold
from pytest_flame.model import Change, Comparison, Frame, FrameDelta, Limits, Recording, SourceLine
from pytest_flame.stats.attribution import Attribution, Blame, attribute
from pytest_flame.stats.frames import FrameTests, compare_frames
from pytest_flame.stats.growth import Gauge
from pytest_flame.stats.student import Floats
from pytest_flame.stats.table import Mask, StackTable
from pytest_flame.stats.whole import Whole, compare_whole

STORED_SESSION_SD = 0.01
"""Assumed for a stored baseline of which there is one recording: what a recording differs from the next by."""

_MAX_PS = 2**63 - 1


def compare(base: Recording, head: Recording, limits: Limits, *, session_sd: float = STORED_SESSION_SD) -> Comparison:
    """Compare two recordings of one test, measured apart from each other.

    ``session_sd`` (log scale) is by how much a whole recording differs from another of the same code: 0 where both
    sides were measured together. Raises ``IntegrityError`` for recordings that break their invariants.
    """
    base.check()
    head.check()
    whole = compare_whole(
        _costs(base),
        _costs(head),
        threshold=limits.threshold,
        alpha=limits.alpha,
        session_sd=session_sd,
    )
    frames, attribution, blind_below = _compare_frames(base, head, whole, limits, session_sd)
    comparison = Comparison(
        test_id=head.test_id,
        base_ps=round(whole.base.ps),
        head_ps=round(whole.head.ps),
        ratio=whole.ratio,
        low=whole.low,
        high=whole.high,
        level=1 - 2 * limits.alpha,
        mde=whole.mde,
        base_processes=len(base.processes),
        head_processes=len(head.processes),
        limits=limits,
        frames=tuple(sorted(frames, key=lambda d: (-abs(d.delta_ps), d.frame))),
        culprits=_blamed(frames, attribution.culprits),
        moved=_blamed(frames, attribution.moved),
        unclear=_blamed(frames, attribution.unclear),
        session_sd=session_sd,
        blind_below_ps=_whole_ps(blind_below),
        notes=tuple(_notes(session_sd)),
    )
    comparison.check()
    return comparison


def _compare_frames(
    base: Recording, head: Recording, whole: Whole, limits: Limits, session_sd: float
) -> tuple[list[FrameDelta], Attribution, float]:
    table = StackTable(base.processes, head.processes)
    if not table.paths:
        return [], Attribution(), whole.base.ps
    gauge = Gauge(table, whole.base, whole.head, session_sd)
    tests = compare_frames(
        gauge, whole, threshold=limits.threshold, frame_threshold=limits.frame_threshold, alpha=limits.alpha
    )
    lines = {**base.lines, **head.lines}
    attribution = attribute(tests, project_frames(table.frames, lines))
    culprits = tuple(_with_sole_caller(blame, table) for blame in attribution.culprits)
    return _deltas(tests, attribution, lines), replace(attribution, culprits=culprits), tests.blind_below


def _with_sole_caller(blame: Blame, table: StackTable) -> Blame:
    """A function with one caller only: without call counts, slower and called more often look the same."""
    if blame.change is not Change.SLOWER or blame.caller is not None:
        return blame
    callers = set(map(int, table.callers(blame.frame))) - {-1}
    return replace(blame, caller=callers.pop()) if len(callers) == 1 else blame


def project_frames(frames: Iterable[Frame], lines: dict[Frame, SourceLine]) -> Mask:
    """Which frames are the project's own code: those defined in a file inside the repository, but not installed there.

    A frame whose file is unknown (native, built in) or outside the repository belongs to a library.
    """
    return np.array([frame in lines and _in_project(lines[frame].path) for frame in frames], dtype=np.bool_)


def _in_project(path: str) -> bool:
    parts = PurePosixPath(path).parts
    installed = {"site-packages", "dist-packages"}.intersection(parts)
    return not (path.startswith(("/", "<", "..")) or installed or not parts)


def _deltas(tests: FrameTests, attribution: Attribution, lines: dict[Frame, SourceLine]) -> list[FrameDelta]:
    moved = {blame.frame for blame in attribution.moved}
    inclusive, own = tests.inclusive, tests.own
    return [
        FrameDelta(
            frame=frame,
            base_self_ps=round(own.base[i]),
            head_self_ps=round(own.head[i]),
            base_ps=round(inclusive.base[i]),
            head_ps=round(inclusive.head[i]),
            low_ps=_whole_ps(tests.low[i]),
            high_ps=_whole_ps(tests.high[i]),
            p_adjusted=float(tests.p_adjusted[i]),
            significant=bool(tests.significant[i]),
            over_threshold=bool(tests.inclusive_over[i] | tests.own_over[i]),
            change=Change.MOVED if i in moved else _change(tests, i),
            line=lines.get(frame),
        )
        for i, frame in enumerate(tests.gauge.table.frames)
    ]


def _change(tests: FrameTests, i: int) -> Change:
    """In words, without an eye on who is to blame."""
    if not tests.significant[i]:
        return Change.UNCHANGED
    if tests.inclusive.base[i] == 0:
        return Change.NEW
    if tests.inclusive.head[i] == 0:
        return Change.GONE
    return Change.SLOWER if tests.inclusive.delta[i] > 0 else Change.FASTER


def _blamed(frames: list[FrameDelta], blames: Iterable[Blame]) -> tuple[FrameDelta, ...]:
    """``frames`` in the order of the table the blames point into."""
    return tuple(
        replace(
            frames[b.frame],
            change=b.change,
            caller=None if b.caller is None else frames[b.caller].frame,
            own_delta_ps=round(b.own_delta),
        )
        for b in blames
    )


def _notes(session_sd: float) -> Iterable[str]:
    if session_sd > 0:
        yield f"session variance unknown: {session_sd * 100:.2g} % assumed"


def _costs(recording: Recording) -> Floats:
    return np.array([fold.cost_ps(p) for p in recording.processes], dtype=np.float64)


def _whole_ps(value: float) -> int:
    return round(min(max(value, -_MAX_PS), _MAX_PS)) if not math.isnan(value) else 0
