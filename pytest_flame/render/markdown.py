"""The run as a comment on a pull request (GitHub-flavoured Markdown)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from pytest_flame.model import ChangedFunction, CodeChange, Comparison, FrameDelta, Judgement, RunResult, Verdict
from pytest_flame.render import units, words
from pytest_flame.render.text import printable, printable_lines

COMMENT_LIMIT: Final = 60_000
"""Characters; GitHub refuses comments above 65,535, and what posts one adds to it."""

_DETAILS_LIMIT: Final = 4_000
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>#|~&$]")
_AWKWARD_IN_CODE: Final = re.compile(r"[`|\\]|^\s|\s$|^$")
_PUNCTUATION: Final = re.compile(r"[!-+;-@\[-`{-~]")
_MENTION: Final = re.compile(r"@(?=\w)")
_COLUMNS: Final = ("test", "verdict", "base → head", "effect", "culprit")


def result_markdown(result: RunResult, limit: int = COMMENT_LIMIT) -> str:
    """Headline, the tests that did not pass, their culprits and details, then the passing ones folded away.

    Whatever does not fit into ``limit`` characters, at least 4,000, is counted, not dropped silently.
    """
    ordered = words.worst_first(result)
    failing = [j for j in ordered if j.verdict not in (Verdict.PASS, Verdict.IMPROVED)]
    passing = [j for j in ordered if j.verdict in (Verdict.PASS, Verdict.IMPROVED) and j.measured]
    proved = [j for j in ordered if j.verdict is Verdict.PASS and not j.measured]
    parts = [f"### Flame: {plain(words.headline(result))}\n\n{plain(words.base_line(result))}\n"]
    parts += _notes(result, limit // 8)
    parts += _gate(result, limit // 4)
    parts += _coverage(result, limit // 8)
    parts += _entries(result, limit // 8)
    room = limit - sum(map(len, parts)) - 2_000
    if failing:
        table = _table(failing, room // 2)
        parts.append(table)
        details = _fitting(room // 4, filter(None, map(_details, failing)))
        parts.extend(details)
        room -= len(table) + sum(map(len, details))
    if passing:
        summary = units.count(len(passing), "test") + " passed"
        parts.append(f"<details><summary>{summary}</summary>\n\n{_table(passing, room)}\n</details>\n")
    if proved:
        parts.append(f"{plain(words.same_code(proved))}\n")
    parts.append(f"<sub>{plain(_conditions(result))}</sub>\n")
    return "\n".join(parts)


def _notes(result: RunResult, room: int) -> list[str]:
    notes = _fitting(room, (f"> {plain(note)}\n" for note in result.notes))
    left = len(result.notes) - len(notes)
    return [*notes, *([f"> and {units.count(left, 'more note')}, see the report\n"] if left else [])]


def _gate(result: RunResult, room: int) -> list[str]:
    gate = result.gate
    parts = [f"> {words.GATE_HEADING} could not be checked: {plain(gate.unknown)}\n"] if gate.unknown else []
    if gate.changes:
        rows = _fitting(room, (f"- {plain(words.gate_change(change))}" for change in gate.changes))
        left = len(gate.changes) - len(rows)
        more = [f"- and {units.count(left, 'more change')}, see the report"] if left else []
        heading = f"#### {words.GATE_HEADING.capitalize()}, {words.gate_line(result)}\n"
        parts.append("\n".join([heading, *rows, *more, ""]))
    return parts


def _coverage(result: RunResult, room: int) -> list[str]:
    parts = []
    for coverage in result.coverage:
        if heading := words.covered(coverage):
            rows = _fitting(room, map(_missed, coverage.missed))
            left = len(coverage.missed) - len(rows)
            more = [f"- and {units.count(left, 'more function')}, see the report"] if left else []
            parts.append("\n".join([f"#### {heading}\n", *rows, *more, ""]))
        unknown = _fitting(room, (f"> {plain(words.not_compared(file))}\n" for file in coverage.unknown))
        left = len(coverage.unknown) - len(unknown)
        parts += [*unknown, *([f"> and {units.count(left, 'more file')}, see the report\n"] if left else [])]
    return parts


def _entries(result: RunResult, room: int) -> list[str]:
    shown = words.entries_to_show(result)
    if not shown:
        return []
    rows = _fitting(room, (f"- {plain(words.entry_use(use))}" for use in shown))
    left = len(shown) - len(rows)
    more = [f"- and {units.count(left, 'more entry', 'more entries')}, see the report"] if left else []
    return ["\n".join([f"#### {words.ENTRIES_HEADING.capitalize()}\n", *rows, *more, ""])]


def _missed(function: ChangedFunction) -> str:
    added = " (added)" if function.change is CodeChange.ADDED else ""
    return f"- {code(function.frame.name)}{added}, {code(f'{function.line.path}:{function.line.line}')}"


def code(text: str) -> str:
    """``text`` verbatim as code, also in a table cell, whatever it contains."""
    shown = printable(text)
    if _AWKWARD_IN_CODE.search(shown):
        return f"<code>{_PUNCTUATION.sub(_entity, shown)}</code>"
    return f"`{shown}`"


def plain(text: str) -> str:
    """Plain text: no markup, no mention of anyone."""
    return _MENTION.sub("@\u200b", _MARKUP.sub(_entity, printable(text)))


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match.group())};"


def _table(judgements: list[Judgement], room: int) -> str:
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    rows = _fitting(room, map(_row, judgements))
    left = len(judgements) - len(rows)
    more = [f"\nand {units.count(left, 'more test')}, see the report"] if left else []
    return "\n".join([*lines, *rows, *more]) + "\n"


def _row(judgement: Judgement) -> str:
    comparison, verdict = judgement.comparison, judgement.verdict
    if verdict in (Verdict.REGRESSED, Verdict.ERROR):
        shown = f"**{verdict.value}**"
    else:
        shown = verdict.value if verdict in (Verdict.IMPROVED, Verdict.PASS) else words.LABELS[verdict]
    if accepted := words.accepted(judgement):
        shown = f"{shown}, {plain(accepted)}"
    elif where := words.only_in(judgement):
        shown = f"{shown} {plain(where)}"
    if terms := words.accepted_terms(judgement):
        shown = f"{shown} {plain(terms)}"
    cells = [code(judgement.test_id), shown]
    if comparison is None:
        return f"| {' | '.join([*cells, '', '', plain(judgement.reason)])} |"
    cells += [words.times(comparison), words.effect(comparison)]
    if comparison.culprits:
        cells.append(_culprit(comparison))
    elif verdict is Verdict.PASS:
        cells.append(f"would have caught {words.detectable(comparison)}")
    else:
        cells.append(plain(judgement.reason))
    return f"| {' | '.join(cells)} |"


def _culprit(comparison: Comparison) -> str:
    first, *others = comparison.culprits
    text = f"{code(first.frame.name)}{words.in_diff(first)} {plain(words.growth(comparison, first))}"
    if first.called_from not in (None, first.changed_caller):
        text += f", called by {code(first.called_from.name)}"
    if first.changed_caller is not None:
        text += f", called by {code(first.changed_caller.name)}, which changed in this diff"
    return f"{text}, and {len(others)} more" if others else text


def _details(judgement: Judgement) -> str:
    """What the table has no room for; empty if it contains everything."""
    comparison = judgement.comparison
    lines = [_accusation(comparison, delta) for delta in comparison.culprits] if comparison else []
    lines += [f"- {plain(written)}" for written in [words.written(judgement)] if written]
    notes = [*judgement.notes, *(comparison.notes if comparison else ())]
    lines += [f"- note: {plain(note)}" for note in notes]
    if judgement.details:
        lines.append(f"\n{_fenced(judgement.details)}")
    if not lines:
        return ""
    if comparison is not None:
        lines.append(f"- {plain(words.measured_with(judgement))}")
    summary = f"<details><summary><code>{escape(printable(judgement.test_id))}</code></summary>"
    return "\n".join([summary, "", plain(judgement.reason), "", *lines, "", "</details>", ""])


def _accusation(comparison: Comparison, delta: FrameDelta) -> str:
    where = f", {code(words.place(delta))}" if delta.line else ""
    facts = f"{words.growth(comparison, delta)}, {words.what_happened(delta)}"
    return f"- {code(delta.frame.name)}{words.in_diff(delta)}: {plain(facts)}{where}"


def _fenced(text: str) -> str:
    shown = "\n".join(printable_lines(text))
    if len(shown) > _DETAILS_LIMIT:
        shown = f"…\n{shown[-_DETAILS_LIMIT:]}"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _fitting(room: int, pieces: Iterable[str]) -> list[str]:
    """The first pieces that fit into ``room`` characters."""
    fitting = []
    for piece in pieces:
        room -= len(piece) + 1
        if room < 0:
            break
        fitting.append(piece)
    return fitting


def _conditions(result: RunResult) -> str:
    parts = [
        f"threshold {units.setting(result.limits.threshold)}",
        f"intervals {units.setting(words.level(result.limits.alpha))}",
    ]
    if result.mode != words.FILES:
        parts.append(f"seed {result.seed}")
    if result.overhead is not None:
        parts.append(f"overhead {units.percent(result.overhead)}")
    return ", ".join(parts)
