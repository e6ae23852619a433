"""Two recordings into one Comparison: arrays in, model out. All judgement is in ``judge``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pytest_flame import fold
from pytest_flame.baseline.libraries import changed_packages
from pytest_flame.baseline.sessions import session_costs
from pytest_flame.installed import in_project
from pytest_flame.model import Change, Comparison, ExactComparison, Frame, FrameDelta, Limits, Recording, SourceLine
from pytest_flame.stats import noise
from pytest_flame.stats.attribution import Attribution, Blame, attribute, project_caller
from pytest_flame.stats.between_sessions import Between, difference
from pytest_flame.stats.exact_calls import ExactCalls
from pytest_flame.stats.frames import FrameTests, compare_frames, resolved
from pytest_flame.stats.growth import Gauge
from pytest_flame.stats.renames import pair_renames
from pytest_flame.stats.stack_table import Mask, StackTable
from pytest_flame.stats.student import Floats
from pytest_flame.stats.whole import Whole, centre, compare_pairs, decide

STORED_SESSION_SD = 0.01
"""Assumed for a stored baseline with one recording: how much a recording differs from the next one."""

SHIFT_SAID = 0.02
"""From this on a change of the machine's own speed is reported; it counts however small it is."""

_MAX_COST = 2**63 - 1


def compare(
    base: Recording,
    head: Recording,
    limits: Limits,
    *,
    session_sd: float = STORED_SESSION_SD,
    alpha: float | None = None,
    most: int | None = None,
) -> Comparison:
    """Compare a stored recording with a current one, measured separately.

    ``session_sd`` (log scale) is the assumed difference between recordings of the same code if base has too few
    sessions to estimate it; the change of the machine itself, as shown by the fixed loop, is added. ``alpha`` is what
    this look may spend of the limits' alpha (all of it by default), ``most`` how many processes of head the budget
    allows. Raises ``IntegrityError`` for recordings that violate their invariants.
    """
    base.check()
    head.check()
    head = fold.pruned(head, base.floor)
    spent = replace(limits, alpha=limits.alpha if alpha is None else alpha)
    if head.metric.exact:  # counts do not depend on the hour, nor on the machine's speed
        session_sd = shift = 0.0
    else:
        shift = noise.machine_shift(base.processes, head.processes) or 0.0
    d = difference(
        [centre(np.array(costs, dtype=np.float64)) for costs in session_costs(base)],
        centre(_costs(head)),
        assumed_sd=session_sd,
        shift=shift,
    )
    whole = decide(d.base, d.head, d.se, d.df, threshold=limits.threshold, alpha=spent.alpha)
    sd = d.equivalent_sd(spent.alpha) if math.isfinite(d.se) else session_sd
    frames = _compare_frames(base, head, whole, spent, session_sd=sd, most=most or len(head.processes))
    comparison = _comparison(base, head, whole, frames, limits)
    return replace(
        comparison,
        session_sd=math.hypot(session_sd if d.between is None else d.between.sd, shift),
        sessions=d.between.sessions if d.between else 0,
        notes=(*comparison.notes, *_notes(session_sd, d.between, shift)),
    )


def compare_interleaved(
    base: Recording,
    head: Recording,
    limits: Limits,
    *,
    alpha: float,
    most: int,
    done: float | None = None,
    suspects: frozenset[Frame] | None = None,
    exact: ExactComparison | None = None,
) -> Comparison:
    """Compare both sides of pairs measured together: process ``i`` of base and process ``i`` of head.

    ``alpha`` is what this look may spend, ``most`` how many pairs the budget allows, ``done`` the share of all samples
    that these are; by default that of pairs. With ``suspects`` only these
    frames may be found over their thresholds; ``exact`` tells slower from called more often. Raises
    ``IntegrityError`` as ``compare`` does.
    """
    base.check()
    head.check()
    spent = replace(limits, alpha=alpha)
    whole = compare_pairs(_costs(base), _costs(head), threshold=limits.threshold, alpha=alpha, most=most)
    frames = _compare_frames(base, head, whole, spent, most=most, done=done, suspects=suspects, exact=exact)
    return _comparison(base, head, whole, frames, limits)


