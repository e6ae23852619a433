"""``flame explain``: what a finished run found and what to do next, short enough for a prompt or a log."""

from __future__ import annotations

import argparse
import difflib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from pytest_flame.cli.finished_run import FinishedRun, FoundCulprit, FoundFigures, FoundTest, read_run
from pytest_flame.errors import UsageError
from pytest_flame.render import units, words
from pytest_flame.render.text import printable, printable_lines

LIMIT: Final = 4_000
"""Characters of all that is written, whatever was found."""
_NEXT_ROOM: Final = 1_500
"""Of these, for what to do next; facts get what it leaves."""
_SPARE: Final = 50
"""For the heading, and for lines that count what did not fit."""
_LONGEST_LINE: Final = 300
_LONGEST_ID: Final = 400
"""An id in a command is never cut; with a longer one, the command selects its function or its file."""
_MOST_CULPRITS: Final = 5
_MOST_NOTES: Final = 5
_LAST_LINES: Final = 12
_MOST_NAMED: Final = 5
_ORDER: Final = tuple(verdict.value for verdict in words.WORST_FIRST)
_FAILING: Final = ("REGRESSED", "ERROR")
_OPEN: Final = ("INCONCLUSIVE", "INCOMPATIBLE", "NEW")


def run(arguments: argparse.Namespace) -> int:
    result = read_run(Path(arguments.result))
    print(explain(result, arguments.result, arguments.test))
    return 0


def explain(result: FinishedRun, file: str, test: str | None = None) -> str:
    """One test, or without ``test`` the whole run, in fewer than ``LIMIT`` characters. ``file`` is for commands.

    Raises ``UsageError`` if ``test`` is not a part of exactly one test's id.
    """
    if test is None:
        facts, then = _of_run(result), _after_run(result, file)
    else:
        found = find(result, test)
        facts, then = _of_test(found, result), _after_test(found, result)
    following = _fitting(then, _NEXT_ROOM)
    left = LIMIT - sum(len(line) + 1 for line in following) - _SPARE
    return "\n".join([*_fitting(facts, left), "", "next:", *following])


def find(result: FinishedRun, part: str) -> FoundTest:
    """The test with this id, or the only one whose id contains it."""
    by_id = {test.test_id: test for test in result.tests}
    if part in by_id:
        return by_id[part]
    found = [test_id for test_id in by_id if part in test_id]
    if len(found) == 1:
        return by_id[found[0]]
    if not by_id:
        raise UsageError("no test was measured in this run", fix="pytest --flame --flame-json=FILE")
    if not found:
        names = difflib.get_close_matches(part, by_id, _MOST_NAMED, cutoff=0.3) or list(by_id)[:_MOST_NAMED]
        raise UsageError(
            f"no test's id contains {_cut(part)!r}",
            why=f"{units.count(len(by_id), 'test')} in this run, such as {_named(names)}",
            fix="give a part of an id; without TEST all tests are listed",
        )
    raise UsageError(
        f"{len(found)} tests' ids contain {_cut(part)!r}", why=_named(found), fix="give more of the id, or all of it"
    )


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return ", ".join(map(_cut, ids[:_MOST_NAMED])) + more


# --- a run -------------------------------------------------------------------------------------------------------


def _of_run(result: FinishedRun) -> list[str]:
    counts = Counter(test.verdict for test in result.tests)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict])
    lines = [f"{units.count(len(result.tests), 'test')}: {said or 'nothing was measured'}"]
    how = "measured in pairs with head" if result.interleaved else "as stored"
    commit = (result.base_commit or "")[:12]
    lines.append(f"base: {' '.join(filter(None, (result.base_source, commit))) or 'unknown'}, {how}")
    if result.head_ref:
        lines.append(f"head: {result.head_ref}")
    if result.interrupted:
        lines.append("interrupted: not all selected tests were judged")
    if result.gate_changes:
        lines.append(f"changes to the gate itself: {_named(result.gate_changes)}")
    if result.missed:
        lines.append(f"changed functions that no selected test runs: {_named(result.missed)}")
    if result.entries:
        lines.append(f"accepted slowdowns: {_named([f'{place}: {state}' for place, state in result.entries])}")
    lines.append("")
    return [*lines, *map(_line, _worst_first(result))]


