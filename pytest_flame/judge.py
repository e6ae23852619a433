"""From a comparison to a verdict: policy and wording, no statistics.

Fails closed: PASS is given only where it was shown. Without samples, with too few processes, or with a cost that may
have grown while it moved, the verdict is a different one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from statistics import NormalDist, median
from typing import Final, Literal, NamedTuple

from pytest_flame.model import (
    FIRST_CALL,
    Comparison,
    ExactComparison,
    FrameDelta,
    Judgement,
    Objection,
    Recording,
    Verdict,
)

MIN_SAMPLES: Final = 10
"""Per side; fewer say nothing about a frame."""
MAX_MISSING: Final = 0.5
"""Share of a side's samples; if more are missing, the rest do not represent the whole."""
MAX_WAITING: Final = 0.05
"""CPU as a share of wall time, below which a body without samples counts as waiting."""
MAX_LONGER: Final = 20.0
"""Beyond this many times the current time, more time is not advised."""

WHOLE_RULE: Final = "whole test"
FUNCTION_RULE: Final = "function"
CALLS_RULE: Final = "calls"
"""What an objection's ``rule`` is: the names by which entries that accept a slowdown know what they may accept."""

Outcome = Literal["passed", "skipped", "failed"]

_OUTCOMES: Final[Mapping[Verdict, tuple[Outcome, Outcome]]] = {
    Verdict.PASS: ("passed", "passed"),
    Verdict.IMPROVED: ("passed", "passed"),
    Verdict.REGRESSED: ("failed", "failed"),
    Verdict.ACCEPTED: ("passed", "passed"),
    Verdict.INCONCLUSIVE: ("skipped", "failed"),
    Verdict.NEW: ("skipped", "failed"),
    Verdict.INCOMPATIBLE: ("skipped", "failed"),
    Verdict.ERROR: ("failed", "failed"),
}


def outcome(verdict: Verdict, strict: bool) -> Outcome:
    """What pytest reports for a verdict; ``strict`` fails everything that was not shown to pass."""
    return _OUTCOMES[verdict][strict]


@dataclass(frozen=True, slots=True)
class Case:
    """The input of a rule. ``time_s`` is the budget per test and side, None if it is not known."""

    comparison: Comparison
    base: Recording
    head: Recording
    time_s: float | None = None
    advise: Advise | None = None

    @property
    def together(self) -> bool:
        """Base and head were measured together."""
        return not (self.comparison.session_sd or self.comparison.sessions)


class Ruling(NamedTuple):
    """The answer of a rule. REGRESSED without an objection is an objection against the whole test."""

    verdict: Verdict
    reason: str
    objections: tuple[Objection, ...] = ()


Rule = Callable[[Case], Ruling | None]
Advise = Callable[[Case, float], str]
"""What would settle an undecided case, given the factor of more measuring that it needs (inf: none would)."""


def judge(
    comparison: Comparison,
    base: Recording,
    head: Recording,
    *,
    time_s: float | None = None,
    advise: Advise | None = None,
    rules: Sequence[Rule] | None = None,
) -> Judgement:
    """The verdict on two compared recordings, from the first rule that has one.

    If that is REGRESSED, the following rules are asked for objections, too, up to one with a different verdict.

    ``advise`` describes what would settle an undecided case where the gate's options do not apply; ``rules`` are asked
    instead of ``RULES``.
    """
    case = Case(comparison, base, head, time_s, advise)
    given = ((rule, ruling) for rule in (RULES if rules is None else rules) if (ruling := rule(case)) is not None)
    undecided = Ruling(Verdict.INCONCLUSIVE, "none of the rules decides this comparison")
    rule, first = next(given, (_spans, undecided))
    convicting = takewhile(lambda one: one[1].verdict is Verdict.REGRESSED, chain([(rule, first)], given))
    objections = tuple(o for rule, ruling in convicting for o in ruling.objections or (Objection(rule.__name__),))
    verdict, reason, _ = first
    if head.metric == FIRST_CALL:
        reason = f"first call: {reason}"
    return Judgement(comparison.test_id, verdict, reason, comparison, base, head, objections=objections)


