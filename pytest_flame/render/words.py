"""The sentences that all reports share, so that terminal, picture, page and comment say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pytest_flame.formats.labels import INSTALLED
from pytest_flame.model import (
    Acceptance,
    Change,
    ChangedFunction,
    CodeChange,
    Comparison,
    DiffCoverage,
    EntryState,
    EntryUse,
    FrameDelta,
    GateChange,
    GateChangeKind,
    Judgement,
    Metric,
    RunResult,
    Under,
    Verdict,
)
from pytest_flame.render import units

WORST_FIRST: Final = (
    Verdict.REGRESSED,
    Verdict.ERROR,
    Verdict.INCONCLUSIVE,
    Verdict.INCOMPATIBLE,
    Verdict.NEW,
    Verdict.ACCEPTED,
    Verdict.IMPROVED,
    Verdict.PASS,
)

_SLOWER: Final = (Verdict.REGRESSED, Verdict.ACCEPTED)

FILES: Final = "files"
"""The mode of a run that did not measure."""

LABELS: Final = {
    Verdict.REGRESSED: "regressed",
    Verdict.ERROR: "could not be measured",
    Verdict.INCONCLUSIVE: "not judged",
    Verdict.INCOMPATIBLE: "not comparable",
    Verdict.NEW: "without a base",
    Verdict.ACCEPTED: "slower and accepted",
    Verdict.IMPROVED: "improved",
    Verdict.PASS: "passed",
}


def counts(result: RunResult) -> list[tuple[Verdict, int]]:
    """How many tests got each verdict, worst first, without the zeros."""
    found = Counter(judgement.verdict for judgement in result.judgements)
    return [(verdict, found[verdict]) for verdict in WORST_FIRST if found[verdict]]


def headline(result: RunResult) -> str:
    """``12 tests: 1 regressed, 1 not judged, 10 passed``; for profiles: ``old → new: not tested``."""
    if result.mode == FILES:
        return "; ".join(f"{j.test_id}: {_of_files(j)}" for j in result.judgements)
    tests = units.count(len(result.judgements), "test")
    parts = ", ".join(f"{n} {LABELS[verdict]}" for verdict, n in counts(result))
    text = f"{tests}: {parts}" if parts else "no tests were measured"
    return f"interrupted; {text}" if result.interrupted else text


def conclusion(result: RunResult) -> str:
    """The run in one short sentence: ``2 of 8 tests regressed, 4 were not judged``."""
    if result.mode == FILES:
        return headline(result)
    number = dict(counts(result))
    whole, regressed = len(result.judgements), number.get(Verdict.REGRESSED, 0)
    fine = sum(number.get(verdict, 0) for verdict in (Verdict.ACCEPTED, Verdict.IMPROVED, Verdict.PASS))
    judged = regressed + fine
    if not judged:
        return f"Nothing could be judged: {headline(result)}"
    found = f"{regressed} of {units.count(whole, 'test')} regressed" if regressed else "No regression found"
    if slower := number.get(Verdict.ACCEPTED, 0):
        found = f"{found}, {slower} slower and accepted"
    left = whole - judged
    return f"{found}, {left} {'was' if left == 1 else 'were'} not judged" if left else found


def _of_files(judgement: Judgement) -> str:
    comparison = judgement.comparison
    if comparison is None:
        return "flame graph"
    if not comparison.tested:
        return f"{times(comparison)}, {effect(comparison)}"
    return f"{LABELS[judgement.verdict]}, {times(comparison)}, {effect(comparison)}"


def worst_first(result: RunResult) -> list[Judgement]:
    """Judgements by verdict, the largest effect first within one; ties keep the order they ran in."""

    def rank(judgement: Judgement) -> tuple[int, float]:
        ratio = judgement.comparison.ratio if judgement.comparison else 0.0
        return WORST_FIRST.index(judgement.verdict), -ratio

    return sorted(result.judgements, key=rank)


def level(alpha: float) -> float:
    """Two-sided level of the intervals of a run judged at ``alpha``."""
    return 1 - 2 * alpha


def times(comparison: Comparison) -> str:
    """``12.31 ms → 14.02 ms``."""
    base, head = units.before_after(comparison.metric, comparison.base, comparison.head)
    return f"{base} → {head}"


def effect(comparison: Comparison) -> str:
    """``+13.9 % [11.8, 16.0]``; ``+13.9 %, not tested`` if the noise is not known."""
    if not comparison.tested:
        return f"{units.signed_percent(comparison.ratio - 1)}, not tested"
    interval = units.percent_interval(comparison.low - 1, comparison.high - 1)
    return f"{units.signed_percent(comparison.ratio - 1)} {interval}"


def detectable(comparison: Comparison) -> str:
    """``+7.1 %``: the smallest slowdown the run would have detected."""
    return units.signed_percent(comparison.mde - 1)


def replicates(judgement: Judgement) -> str:
    """What was measured for the interval: ``10 pairs``, or ``7 processes`` of head alone; or nothing.

    ``7 profiles`` if they were read from files.
    """
    comparison = judgement.comparison
    if comparison is None:
        return ""
    if judgement.interleaved:
        return units.count(comparison.head_processes, "pair")
    if _of_other_tools(judgement):
        return units.count(comparison.head_processes, "profile")
    return units.count(comparison.head_processes, "process", "processes")


def _of_other_tools(judgement: Judgement) -> bool:
    return judgement.head is not None and judgement.head.sampler.rung == FILES


def badge(judgement: Judgement) -> str:
    """The verdict, or ``NOT TESTED``."""
    if judgement.comparison is not None and not judgement.comparison.tested:
        return "NOT TESTED"
    return str(judgement.verdict.value)


def only_in(judgement: Judgement) -> str:
    """``in shop.parse:tokenize, +31 % (total within 5 %)``: where a regression shows if not in the total.

    Empty if the total shows it, or nothing regressed.
    """
    comparison = judgement.comparison
    if judgement.verdict not in _SLOWER or comparison is None or not comparison.culprits:
        return ""
    tolerated = 1 + comparison.limits.threshold
    if comparison.low > tolerated:
        return ""
    first, *others = comparison.culprits
    more = f" and {len(others)} more" if others else ""
    limit = units.setting(comparison.limits.threshold)
    total = f"total within {limit}" if comparison.high < tolerated else f"total not shown to be above {limit}"
    return f"in {first.frame.name}, {_grew(comparison, first)}{more} ({total})"


def _grew(comparison: Comparison, delta: FrameDelta) -> str:
    if delta.relative is not None and delta.relative > 0:
        return f"{delta.relative:+.0%}".replace("%", " %")
    new = "new, " if delta.base == 0 else ""
    return f"{new}{units.signed_percent(own_growth(delta) / comparison.base)} of the test"


def accepted(judgement: Judgement) -> str:
    """``accepted: +17.3 %``: the change that the written baseline accepts; empty if none was written."""
    if judgement.baseline_written is None:
        return ""
    comparison, verdict = judgement.comparison, judgement.verdict
    if comparison is not None and verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
        where = only_in(judgement)
        return f"accepted: {units.signed_percent(comparison.ratio - 1)}{f', {where}' if where else ''}"
    if verdict is Verdict.INCOMPATIBLE:
        return f"accepted: {LABELS[verdict]} with the previous baseline ({judgement.reason})"
    return ""


def written(judgement: Judgement) -> str:
    """``baseline written: flame-baselines/….json; commit it``, or nothing."""
    if judgement.baseline_written is None:
        return ""
    kept = "" if is_remote(judgement.baseline_written) else "; commit it"
    return f"baseline written: {judgement.baseline_written}{kept}"


def is_remote(place: str) -> bool:
    """Whether a baseline is in an object store instead of a file of the project."""
    return "://" in place


def verdict_words(judgement: Judgement) -> str:
    """How a test's line ends: ``REGRESSED``, ``pass (would have caught +7.1 %)``, ``not judged: too noisy``.

    ``accepted: +17.3 %`` if the run wrote a baseline that accepts a change.
    """
    if said := accepted(judgement):
        return said
    verdict, comparison = judgement.verdict, judgement.comparison
    if comparison is not None and not comparison.tested:
        return judgement.reason
    if verdict is Verdict.PASS and not judgement.measured:
        return "pass, same code"
    if verdict is Verdict.PASS:
        tolerated = ", slower within the threshold" if comparison and comparison.low > 1 else ""
        caught = f" (would have caught {detectable(comparison)})" if comparison else ""
        return f"pass{tolerated}{caught}"
    if verdict in (*_SLOWER, Verdict.IMPROVED):
        where = only_in(judgement)
        said = f"{verdict.value} {where}" if where else str(verdict.value)
        return f"{said}, {terms}" if (terms := accepted_terms(judgement)) else said
    label = {Verdict.INCONCLUSIVE: "not judged", Verdict.INCOMPATIBLE: "not comparable", Verdict.NEW: "not compared"}
    return f"{label.get(verdict, verdict.value)}: {judgement.reason}"


def same_code(judgements: Sequence[Judgement]) -> str:
    """``497 tests pass: all that they execute and read is the same on both sides, so they were not measured``."""
    return (
        f"{units.count(len(judgements), 'test')} {'passes' if len(judgements) == 1 else 'pass'}: all that "
        f"{'it executes and reads' if len(judgements) == 1 else 'they execute and read'} is the same on both sides "
        "(same code), so nothing was measured"
    )


def own_growth(delta: FrameDelta) -> int:
    """The growth a culprit itself is to blame for; all of its growth if nothing was subtracted."""
    return delta.own_delta or delta.delta


def share_of_change(comparison: Comparison, delta: FrameDelta) -> float | None:
    """A culprit's share of the test's growth; None unless the test as a whole grew significantly."""
    change = comparison.head - comparison.base
    if comparison.low <= 1 or change <= 0:
        return None
    return own_growth(delta) / change


def growth(comparison: Comparison, delta: FrameDelta) -> str:
    """``+1.62 ms, 95 % of the change``; of the test's base cost if the whole did not grow."""
    own = own_growth(delta)
    text = units.signed_cost(comparison.metric, own)
    share = share_of_change(comparison, delta)
    if share is not None:
        return f"{text}, {share:.0%} of the change".replace("%", " %")
    if comparison.base > 0:
        return f"{text}, {units.percent(own / comparison.base)} of the test"
    return text


