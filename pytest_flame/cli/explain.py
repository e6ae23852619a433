"""``flame explain``: what a finished run found and what to do next, short enough for a prompt or a log."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from pytest_flame.errors import UsageError
from pytest_flame.model import Comparison, FrameDelta, Judgement, RunResult, Verdict
from pytest_flame.render import units, words
from pytest_flame.render.from_json import read_document, result_of
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
_GOOD: Final = (Verdict.PASS, Verdict.IMPROVED, Verdict.ACCEPTED)


def run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.result)
    result = result_of(read_document(path), str(path))
    print(explain(result, arguments.result, arguments.test))
    return 0


def explain(result: RunResult, file: str, test: str | None = None) -> str:
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


def find(result: RunResult, part: str) -> Judgement:
    """The test with this id, or the only one whose id contains it."""
    by_id = {test.test_id: test for test in result.judgements}
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


def _of_run(result: RunResult) -> list[str]:
    said = ", ".join(f"{number} {verdict.value}" for verdict, number in words.counts(result))
    lines = [
        f"{units.count(len(result.judgements), 'test')}: {said or 'nothing was measured'}",
        words.base_line(result),
    ]
    if result.head_ref:
        lines.append(f"head: {result.head_ref}")
    if result.interrupted:
        lines.append("interrupted: not all selected tests were judged")
    if changes := result.gate.changes:
        lines.append(f"changes to the gate itself: {_named([change.subject for change in changes])}")
    if missed := [function.frame.name for one in result.coverage for function in one.missed]:
        lines.append(f"changed functions that no selected test runs: {_named(missed)}")
    if uses := words.entries_to_show(result):
        lines.append(f"accepted slowdowns: {_named([f'{use.entry.place}: {use.state.value}' for use in uses])}")
    return [*lines, "", *map(_line, words.worst_first(result))]


def _line(test: Judgement) -> str:
    comparison = test.comparison
    parts = [test.verdict.value, test.test_id]
    if comparison is not None:
        parts.append(words.effect(comparison))
    if comparison is not None and comparison.culprits:
        first = comparison.culprits[0]
        parts.append(f"in {first.frame.name}{words.in_diff(first)}")
    elif test.verdict not in _GOOD:
        parts.append(f"({test.reason})")
    return "  ".join(parts)


def _after_run(result: RunResult, file: str) -> list[str]:
    ordered = words.worst_first(result)
    if not ordered:
        return ["  pytest --flame    (mark tests with @pytest.mark.flame, or select marked ones)"]
    if ordered[0].verdict not in _GOOD:
        return [f"  flame explain {quote(file)} {_in_command(ordered[0].test_id)}"]
    return ["  nothing: no test is slower than it may be"]


# --- a test ------------------------------------------------------------------------------------------------------


def _of_test(test: Judgement, result: RunResult) -> list[str]:
    lines = [f"{test.test_id}: {test.verdict.value}", f"  {test.reason}"]
    comparison = test.comparison
    culprits: Sequence[FrameDelta] = ()
    if comparison is not None:
        culprits = comparison.culprits
        interval = f"{words.effect(comparison)}, {units.setting(comparison.level)} interval"
        lines.append(f"  effect: {interval}, {words.times(comparison)} ({comparison.metric.noun})")
        lines.append(f"  threshold: {units.setting(comparison.limits.threshold)}; {_would_have(comparison)}")
        lines.append(f"  evidence: {_evidence(test, comparison, result)}")
    elif not test.measured:
        lines.append("  evidence: both sides execute the same code and read the same files; nothing was measured")
    lines += [f"  accepted until {entry.until}: {entry.reason}" for entry in test.accepted]
    for culprit in culprits[:_MOST_CULPRITS]:
        assert comparison is not None
        lines += _accusation(comparison, culprit)
    if (more := len(culprits) - _MOST_CULPRITS) > 0:
        lines.append(f"and {units.count(more, 'more culprit')}")
    lines += [f"note: {note}" for note in test.notes[:_MOST_NOTES]]
    if (more := len(test.notes) - _MOST_NOTES) > 0:
        lines.append(f"and {units.count(more, 'more note')}")
    if test.details:
        lines += ["details:", *(f"  {line}" for line in printable_lines(test.details)[-_LAST_LINES:])]
    return lines


def _accusation(comparison: Comparison, culprit: FrameDelta) -> list[str]:
    bounds = units.cost_interval(comparison.metric, culprit.low, culprit.high)
    calls = ""
    if culprit.calls is not None:
        before, after = (f"{n:,}" for n in culprit.calls)
        calls = f"; calls: {before} → {after}" if before != after else f"; calls: {after}, as before"
    place = words.place(culprit)
    return [
        f"culprit: {culprit.frame.name}{words.in_diff(culprit)}{f'  {place}' if place else ''}",
        f"  {words.what_happened(culprit)}",
        f"  {words.growth(comparison, culprit)}, {bounds} with all it calls{calls}",
    ]


def _evidence(test: Judgement, comparison: Comparison, result: RunResult) -> str:
    if test.interleaved:
        commit = f" {test.base_commit[:12]}" if test.base_commit else ""
        return f"{words.replicates(test)} of fresh processes, base{commit} and head measured together"
    stored = f" in {result.base_source}" if result.base_source else ""
    return f"{words.replicates(test)} of head against {comparison.base_processes} of the stored baseline{stored}"


def _would_have(comparison: Comparison) -> str:
    if math.isinf(comparison.mde):
        return "no slowdown would have been REGRESSED"
    return f"a slowdown of {words.detectable(comparison)} or more would have been REGRESSED"


# --- what to do next ---------------------------------------------------------------------------------------------


def _after_test(test: Judgement, result: RunResult) -> list[str]:
    again, selected = f"  {_again(test, result)}", _in_command(test.test_id)
    comparison = test.comparison
    match test.verdict:
        case Verdict.REGRESSED:
            culprits = comparison.culprits if comparison is not None else ()
            first = next((culprit for culprit in culprits if culprit.line is not None), None)
            look = (
                f"look at {first.frame.name} in {words.place(first)}, then measure again:" if first else "fix it, then:"
            )
            return [f"  {look}", again, *_to_accept(test)]
        case Verdict.ACCEPTED:
            return ["  nothing until the last day; then make it faster, or decide again in flame-accepted.toml"]
        case Verdict.INCONCLUSIVE:
            pairs = comparison.head_processes if comparison is not None else 0
            more = f" --flame-processes={2 * pairs} --flame-time=20" if pairs else ""
            return ["  measure it again, longer, on a machine that does nothing else:", f"{again}{more}"]
        case Verdict.NEW if result.mode == "interleaved":
            return ["  nothing: base does not have the test, or what it tests; from the next change on it is compared"]
        case Verdict.NEW | Verdict.INCOMPATIBLE:
            return ["  record a baseline here, and commit it:", f"  pytest --flame-update {selected}"]
        case Verdict.ERROR:
            return ["  run it without measuring, then with:", f"  pytest {selected}", again]
        case Verdict.IMPROVED if not test.interleaved:
            return ["  keep it, so that losing it is a regression:", f"  pytest --flame-update {selected}"]
        case _:
            return ["  nothing: it is not slower than it may be"]


def _again(test: Judgement, result: RunResult) -> str:
    command = ["pytest", "--flame"]
    if result.mode == "interleaved" and result.base_source:
        command.append(f"--flame-against={quote(result.base_source)}")
    if result.head_ref:
        command.append(f"--flame-head={quote(result.head_ref)}")
    return " ".join([*command, _in_command(test.test_id)])


def _to_accept(test: Judgement) -> list[str]:
    """The entry that accepts this slowdown, with the limit that covers what was measured."""
    comparison = test.comparison
    if comparison is None or not comparison.base or _in_command(test.test_id) != quote(test.test_id):
        return []
    ends = [comparison.high - 1]
    culprit = comparison.culprits[0].frame.name if len(comparison.culprits) == 1 else None
    if culprit is not None and (len(culprit) > _LONGEST_LINE or printable(culprit) != culprit):
        return []
    if culprit is not None:
        ends.append(comparison.culprits[0].high / comparison.base)
    else:
        ends += [culprit.low / comparison.base for culprit in comparison.culprits]
    if not math.isfinite(max(ends)) or (limit := math.ceil(100 * max(ends))) < 1:
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