def proved(test_id: str, exact: ExactComparison) -> Judgement:
    """Nothing that the test executes differs between the sides."""
    head = exact.head
    counts = f"{head.functions} functions, {head.files} files and {head.libraries} libraries"
    reason = f"same code: all it rests on is the same on both sides ({counts})"
    return Judgement(test_id, Verdict.PASS, reason, exact=exact, measured=False)


def by_calls(judgement: Judgement, threshold: float | None) -> Judgement:
    """REGRESSED, whatever its time says, if a function is called more often by more than ``threshold`` (a ratio)."""
    exact = judgement.exact
    if threshold is None or exact is None or judgement.verdict in (Verdict.ERROR, Verdict.NEW):
        return judgement
    more = exact.called_more(threshold)
    if not more:
        return judgement
    worst = more[0]
    objections = (*judgement.objections, *(Objection(CALLS_RULE, change.callee) for change in more))
    if judgement.verdict is Verdict.REGRESSED:
        return replace(judgement, objections=objections)
    others = f" and {len(more) - 1} more" if len(more) > 1 else ""
    by = "" if worst.caller is None else f"{worst.caller.name} → "
    reason = f"{by}{worst.callee.name}: {worst.base} → {worst.head} calls{others}, more than {threshold:.0%} more"
    reason = f"called more often: {reason}".replace("%", " %")
    return replace(judgement, verdict=Verdict.REGRESSED, reason=reason, objections=objections)


def without_calls(judgement: Judgement, threshold: float | None) -> Judgement:
    """A test whose calls are not known on both sides does not pass a limit of calls."""
    if threshold is None or judgement.verdict not in (Verdict.PASS, Verdict.IMPROVED):
        return judgement
    reason = f"its calls were not counted on both sides (--flame-calls-threshold); its time: {judgement.verdict.value}"
    return replace(judgement, verdict=Verdict.INCONCLUSIVE, reason=reason)


def new(test_id: str, reason: str = "no baseline") -> Judgement:
    """There is nothing to compare with."""
    return Judgement(test_id, Verdict.NEW, reason)


def incompatible(test_id: str, differences: Sequence[str]) -> Judgement:
    """Both sides exist, but ``differences`` (one line each) make them incomparable."""
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    reason = f"{differences[0]}{more}" if differences else "recorded under other conditions"
    return Judgement(test_id, Verdict.INCOMPATIBLE, reason, details="\n".join(differences))


def inconclusive(test_id: str, reason: str, details: str = "") -> Judgement:
    """Nothing that could be judged: out of time, interrupted, too few processes, cost that was not seen."""
    return Judgement(test_id, Verdict.INCONCLUSIVE, reason, details=details)


def error(test_id: str, reason: str, details: str = "") -> Judgement:
    """The body failed, a worker died, the wrong code was imported, too few processes came back, …"""
    return Judgement(test_id, Verdict.ERROR, reason, details=details)


# --- the rules, in the order they are asked -------------------------------------------------------------------


def _no_samples(case: Case) -> Ruling | None:
    """No samples although enough CPU was used that there must have been some."""
    for side, recording in _sides(case):
        if recording.metric.exact or samples_due(recording) < MIN_SAMPLES:
            continue
        if not any(s.weight_ns for p in recording.processes for s in p.stacks.values()):
            n = len(recording.processes)
            return Ruling(Verdict.ERROR, f"no samples: {side} has none in {n} process{'es' if n != 1 else ''}")
    return None


def _whole_test_slower(case: Case) -> Ruling | None:
    c = case.comparison
    if c.low > 1 + c.limits.threshold:
        alike = "; everything is slower by the same factor" if c.alike else ""
        objection = Objection(WHOLE_RULE, bound=c.limits.threshold, by_alpha=True)
        return Ruling(Verdict.REGRESSED, f"{_total(c)} is above the tolerated {_tolerated(c)}{alike}", (objection,))
    return None


def _frame_slower(case: Case) -> Ruling | None:
    c = case.comparison
    if not c.culprits:
        return None
    tolerated = f"tolerated {_number(100 * c.frame_threshold)} %"
    # The same growth may be traced to a different frame next time, such as a library's caller: all that grew are
    # subjects.
    over = tuple(
        Objection(FUNCTION_RULE, d.frame, c.frame_threshold, by_alpha=True) for d in c.frames if d.over_threshold
    )
    return Ruling(Verdict.REGRESSED, f"{_named(c, c.culprits)} ({tolerated}); total {_total(c)}", over)