def blind(metric: Metric, delta: FrameDelta) -> str:
    """``+120.0 µs``: the smallest growth of this function that the run would have named; empty if none."""
    return "" if delta.blind is None else units.signed_cost(metric, delta.blind)


def measured_with(judgement: Judgement) -> str:
    """``12 pairs with base 1a2b3c4, measured together``, ``7 processes against 10 stored ones``; or nothing."""
    if judgement.comparison is None:
        return ""
    if not judgement.interleaved:
        stored = "" if _of_other_tools(judgement) else " stored ones"
        return f"{replicates(judgement)} against {judgement.comparison.base_processes}{stored}"
    commit = f" {judgement.base_commit[:7]}" if judgement.base_commit else ""
    return f"{replicates(judgement)} with base{commit}, measured together"


def evidence(judgement: Judgement) -> str:
    """What the verdict rests on: ``measured``, or that both sides execute the ``same code``."""
    return "measured" if judgement.measured else "same code"


def what_happened(delta: FrameDelta) -> str:
    """The change of one function in words, to follow "is".

    ``38 % slower under every caller``, ``called more often by shop:checkout, which makes it cost 900 % more``,
    ``renamed from orders:old and 38 % slower``. For a library's function, also its caller in the project: ``38 %
    slower, called by shop:checkout``. For a function whose own code is the same, the changed one above it: ``38 %
    slower, called by shop:render, which changed in this diff``.
    """
    said, changed = _happened(delta), delta.changed_caller
    if delta.called_from not in (None, delta.caller, changed):
        said = f"{said}, called by {delta.called_from.name}"
    if changed is None:
        return said
    if said.endswith(changed.name):
        return f"{said}, which changed in this diff"
    if changed == delta.caller:
        return f"{said}; {changed.name} changed in this diff"
    return f"{said}, called by {changed.name}, which changed in this diff"


