"""A run's terminal output: plain text with separate markup; the writer decides about colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

from pytest_flame.model import Comparison, FrameDelta, Judgement, RunResult, Verdict
from pytest_flame.render import units, words
from pytest_flame.render.lines import Line, Markup
from pytest_flame.render.terminal_tree import WIDTH as _TREE_WIDTH
from pytest_flame.render.terminal_tree import tree_lines
from pytest_flame.render.text import cells, printable, printable_lines

_MARKUP: Final[Mapping[Verdict, Markup]] = {
    Verdict.PASS: {"green": True},
    Verdict.IMPROVED: {"green": True, "bold": True},
    Verdict.REGRESSED: {"red": True, "bold": True},
    Verdict.ACCEPTED: {"yellow": True, "bold": True},
    Verdict.ERROR: {"red": True, "bold": True},
    Verdict.INCONCLUSIVE: {"yellow": True},
    Verdict.NEW: {"yellow": True},
    Verdict.INCOMPATIBLE: {"yellow": True},
}
_NOTE: Final[Markup] = {"yellow": True}
_WIDTH: Final = 120
_OUTCOME_ROOM: Final = 30
_INDENT: Final = "    "
_MISSED_SHOWN: Final = 5
_PROVED_SHOWN: Final = 3
"""More tests that pass without being measured are only counted."""


def summary_lines(result: RunResult, report: Path | str | None = None, *, width: int = _WIDTH) -> list[Line]:
    """The summary at the end of a run, tests in the order they ran, columns aligned.

    An id too long for ``width`` columns is on a separate line above its figures.
    """
    lines = [Line(_conditions(result)), Line(printable(words.base_line(result)))]
    if result.sampler and result.sampler.reason:
        lines.append(Line(f"sampler {result.sampler.rung}: {printable(result.sampler.reason)}", _NOTE))
    lines += [Line(printable(note), _NOTE) for note in result.notes]
    lines += gate_lines(result)
    lines += coverage_lines(result)
    lines += entry_lines(result)
    if result.interrupted:
        lines.append(Line("interrupted: only the tests below were judged", _NOTE))
    proved = [judgement for judgement in result.judgements if not judgement.measured]
    if len(proved) > _PROVED_SHOWN:
        lines.append(Line(words.same_code(proved), _MARKUP[Verdict.PASS]))
        lines += _test_lines(tuple(j for j in result.judgements if j.measured), width)
    else:
        lines += _test_lines(result.judgements, width)
    if written := [judgement for judgement in result.judgements if judgement.baseline_written is not None]:
        lines.append(Line(printable(_baselines(written))))
    if report is not None:
        lines.append(Line(f"report: {report}"))
    return lines


def gate_lines(result: RunResult) -> list[Line]:
    """The heading of changes to the gate and each of them; empty if there are none."""
    gate = result.gate
    lines = (
        [Line(f"{words.GATE_HEADING} could not be checked: {printable(gate.unknown)}", _NOTE)] if gate.unknown else []
    )
    if gate.changes:
        lines.append(Line(f"{words.GATE_HEADING}, {words.gate_line(result)}:", {**_NOTE, "bold": True}))
        lines += [Line(f"{_INDENT}{printable(words.gate_change(change))}", _NOTE) for change in gate.changes]
    return lines


def coverage_lines(result: RunResult) -> list[Line]:
    """Changed functions that no test runs, at most ``_MISSED_SHOWN`` for each commit; empty if there are none."""
    lines = []
    for coverage in result.coverage:
        if heading := words.covered(coverage):
            lines.append(Line(f"{heading}:", {**_NOTE, "bold": True}))
        lines += [Line(f"{_INDENT}{printable(words.missed(f))}", _NOTE) for f in coverage.missed[:_MISSED_SHOWN]]
        if (more := len(coverage.missed) - _MISSED_SHOWN) > 0:
            lines.append(Line(f"{_INDENT}and {more} more, see the report", _NOTE))
        lines += [Line(printable(words.not_compared(file)), _NOTE) for file in coverage.unknown]
    return lines


def entry_lines(result: RunResult) -> list[Line]:
    """The entries of the file of accepted slowdowns that say something about this run; empty if none do."""
    shown = words.entries_to_show(result)
    lines = [Line(f"{words.ENTRIES_HEADING}:", {**_NOTE, "bold": True})] if shown else []
    return lines + [Line(f"{_INDENT}{printable(words.entry_use(use))}", _NOTE) for use in shown]


def _baselines(written: list[Judgement]) -> str:
    """``3 baselines written, 1 of them accepting a change: git add flame-baselines``."""
    over = sum(bool(words.accepted(judgement)) for judgement in written)
    change = f", {over} of them accepting a change" if over and len(written) > 1 else ""
    folders = sorted({(judgement.baseline_written or "").rpartition("/")[0] or "." for judgement in written})
    if any(map(words.is_remote, folders)):
        return f"{units.count(len(written), 'baseline')} written{change} to {', '.join(folders)}"
    return f"{units.count(len(written), 'baseline')} written{change}; to keep: git add {' '.join(map(quote, folders))}"


def failure_lines(judgement: Judgement, *, picture: Path | str | None = None, width: int = _TREE_WIDTH) -> list[Line]:
    """The body of a failed test's own report: the verdict, the effect, the culprits, where they are, where to look.

    The tree of changed functions fits into ``width`` columns; the terminal wraps sentences.
    """
    comparison = judgement.comparison
    lines = [Line(f"{judgement.verdict.value}: {printable(judgement.reason)}")]
    if comparison is not None:
        limits = comparison.limits
        lines += _plain(
            "",
            f"{words.times(comparison)}  {words.effect(comparison)}  {comparison.metric.noun}",
            f"{units.setting(comparison.level)} interval, threshold {units.setting(limits.threshold)}, "
            f"frame threshold {units.setting(limits.frame_threshold)}, "
            f"{_replicates(judgement, comparison)}",
        )
        if comparison.culprits:
            lines += _plain("", "culprit:" if len(comparison.culprits) == 1 else "culprits:")
            for delta in comparison.culprits:
                lines += _plain(*_accusation(comparison, delta))
        elif judgement.verdict is Verdict.REGRESSED and not comparison.alike:
            lines += _plain("", "no single frame stands out: the growth is spread over too many frames")
        if tree := tree_lines(judgement, width=width):
            lines += [Line(""), *tree]
    notes = [*judgement.notes, *(comparison.notes if comparison else ())]
    if notes:
        lines += _plain("", *(f"note: {printable(note)}" for note in notes))
    if judgement.details:
        lines += _plain("", *printable_lines(judgement.details))
    if picture is not None:
        lines += _plain("", f"picture: {picture}")
    return lines


def _plain(*texts: str) -> list[Line]:
    return [Line(text) for text in texts]


def _replicates(judgement: Judgement, comparison: Comparison) -> str:
    if judgement.interleaved:
        return words.replicates(judgement)
    return f"{comparison.base_processes} base and {comparison.head_processes} head processes"


def _accusation(comparison: Comparison, delta: FrameDelta) -> list[str]:
    name, where = printable(delta.frame.name + words.in_diff(delta)), printable(words.place(delta))
    what = f"`{printable(delta.frame.qualname)}` is {printable(words.what_happened(delta))}"
    bounds = units.cost_interval(comparison.metric, delta.low, delta.high)
    inclusive = f"{units.signed_cost(comparison.metric, delta.delta)} {bounds} inclusive"
    lines = [f"{name}   {where}".rstrip(), f"  {words.growth(comparison, delta)}: {what}", f"  {inclusive}"]
    return [_INDENT + line for line in lines]


def _conditions(result: RunResult) -> str:
    unit = "pair" if result.mode == "interleaved" else "process"
    parts = [
        units.count(len(result.judgements), "test"),
        f"up to {units.count(result.processes, unit, 'processes' if unit == 'process' else '')}",
        units.elapsed(result.duration_s),
    ]
    if result.sampler:
        parts.append(f"{result.sampler.event} {result.sampler.frequency_hz} Hz")
    if result.overhead is not None:
        parts.append(f"overhead {units.percent(result.overhead)}")
    parts += [
        f"threshold {units.setting(result.limits.threshold)}",
        f"intervals {units.setting(words.level(result.limits.alpha))}",
        f"seed {result.seed}",
    ]
    return "flame: " + ", ".join(parts)


class _Row(NamedTuple):
    judgement: Judgement
    columns: tuple[str, str, str, str, str]
    """Base, head, effect, interval, replicates; empty without a comparison."""


def _test_lines(judgements: tuple[Judgement, ...], width: int) -> list[Line]:
    rows = [_Row(judgement, _columns(judgement)) for judgement in judgements]
    measured = [row for row in rows if row.judgement.comparison]
    sizes = [max((cells(row.columns[i]) for row in measured), default=0) for i in range(5)]
    room = width - sum(sizes) - _OUTCOME_ROOM
    ids = max((n for j in judgements if (n := cells(printable(j.test_id))) <= room), default=0)
    lines: list[Line] = []
    for row in rows:
        judgement, name = row.judgement, printable(row.judgement.test_id)
        outcome = printable(words.verdict_words(judgement))
        text = f"{_aligned(row.columns, sizes)}  {outcome}" if judgement.comparison else outcome
        markup = _NOTE if words.accepted(judgement) else _MARKUP[judgement.verdict]
        if cells(name) > ids:
            lines.append(Line(name, markup))
            name = ""
        lines.append(Line(f"{name}{' ' * (ids - cells(name))}  {text}", markup))
        if judgement.comparison:
            lines += _culprit_lines(judgement.comparison)
        if words.accepted(judgement):
            lines.append(Line(f"{_INDENT}{printable(words.written(judgement))}", _NOTE))
        lines += [Line(f"{_INDENT}note: {printable(note)}", _NOTE) for note in judgement.notes]
    return lines


def _columns(judgement: Judgement) -> tuple[str, str, str, str, str]:
    comparison = judgement.comparison
    if comparison is None:
        return "", "", "", "", ""
    base, head = units.before_after(comparison.metric, comparison.base, comparison.head)
    interval = units.percent_interval(comparison.low - 1, comparison.high - 1)
    return base, head, units.signed_percent(comparison.ratio - 1), interval, words.replicates(judgement)


def _aligned(columns: tuple[str, str, str, str, str], sizes: list[int]) -> str:
    base, head, effect, interval, replicates = (" " * (n - cells(c)) + c for c, n in zip(columns, sizes, strict=True))
    return f"{base} → {head}  {effect} {interval}  {replicates}"


def _culprit_lines(comparison: Comparison) -> list[Line]:
    names = [printable(delta.frame.name + words.in_diff(delta)) for delta in comparison.culprits]
    longest = max(map(cells, names), default=0)
    lines = []
    for name, delta in zip(names, comparison.culprits, strict=True):
        facts = f"{words.growth(comparison, delta)}; {printable(words.what_happened(delta))}"
        where = f"   {printable(words.place(delta))}" if delta.line else ""
        lines.append(Line(f"{_INDENT}{name}{' ' * (longest - cells(name))}  {facts}{where}"))
    return lines