def _undecidable(case: Case) -> Ruling | None:
    c = case.comparison
    if math.isfinite(c.high):
        return None
    few = min(c.base_processes, c.head_processes)
    if few < 3:
        return Ruling(Verdict.INCONCLUSIVE, f"{few} process{'es' if few > 1 else ''} on one side: too few to judge")
    return Ruling(Verdict.INCONCLUSIVE, "an iteration costs no more than the empty loop: nothing to judge")


def _few_samples(case: Case) -> Ruling | None:
    """A body that waits has hardly any cost. For first calls the clock alone judges the total."""
    for side, recording in _sides(case):
        samples = sum(s.count for p in recording.processes for s in p.stacks.values())
        if recording.metric.exact or samples >= MIN_SAMPLES:
            continue
        cpu_ns, wall_ns = _per_iteration(recording)
        if cpu_ns < MAX_WAITING * wall_ns:
            waits = f"the body waits: {_duration(cpu_ns)} of CPU in {_duration(wall_ns)} on {side}"
            return Ruling(
                Verdict.INCONCLUSIVE,
                f"{waits}, and only CPU is judged; measure the part that computes, with flame(...) or `with flame:`, "
                "or replace what it waits for",
            )
        if recording.metric != FIRST_CALL:
            few = f"{samples} samples of {side}: too few to judge any frame; give it more time"
            return Ruling(Verdict.INCONCLUSIVE, few)
    return None


def _samples_missing(case: Case) -> Ruling | None:
    for side, recording in _sides(case):
        if (part := missing(recording)) > MAX_MISSING:
            return Ruling(Verdict.INCONCLUSIVE, f"{_number(100 * part)} % of the samples of {side} are missing")
    return None


def _maybe_moved(case: Case) -> Ruling | None:
    c = case.comparison
    if not c.unclear:
        return None
    reason = f"{_named(c, c.unclear)} while others lost cost to it; whether the sum stayed the same is not clear"
    return Ruling(Verdict.INCONCLUSIVE, f"{reason}; {_advice(case, math.inf)}")


def _maybe_over(case: Case) -> Ruling | None:
    """A frame that surely grew, by an estimate above what it may, and that more pairs could still name."""
    c = case.comparison
    moved = {delta.frame for delta in c.moved}
    for delta in c.frames:
        if delta.frame not in c.unresolved or delta.frame in moved:
            continue
        limit = c.frame_threshold * c.base
        inclusive = delta.low > 0 and delta.delta > max(limit, c.limits.threshold * delta.base)
        own = delta.self_low > 0 and delta.self_delta > max(limit, c.limits.threshold * delta.base_self)
        # A frame whose inclusive cost did not grow has taken over work from its callees.
        if inclusive or (own and delta.high > limit):
            grew = delta.delta if inclusive else delta.self_delta
            reason = (
                f"`{delta.frame}` grew by {_number(100 * grew / c.base)} % of the test; whether by more than it may"
            )
            return Ruling(Verdict.INCONCLUSIVE, f"{reason} is not clear; {_advice(case, math.inf)}")
    return None


def _improved(case: Case) -> Ruling | None:
    c = case.comparison
    if not c.improved:
        return None
    although = f", although {_named(c, c.outweighed)}" if c.outweighed else ""
    return Ruling(Verdict.IMPROVED, f"{_total(c)} is faster by more than {_tolerated(c)}{although}")


def _within(case: Case) -> Ruling | None:
    c = case.comparison
    if c.high >= 1 + c.limits.threshold:
        return None
    if c.low > 1:
        return Ruling(Verdict.PASS, f"significant slowdown {_total(c)} within the tolerated {_tolerated(c)}")
    return Ruling(Verdict.PASS, f"{_total(c)} is within the tolerated {_tolerated(c)}")


def _spans(case: Case) -> Ruling:
    c = case.comparison
    distance = abs(math.log(c.ratio / (1 + c.limits.threshold)))
    return Ruling(
        Verdict.INCONCLUSIVE,
        f"interval {_interval(c)} spans the threshold {_tolerated(c)}; {_advice(case, distance)}",
    )