def in_diff(delta: FrameDelta) -> str:
    """`` (changed in this diff)``: for a culprit's name, to follow it; empty if its code is the same or not known."""
    return "" if delta.code_change is None else f" ({delta.code_change.value} in this diff)"


def _happened(delta: FrameDelta) -> str:
    if delta.renamed_from is None:
        return _change(delta)
    renamed = f"renamed from {delta.renamed_from.name}"
    only = (Change.MOVED, Change.NEW, Change.UNCHANGED)
    return renamed if delta.change in only else f"{renamed} and {_change(delta)}"


def _change(delta: FrameDelta) -> str:
    caller = delta.caller.name if delta.caller else None
    more = f"{delta.relative:.0%}".replace("%", " %") if delta.relative and delta.relative >= 0.005 else None
    match delta.change:
        case Change.SLOWER:
            slower = f"{more} slower" if more else "slower"
            if delta.under is Under.EVERY:
                return f"{slower} under every caller"
            if delta.calls is not None and caller is None:
                return f"{slower} for each of its {_calls(delta.calls[1])}" if delta.calls[1] > 1 else slower
            return f"{slower}, or called more often, by {caller}" if caller else slower
        case Change.MORE_CALLS if caller and delta.under is Under.ONE:
            slower = f"{more} slower under {caller} only" if more else f"slower under {caller} only"
            return f"{slower}: called more often there, or with more work"
        case Change.MORE_CALLS:
            by = f" by {caller}" if caller else ""
            if delta.calls is not None:
                by += f" ({units.count(delta.calls[0])} → {_calls(delta.calls[1])})"
            return f"{delta.change.value}{by}" + (f", which makes it cost {more} more" if more else "")
        case Change.NEW:
            return f"new, called by {caller}" if caller else "new"
        case _:
            return str(delta.change.value)