def _worst_first(result: FinishedRun) -> list[FoundTest]:
    def rank(test: FoundTest) -> tuple[int, float]:
        place = _ORDER.index(test.verdict) if test.verdict in _ORDER else len(_ORDER)
        ratio = test.figures.ratio if test.figures is not None else None
        return place, -(ratio or 0.0)

    return sorted(result.tests, key=rank)


def _line(test: FoundTest) -> str:
    parts = [test.verdict, test.test_id]
    if test.figures is not None:
        parts.append(_effect(test.figures))
    if test.culprits:
        parts.append(f"in {test.culprits[0].frame}{_in_diff(test.culprits[0])}")
    elif test.verdict not in ("PASS", "IMPROVED"):
        parts.append(f"({test.reason})")
    return "  ".join(parts)


def _after_run(result: FinishedRun, file: str) -> list[str]:
    ordered = _worst_first(result)
    if not ordered:
        return ["  pytest --flame    (mark tests with @pytest.mark.flame, or select marked ones)"]
    first = ordered[0]
    if first.verdict in (*_FAILING, *_OPEN):
        return [f"  flame explain {quote(file)} {_in_command(first.test_id)}"]
    return ["  nothing: no test is slower than it may be"]


# --- a test ------------------------------------------------------------------------------------------------------


def _of_test(test: FoundTest, result: FinishedRun) -> list[str]:
    lines = [f"{test.test_id}: {test.verdict}", f"  {test.reason}"]
    if test.figures is not None:
        figures, metric = test.figures, test.metric
        base, head = units.before_after(metric, figures.base, figures.head)
        lines.append(
            f"  effect: {_effect(figures)}, {units.setting(figures.level)} interval, {base} → {head} ({metric.noun})"
        )
        lines.append(f"  threshold: {units.setting(figures.threshold)}; {_would_have(figures)}")
        lines.append(f"  evidence: {_evidence(test, figures, result)}")
    elif test.same_code:
        lines.append("  evidence: both sides execute the same code and read the same files; nothing was measured")
    lines += [f"  accepted until {by}" for by in test.accepted_by]
    for culprit in test.culprits[:_MOST_CULPRITS]:
        lines += _accusation(culprit, test)
    if (more := len(test.culprits) - _MOST_CULPRITS) > 0:
        lines.append(f"and {units.count(more, 'more culprit')}")
    lines += [f"note: {note}" for note in test.notes[:_MOST_NOTES]]
    if (more := len(test.notes) - _MOST_NOTES) > 0:
        lines.append(f"and {units.count(more, 'more note')}")
    if test.details:
        lines += ["details:", *(f"  {line}" for line in printable_lines(test.details)[-_LAST_LINES:])]
    return lines


def _accusation(culprit: FoundCulprit, test: FoundTest) -> list[str]:
    grown = units.signed_cost(test.metric, culprit.own_delta)
    bounds = units.cost_interval(test.metric, culprit.low, culprit.high)
    share = f", {culprit.share_of_change:.0%} of the change".replace("%", " %") if culprit.share_of_change else ""
    calls = ""
    if culprit.calls is not None:
        before, after = (f"{n:,.0f}" for n in culprit.calls)
        calls = f"; calls: {before} → {after}" if before != after else f"; calls: {after}, as before"
    where = f"  {culprit.place}" if culprit.place else ""
    return [
        f"culprit: {culprit.frame}{_in_diff(culprit)}{where}",
        f"  {culprit.what}",
        f"  {grown}{share}, {bounds} with all it calls{calls}",
    ]


def _evidence(test: FoundTest, figures: FoundFigures, result: FinishedRun) -> str:
    if test.interleaved:
        pairs = units.count(figures.head_processes, "pair")
        commit = f" {test.base_commit[:12]}" if test.base_commit else ""
        return f"{pairs} of fresh processes, base{commit} and head measured together"
    stored = f" in {result.base_source}" if result.base_source else ""
    processes = units.count(figures.head_processes, "process", "processes")
    return f"{processes} of head against {figures.base_processes} of the stored baseline{stored}"


def _effect(figures: FoundFigures) -> str:
    if figures.ratio is None:
        return "unknown"
    low, high = (math.inf if end is None else end - 1 for end in (figures.low, figures.high))
    return f"{units.signed_percent(figures.ratio - 1)} {units.percent_interval(low, high)}"