RULES: Final[list[Rule]] = [
    _no_samples,
    _whole_test_slower,
    _frame_slower,
    _undecidable,
    _few_samples,
    _samples_missing,
    _maybe_moved,
    _maybe_over,
    _improved,
    _within,
    _spans,
]
"""Put another convicting rule before ``_undecidable``: rules after the one that gives PASS are not asked."""


def samples_due(recording: Recording) -> float:
    """The number of samples expected for the CPU of the sampled rounds."""
    cpu_ns = sum(p.timing.sampled_cpu_ns for p in recording.processes)
    return cpu_ns * recording.sampler.frequency_hz / 1e9


def _per_iteration(recording: Recording) -> tuple[float, float]:
    """CPU and wall time of an iteration in the median process, nanoseconds."""
    timings = [p.timing for p in recording.processes]
    return median(t.cpu_ns / t.calls for t in timings), median(t.wall_ns / t.calls for t in timings)


# --- words ----------------------------------------------------------------------------------------------------


def finding(judgement: Judgement) -> str:
    """The reason of an undecided judgement without the advice after it."""
    return judgement.reason.rpartition("; ")[0] or judgement.reason


def missing(recording: Recording) -> float:
    """Share of a recording's samples that were due and are missing."""
    taken = sum(p.counts.taken for p in recording.processes)
    gone = sum(
        c.unwindable + c.lost + c.overflowed + c.throttled for c in (process.counts for process in recording.processes)
    )
    return gone / (taken + gone) if gone else 0.0


def _sides(case: Case) -> tuple[tuple[str, Recording], tuple[str, Recording]]:
    return ("base", case.base), ("head", case.head)


def _advice(case: Case, distance: float) -> str:
    """What would settle it. ``distance`` (log scale) is the limit for the interval's half-width; inf: twice as much
    time.

    A stored base keeps its own noise however long head is measured; it is taken to be half of the total. With pairs,
    more of the same length help more than longer ones.
    """
    c = case.comparison
    session = NormalDist().inv_cdf(1 - c.limits.alpha) * c.session_sd
    reach = math.log(c.high / c.low) / 2
    noise = max(reach**2 - session**2, 0.0)
    fixed = session**2 + (noise / 2 if c.session_sd else 0.0)
    room = distance**2 - fixed
    longer = 2.0 if math.isinf(distance) else (noise + session**2 - fixed) / room if room > 0 else math.inf
    if case.advise is not None:
        return case.advise(case, max(longer, 1.2) if longer <= MAX_LONGER else math.inf)
    if longer > MAX_LONGER and not case.together:
        return "measuring base and head together (--flame-against=REF) would settle it"
    if longer > MAX_LONGER:
        return "too close to the threshold for more measuring to settle it"
    longer = max(longer, 1.2)
    if case.together:
        more = f"--flame-processes={math.ceil(c.head_processes * longer)}"
        time = "" if case.time_s is None else f" --flame-time={math.ceil(case.time_s * longer)}"
        return f"more pairs ({more}{time}) would settle it"
    if case.time_s is not None:
        return f"more time (--flame-time={math.ceil(case.time_s * longer)}) would settle it"
    return f"more processes (--flame-processes={math.ceil(c.head_processes * longer)}) would settle it"


def _named(c: Comparison, frames: Sequence[FrameDelta]) -> str:
    first = frames[0]
    more = f" and {len(frames) - 1} more" if len(frames) > 1 else ""
    if not c.base:
        return f"`{first.frame}`{more} grew"
    return f"`{first.frame}`{more} grew by {_number(100 * first.own_delta / c.base)} % of the test"


def _total(c: Comparison) -> str:
    return f"{100 * (c.ratio - 1):+.1f} % {_interval(c)}"


def _interval(c: Comparison) -> str:
    return f"[{100 * (c.low - 1):.1f}, {100 * (c.high - 1):.1f}]"


def _tolerated(c: Comparison) -> str:
    return f"{_number(100 * c.limits.threshold)} %"


def _duration(ns: float) -> str:
    scale, unit = next(((scale, unit) for scale, unit in ((1e9, "s"), (1e6, "ms")) if ns >= scale), (1e3, "µs"))
    return f"{ns / scale:.3g} {unit}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