def _calls(number: int) -> str:
    return units.count(number, "call")


def place(delta: FrameDelta) -> str:
    """``orders/parse.py:88``, or empty if the source is not known."""
    return f"{shown_path(delta.line.path)}:{delta.line.line}" if delta.line else ""


def shown_path(path: str) -> str:
    """``…/json/decoder.py`` for a library: its full path is useless on another machine and may reveal the user."""
    if not path.startswith("/"):
        return path
    inside, found = INSTALLED.subn("…/", path)
    return inside if found else "…/" + "/".join(path.split("/")[-2:])


def base_line(result: RunResult) -> str:
    """Where the base came from: ``base 1a2b3c4 (main), measured here, interleaved with head``.

    ``base flame-baselines, as stored, and measured again for 2 of 9 tests``.
    """
    if result.mode == FILES:
        return result.base_source or ""
    commit = (result.base_commit or "")[:7]
    source = result.base_source or ""
    name = f"{commit} ({source})" if commit and source and source != result.base_commit else commit or source
    again = sum(j.interleaved for j in result.judgements)
    if result.mode == "interleaved":
        how = "measured here, interleaved with head"
    elif again:
        how = f"as stored, and measured again for {again} of {units.count(len(result.judgements), 'test')}"
    else:
        how = "as stored"
    return f"base {name or 'unknown'}, {how}"