@dataclass(frozen=True, slots=True)
class _Frames:
    """The results for the frames of one comparison."""

    deltas: list[FrameDelta]
    attribution: Attribution
    blind_below: float
    unresolved: tuple[Frame, ...] = ()
    outweighed: tuple[Blame, ...] = ()


def _comparison(base: Recording, head: Recording, whole: Whole, frames: _Frames, limits: Limits) -> Comparison:
    attribution = frames.attribution
    comparison = Comparison(
        test_id=head.test_id,
        base=round(whole.base.cost),
        head=round(whole.head.cost),
        ratio=whole.ratio,
        low=whole.low,
        high=whole.high,
        level=1 - 2 * limits.alpha,
        mde=whole.mde,
        base_processes=len(base.processes),
        head_processes=len(head.processes),
        limits=limits,
        metric=head.metric,
        frames=tuple(sorted(frames.deltas, key=lambda d: (-abs(d.delta), d.frame))),
        culprits=_blamed(frames.deltas, attribution.culprits),
        moved=_blamed(frames.deltas, attribution.moved),
        unclear=_blamed(frames.deltas, attribution.unclear),
        unresolved=frames.unresolved,
        outweighed=_blamed(frames.deltas, frames.outweighed),
        alike=attribution.alike,
        blind_below=_whole_cost(frames.blind_below),
    )
    comparison.check()
    return comparison


def _compare_frames(
    base: Recording,
    head: Recording,
    whole: Whole,
    spent: Limits,
    *,
    session_sd: float = 0.0,
    most: int,
    done: float | None = None,
    suspects: frozenset[Frame] | None = None,
    exact: ExactComparison | None = None,
) -> _Frames:
    table = StackTable(base.processes, head.processes)
    if not table.paths:
        return _Frames([], Attribution(), whole.base.cost)
    least_cost = spent.frame_threshold * whole.base.cost
    table = table.renamed(pair_renames(table, whole.base.cost, whole.head.cost, least_cost))
    gauge = Gauge(table, whole.base, whole.head, session_sd)
    lines = {**base.lines, **head.lines}
    project = project_frames(table.frames, lines)
    own = project | _of_packages(table.frames, changed_packages(base, head))
    suspected = None if suspects is None else table.indexes(suspects)
    counts = None if exact is None else ExactCalls.of(exact, table)

    def test(frame_threshold: float) -> FrameTests:
        return compare_frames(
            gauge,
            whole,
            threshold=spent.threshold,
            frame_threshold=frame_threshold,
            alpha=spent.alpha,
            suspects=suspected,
        )

    improved = whole.high < 1 - spent.threshold
    tests = test(spent.frame_threshold_of(improved=improved))
    attribution = _attribute(tests, own, project, counts)
    processes = len(head.processes)
    pairs_done = processes / max(most, processes)
    settled = resolved(tests, pairs_done, pairs_done if done is None else done, spent.alpha)
    outweighed: tuple[Blame, ...] = ()
    if improved:
        told = {blame.frame for blame in (*attribution.culprits, *attribution.moved, *attribution.unclear)}
        all_that_grew = _attribute(test(spent.frame_threshold), own, project, counts).culprits
        outweighed = tuple(blame for blame in all_that_grew if blame.frame not in told)
    return _Frames(
        _deltas(tests, attribution, lines, exact),
        attribution,
        tests.blind_below,
        tuple(frame for frame, done in zip(table.frames, settled, strict=True) if not done),
        outweighed,
    )


def _attribute(tests: FrameTests, own: Mask, project: Mask, counts: ExactCalls | None) -> Attribution:
    """The culprits with their callers. ``own`` marks code that may differ between the sides, ``project`` code of the
    repository; both have shape ``(frames,)``."""
    attribution = attribute(tests, own, counts)
    culprits = tuple(
        replace(
            _with_sole_caller(blame, tests.gauge.table, counts), called_from=project_caller(tests, blame.frame, project)
        )
        for blame in attribution.culprits
    )
    return replace(attribution, culprits=culprits)


