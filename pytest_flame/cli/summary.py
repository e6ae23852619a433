"""The terminal output of ``flame diff``: the verdict, the culprits, the largest changes."""

from __future__ import annotations

from typing import Final

from pytest_flame.judge import Outcome, outcome
from pytest_flame.model import Comparison, Judgement
from pytest_flame.render import words
from pytest_flame.render.lines import Line, Markup
from pytest_flame.render.terminal_tree import tree_lines
from pytest_flame.render.text import printable

_MARKUP: Final[dict[Outcome, Markup]] = {
    "passed": {"green": True},
    "skipped": {"yellow": True},
    "failed": {"red": True, "bold": True},
}


def diff_lines(judgement: Judgement, *, width: int) -> list[Line]:
    comparison = judgement.comparison
    assert comparison is not None
    effect = f"{words.times(comparison)}, {words.effect(comparison)}"
    lines = [
        Line(printable(judgement.test_id), {"bold": True}),
        Line(f"{words.badge(judgement)}  {effect}", _MARKUP[outcome(judgement.verdict, strict=False)]),
        Line(f"  {printable(judgement.reason)}"),
    ]
    if comparison.tested:
        lines.append(Line(f"  {_sides(judgement, comparison)}"))
    lines += [Line(f"  note: {printable(note)}") for note in (*judgement.notes, *comparison.notes)]
    lines += [Line(f"  {_accusation(comparison, i)}") for i in range(len(comparison.culprits))]
    tree = tree_lines(judgement, width=width)
    if not comparison.tested and not any(delta.self_delta for delta in comparison.frames):
        lines.append(Line("  nothing changed: every function has the same count before and after"))
    return [*lines, Line(""), *tree] if tree else lines


def _sides(judgement: Judgement, comparison: Comparison) -> str:
    if judgement.interleaved:
        return f"{words.replicates(judgement)} of profiles; would have caught {words.detectable(comparison)}"
    counts = f"{comparison.base_processes} profiles before, {comparison.head_processes} after"
    return f"{counts}; would have caught {words.detectable(comparison)}"


def _accusation(comparison: Comparison, index: int) -> str:
    delta = comparison.culprits[index]
    facts = [delta.frame.name, words.growth(comparison, delta), words.what_happened(delta), words.place(delta)]
    return printable("culprit " + " · ".join(fact for fact in facts if fact))