def accepted_terms(judgement: Judgement) -> str:
    """``until 2031-12-31: the rates are checked now``: what an ACCEPTED test is accepted by; otherwise empty."""
    return "; ".join(f"until {entry.until}: {entry.reason}" for entry in judgement.accepted)


ENTRIES_HEADING: Final = "accepted slowdowns"


def entries_to_show(result: RunResult) -> list[EntryUse]:
    """All that say something about this run."""
    return [use for use in result.accepted if use.state is not EntryState.UNDECIDED]


def entry_use(use: EntryUse) -> str:
    """One entry on one line: what it accepts and until when, or why it can go.

    ``flame-accepted.toml, entry 1: accepts test_total up to +12 % until 2031-12-31: the rates are checked now``.
    """
    entry, tests = use.entry, ", ".join(use.tests[:3]) + (f" and {len(use.tests) - 3} more" if use.tests[3:] else "")
    match use.state:
        case EntryState.ACCEPTS:
            said = f"accepts {tests} {acceptance(entry)}"
        case EntryState.EXPIRED:
            said = f"expired on {entry.until} and no longer protects {entry.test}: remove it, or decide again"
        case EntryState.EXCEEDED:
            said = f"does not cover {tests}: {acceptance(entry)}"
        case EntryState.UNMATCHED:
            said = f"no longer needed: no test that ran is called {entry.test}"
        case _:
            said = f"no longer needed: {entry.test} is not slower without it; remove it"
    return f"{entry.place}: {said}" if entry.place else said


def acceptance(entry: Acceptance) -> str:
    """``in orders.tax:rate up to +12 % until 2031-12-31: the rates are checked now``."""
    where = f"in {entry.culprit} " if entry.culprit else ""
    return f"{where}up to +{units.setting(entry.limit)} until {entry.until}: {entry.reason}"


GATE_HEADING: Final = "changes to the gate itself"


def gate_line(result: RunResult) -> str:
    """What the gate was compared with: the second half of a heading."""
    commit = result.gate.commit
    return f"since {commit[:7]}" if commit else "compared with its baselines"


def gate_change(change: GateChange) -> str:
    """One change on one line."""
    match change.kind:
        case GateChangeKind.SETTING | GateChangeKind.LOOSENED:
            return f"{change.subject}: {change.was} → {change.now}"
        case GateChangeKind.ACCEPTED:
            was = f" (was {change.was})" if change.was else ""
            return f"{change.subject}: accepted to be slower, {change.now}{was}"
        case GateChangeKind.BASELINE:
            return f"{change.subject}: baseline {change.now}"
        case GateChangeKind.UNMARKED if change.was:
            return f"{change.subject}: {change.kind.value}, and {change.was}"
        case GateChangeKind.UNKNOWN:
            return f"{change.subject}: its marks are not known: {change.now}"
        case _:
            return f"{change.subject}: {change.kind.value}" + (f" ({change.now})" if change.now else "")


def covered(coverage: DiffCoverage) -> str:
    """The heading above the changed functions that no test runs; empty if there are none.

    ``2 of 5 changed functions were not seen in any sample (since 1a2b3c4)``.
    """
    number = len(coverage.missed)
    if not number:
        return ""
    of = f"{number} of {units.count(coverage.changed, 'changed function')}"
    verb = "was" if number == 1 else "were"
    how = "not run by any selected test" if coverage.exact else "not seen in any sample"
    return f"{of} {verb} {how} (since {coverage.commit[:7]})"


def missed(function: ChangedFunction) -> str:
    """``orders.tax:rate (added), orders/tax.py:12``: a changed function that no test runs."""
    added = " (added)" if function.change is CodeChange.ADDED else ""
    return f"{function.frame.name}{added}, {shown_path(function.line.path)}:{function.line.line}"


def not_compared(file: str) -> str:
    """A file whose functions could not be compared, with the reason."""
    return f"changed functions are not known of {file}"