def _with_sole_caller(blame: Blame, table: StackTable, counts: ExactCalls | None) -> Blame:
    """A function with a single caller: without call counts, slower and called more often look the same."""
    known = counts is not None and counts.of_frame(blame.frame) is not None
    if blame.change is not Change.SLOWER or blame.caller is not None or known:
        return blame
    callers = set(map(int, table.callers(blame.frame))) - {-1}
    return replace(blame, caller=callers.pop()) if len(callers) == 1 else blame


def project_frames(frames: Iterable[Frame], lines: dict[Frame, SourceLine]) -> Mask:
    """Which frames are the project's own code: those defined in a file inside the repository, but not installed there.

    A frame whose file is unknown (native, built in) or outside the repository belongs to a library.
    """
    return np.array([frame in lines and in_project(lines[frame].path) for frame in frames], dtype=np.bool_)


def _of_packages(frames: Iterable[Frame], packages: frozenset[str]) -> Mask:
    return np.array([frame.module.partition(".")[0] in packages for frame in frames], dtype=np.bool_)


def _deltas(
    tests: FrameTests, attribution: Attribution, lines: dict[Frame, SourceLine], exact: ExactComparison | None
) -> list[FrameDelta]:
    moved = {blame.frame for blame in attribution.moved}
    inclusive, own = tests.inclusive, tests.own
    return [
        FrameDelta(
            frame=frame,
            base_self=round(own.base[i]),
            head_self=round(own.head[i]),
            base=round(inclusive.base[i]),
            head=round(inclusive.head[i]),
            low=_whole_cost(tests.low[i]),
            high=_whole_cost(tests.high[i]),
            p_adjusted=float(tests.p_adjusted[i]),
            significant=bool(tests.significant[i]),
            over_threshold=bool(tests.inclusive_over[i] | tests.own_over[i]),
            change=Change.MOVED if i in moved else _change(tests, i),
            line=lines.get(frame),
            self_low=_whole_cost(tests.own_low[i]),
            self_high=_whole_cost(tests.own_high[i]),
            blind=_whole_cost(tests.blind[i]) if math.isfinite(tests.blind[i]) else None,
            renamed_from=tests.gauge.table.before.get(i),
            calls=_calls(exact, frame, tests.gauge.table.before.get(i)),
        )
        for i, frame in enumerate(tests.gauge.table.frames)
    ]


def _calls(exact: ExactComparison | None, frame: Frame, before: Frame | None) -> tuple[int, int] | None:
    found = None if exact is None else exact.calls_of(frame, before)
    return found if found is not None and any(found) else None


def _change(tests: FrameTests, i: int) -> Change:
    """The changes of all frames, without assigning blame."""
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
            own_delta=round(b.own_delta),
            under=b.under,
            relative=b.relative,
            called_from=None if b.called_from is None else frames[b.called_from].frame,
        )
        for b in blames
    )


def _notes(assumed_sd: float, between: Between | None, shift: float) -> Iterable[str]:
    if between is not None:
        yield f"session sd {between.sd * 100:.2g} %, from {between.sessions} recordings"
    elif assumed_sd > 0:
        yield (
            f"session variance unknown: {assumed_sd * 100:.2g} % assumed, since there are fewer than three "
            "recordings of base"
        )
    if abs(shift) >= SHIFT_SAID:
        way = "slower" if shift > 0 else "faster"
        by = abs(math.expm1(shift)) * 100
        yield f"the machine is {by:.2g} % {way} than when the baseline was recorded, measured with a fixed loop"


def _costs(recording: Recording) -> Floats:
    return np.array([fold.cost(p) for p in recording.processes], dtype=np.float64)


def _whole_cost(value: float) -> int:
    return round(min(max(value, -_MAX_COST), _MAX_COST)) if not math.isnan(value) else 0
