"""Notes about anything unusual in a recording; they change no verdict."""

from __future__ import annotations

import statistics
from typing import Final

from pytest_flame import fold
from pytest_flame.gate.request import Selected
from pytest_flame.judge import MIN_SAMPLES
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.schedule import Measured
from pytest_flame.model import FIRST_CALL, PS_PER_NS, ExactComparison, Recording, SampleCounts
from pytest_flame.render import units
from pytest_flame.sampling.paths import MOST
from pytest_flame.stats import first_calls
from pytest_flame.stats.drift import find_drift
from pytest_flame.stats.faults import find_difference

MUCH_OVERHEAD: Final = 0.1
"""From this observer effect on, a note explains it."""
_MOST_SHOWN: Final = 3
_MOST_CHARACTERS: Final = 100
_FRESH: Final = "; @pytest.mark.flame(fresh=True) sets fixtures up again for each call"


def repeatable_hint(failure: WorkerResult, test: Selected) -> str:
    return _FRESH if failure.status is Status.UNREPEATABLE and not test.settings.fresh else ""


def left_running(measured: Measured) -> list[str]:
    """Processes that the test started and did not end: they would have run during all later measurements."""
    if not measured.left:
        return []
    shown = ", ".join(f"`{one_line(name)}`" for name in measured.left[:_MOST_SHOWN])
    more = f" and {len(measured.left) - _MOST_SHOWN} more" if len(measured.left) > _MOST_SHOWN else ""
    return [f"left running by the test and killed after each of its processes: {shown}{more}"]


def own_processes(measured: Measured) -> list[str]:
    """Why it took longer than it could have."""
    if measured.own_processes is None:
        return []
    return [
        "each of its processes was started and imported everything itself, because its interpreter cannot be forked "
        f"once the test file is imported: {measured.own_processes}"
    ]


def exact_remarks(exact: ExactComparison) -> list[str]:
    """Why a test was timed, and which calls changed."""
    notes = [exact.why_not] if exact.why_not else ["audit: measured although all it executes is the same on both sides"]
    changes = exact.changes[:_MOST_SHOWN]
    for change in changes:
        calls = f"{units.count(change.base)} → {units.count(change.head, 'call')}"
        by = "" if change.caller is None else f"{change.caller.name} → "
        notes.append(f"{by}{change.callee.name}: {calls}")
    if len(exact.changes) > len(changes):
        notes.append(f"and {units.count(len(exact.changes) - len(changes), 'more change')} of calls")
    return notes


def one_line(text: str) -> str:
    """A command on one line."""
    text = " ".join(text.split())
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def why_ended(*, interrupted: bool) -> str:
    """Why less was measured than requested."""
    return "interrupted" if interrupted else "the run's time limit was reached (--flame-max-time)"


def recording_warnings(head: Recording) -> list[str]:
    """Notes about anything unusual in a recording."""
    notes = []
    drift = find_drift(head.processes)
    if drift is not None:
        notes.append(
            f"the cost drifts by {drift.change:+.0%} from the first rounds to the last: the body is not repeatable as "
            f"written{'' if head.fresh else _FRESH}"
        )
    counts = sum((p.counts for p in head.processes), SampleCounts())
    total = max(counts.taken, 1)
    due = max(counts.taken + counts.unwindable + counts.lost + counts.overflowed + counts.throttled, 1)
    notes += [
        f"{units.count(number)} of {units.count(due, 'sample')} {what} ({units.percent(number / due)})"
        for number, what in (
            (counts.lost, "were lost because another thread was storing one"),
            (counts.overflowed, "did not fit into the sampler's tables"),
            (counts.throttled, "never came: threads ended before their first one, or the machine was too busy"),
        )
        if number
    ]
    observed = fold.overhead(head.processes)
    if observed is not None and observed > MUCH_OVERHEAD and not head.metric.exact:
        notes.append(
            f"sampling made rounds {units.percent(observed)} more expensive: starting and ending threads costs "
            "more under a sampler, so do very deep stacks, and on some virtual machines every sample. "
            f"{_whose_cost(head)}; fewer samples (--flame-frequency) reduce this"
        )
    if counts.unwindable > 0.002 * total:
        notes.append(f"{counts.unwindable} samples with an unreadable stack ({counts.unwindable / total:.1%})")
    if counts.incomplete > 0.01 * total:
        notes.append(f"{counts.incomplete} stacks lack native frames ({counts.incomplete / total:.1%})")
    if counts.truncated:
        notes.append(
            f"{units.count(counts.truncated, 'stack')} deeper than {units.count(MOST)} frames: their middle is "
            "[truncated]"
        )
    rounds = [r for p in head.processes for r in p.rounds]
    if len(rounds) == len(head.processes) and head.metric != FIRST_CALL:
        iterations = sum(r.iterations for r in rounds)
        cost = units.duration(sum(r.cpu_ns for r in rounds) * PS_PER_NS // iterations)
        notes.append(
            f"one iteration takes {cost} of CPU: {units.count(iterations, 'iteration')} in all, no warm-up, and the "
            "observer effect was not measured"
        )
    return notes


def _whose_cost(head: Recording) -> str:
    if fold.observed(head):
        return "The cost includes it on both sides, so changes look smaller by that much"
    return "The cost is that of the rounds without samples; the share of each function is not, and may be distorted"


def comparison_warnings(base: Recording, head: Recording, threshold: float, *, together: bool) -> list[str]:
    """Differences between the sides in anything but their cost, or but the judged cost."""
    if head.metric == FIRST_CALL:
        return _unseen_functions(base, head)
    if not head.metric.timed:
        return []
    return [*_faults(base, head), *_first_calls(base, head, threshold, together=together)]


def _first_calls(base: Recording, head: Recording, threshold: float, *, together: bool) -> list[str]:
    found = first_calls.find_difference(base.processes, head.processes, threshold=threshold, paired=together)
    if found is None:
        return []
    effect = f"{units.signed_percent(found.ratio - 1)} {units.percent_interval(found.low - 1, found.high - 1)}"
    return [
        f"the first call of a process costs {units.duration(found.head)}, base's {units.duration(found.base)}: "
        f"{effect}, more than later calls do. The first call fills caches and imports modules, and is not "
        "judged: @pytest.mark.flame(metric='first-call') judges it"
    ]


def _unseen_functions(base: Recording, head: Recording) -> list[str]:
    counts = [sum(s.count for p in r.processes for s in p.stacks.values()) for r in (base, head)]
    if min(counts) >= MIN_SAMPLES:
        return []
    fewest = units.count(min(counts), "sample")
    return [f"first calls are too short to judge any function ({fewest}): only the total is judged, by the clock"]


def _faults(base: Recording, head: Recording) -> list[str]:
    base_cost = round(statistics.median(fold.cost(p) for p in base.processes))
    found = find_difference(base.processes, head.processes, base_cost)
    if found is None:
        return []
    more, as_much = ("more", "more") if found.head > found.base else ("fewer", "less")
    return [
        f"head has {more} page faults: {_per_iteration(found.head)} per iteration, base {_per_iteration(found.base)}; "
        f"that is at least {units.duration(found.ns * PS_PER_NS)} of CPU. Memory is returned to the system and taken "
        f"again in every iteration: unless head allocates {as_much}, the cause is where its heap happens to end and "
        "not its code (docs/cost.md)"
    ]


def _per_iteration(faults: float) -> str:
    return f"{faults:.0f}" if faults >= 10 or not faults else f"{faults:.1f}"