def _would_have(figures: FoundFigures) -> str:
    found = "no slowdown" if figures.mde is None else f"a slowdown of {units.signed_percent(figures.mde - 1)} or more"
    return f"{found} would have been REGRESSED"


def _in_diff(culprit: FoundCulprit) -> str:
    return f" ({culprit.code_change} in this diff)" if culprit.code_change else ""


# --- what to do next ---------------------------------------------------------------------------------------------


def _after_test(test: FoundTest, result: FinishedRun) -> list[str]:
    again, selected = f"  {_again(test, result)}", _in_command(test.test_id)
    match test.verdict:
        case "REGRESSED":
            first = next((culprit for culprit in test.culprits if culprit.place), None)
            look = [f"  look at {first.frame} in {first.place}, then measure again:"] if first else ["  fix it, then:"]
            return [*look, again, *_to_accept(test)]
        case "ACCEPTED":
            return ["  nothing until the last day; then make it faster, or decide again in flame-accepted.toml"]
        case "INCONCLUSIVE":
            pairs = test.figures.head_processes if test.figures is not None else 0
            more = f" --flame-processes={2 * pairs} --flame-time=20" if pairs else ""
            return ["  measure it again, longer, on a machine that does nothing else:", f"{again}{more}"]
        case "NEW" if result.interleaved:
            return ["  nothing: base does not have the test, or what it tests; from the next change on it is compared"]
        case "NEW" | "INCOMPATIBLE":
            return ["  record a baseline here, and commit it:", f"  pytest --flame-update {selected}"]
        case "ERROR":
            return ["  run it without measuring, then with:", f"  pytest {selected}", again]
        case "IMPROVED" if not test.interleaved:
            return ["  keep it, so that losing it is a regression:", f"  pytest --flame-update {selected}"]
        case _:
            return ["  nothing: it is not slower than it may be"]


def _again(test: FoundTest, result: FinishedRun) -> str:
    words = ["pytest", "--flame"]
    if result.interleaved and result.base_source:
        words.append(f"--flame-against={quote(result.base_source)}")
    if result.head_ref:
        words.append(f"--flame-head={quote(result.head_ref)}")
    return " ".join([*words, _in_command(test.test_id)])


def _to_accept(test: FoundTest) -> list[str]:
    """The entry that accepts this slowdown, with the limit that covers what was measured."""
    figures = test.figures
    if figures is None or figures.high is None or not figures.base or _in_command(test.test_id) != quote(test.test_id):
        return []
    ends = [figures.high - 1]
    culprit = test.culprits[0].frame if len(test.culprits) == 1 else None
    if culprit is not None and (len(culprit) > _LONGEST_LINE or printable(culprit) != culprit):
        return []
    if culprit is not None:
        ends.append(test.culprits[0].high / figures.base)
    else:
        ends += [culprit.low / figures.base for culprit in test.culprits]
    limit = math.ceil(100 * max(ends))
    if limit < 1:
        return []
    lines = [
        "  or, if it is worth it, accept it in flame-accepted.toml:",
        "  [[accepted]]",
        f"  test = {_toml(test.test_id)}",
    ]
    lines += [f"  culprit = {_toml(culprit)}"] if culprit is not None else []
    return [*lines, f'  limit = "+{limit} %"', '  reason = "…"', "  until = YYYY-MM-DD"]


def _toml(text: str) -> str:
    """A TOML string of a printable text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_command(test_id: str) -> str:
    """The id; its function, or its file, if the id cannot be written in a command."""
    without_parameters = test_id.partition("[")[0]
    for name in (test_id, without_parameters, test_id.partition("::")[0]):
        if len(name) <= _LONGEST_ID and printable(name) == name:
            return quote(name)
    return "TEST"


# --- room --------------------------------------------------------------------------------------------------------


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[: _LONGEST_LINE - 1]}…"


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    """The first lines that fit, and how many do not."""
    kept: list[str] = []
    every = [line if line.startswith(("  pytest", "  flame", "  test =")) else _cut(line) for line in lines]
    for number, line in enumerate(map(printable, every)):
        room -= len(line) + 1
        if room < 0:
            return [*kept, f"and {units.count(len(every) - number, 'more line')}"]
        kept.append(line)
    return kept
