"""A function's source on both sides, line by line, with what each line costs."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from pytest_flame import fold
from pytest_flame.model import Frame, Judgement, Recording
from pytest_flame.render.text import printable

MOST_FUNCTIONS: Final = 40
"""Per test: culprits first, then those with the largest self cost."""
_SHORT: Final = 80
_AROUND: Final = 6
"""Of longer functions, only the lines around those that cost something or changed are shown."""
_LONGEST_LINE: Final = 400
_ELISION: Final = "…"

LineCosts = Mapping[int, int]


class Texts(Protocol):
    """Provides the text of a source file; None if it is not what was measured, or not available."""

    def base(self, judgement: Judgement, path: str) -> str | None: ...

    def head(self, judgement: Judgement, path: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class ListedLine:
    """One line of the function, of base (``before``), head (``after``) or both; costs in picoseconds per iteration."""

    before: int
    """Line number; 0: missing."""
    after: int
    text: str
    base: int
    head: int
    tag: str
    """`` ``, ``+``, ``-``, or ``…`` for omitted lines."""


@dataclass(frozen=True, slots=True)
class Listing:
    frame: Frame
    note: str
    lines: tuple[ListedLine, ...]


def listings(judgement: Judgement, texts: Texts) -> tuple[Listing, ...]:
    """Sources of the most important functions, as far as available."""
    base = judgement.base if judgement.comparison is not None else None
    before, after = _Side(base), _Side(judgement.head)
    culprits = [delta.frame for delta in judgement.comparison.culprits] if judgement.comparison else []
    found: list[Listing] = []
    for frame in _most_important(culprits, before, after):
        old_path, new_path = before.path(frame), after.path(frame)
        old = _function(texts.base(judgement, old_path), frame, before) if old_path is not None else None
        new = _function(texts.head(judgement, new_path), frame, after) if new_path is not None else None
        if old is None and new is None:
            continue
        lines = _aligned(old, new, before.costs.get(frame, {}), after.costs.get(frame, {}))
        found.append(Listing(frame, _note(frame, before, after, old, new), tuple(_shortened(lines))))
        if len(found) == MOST_FUNCTIONS:
            break
    return tuple(found)


class _Side:
    def __init__(self, recording: Recording | None) -> None:
        self.recording = recording
        self.costs = fold.line_costs(recording) if recording is not None else {}

    def path(self, frame: Frame) -> str | None:
        line = self.recording.lines.get(frame) if self.recording is not None else None
        return line.path if line is not None else None

    def first_line(self, frame: Frame) -> int:
        line = self.recording.lines.get(frame) if self.recording is not None else None
        return line.line if line is not None else 0


def _most_important(culprits: list[Frame], base: _Side, head: _Side) -> list[Frame]:
    def cost(frame: Frame) -> int:
        return max(sum(side.costs.get(frame, {}).values()) for side in (base, head))

    others = sorted((base.costs.keys() | head.costs.keys()) - set(culprits), key=lambda frame: (-cost(frame), frame))
    return [*culprits, *others]


def _note(frame: Frame, base: _Side, head: _Side, before: _Piece | None, after: _Piece | None) -> str:
    path = head.path(frame) or base.path(frame) or ""
    notes = [
        f"{path}: CPU time per iteration of each line, including the C code it calls and excluding Python functions."
    ]
    if base.recording is not None:
        if before is None and base.path(frame) is not None:
            notes.append("The source before is not available.")
        if after is None and head.path(frame) is not None:
            notes.append("The source after is not available.")
        if not base.recording.line_weights:
            notes.append("The baseline has no lines.")
    return " ".join(notes)


# --- the lines of one function ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """``lines`` of a file from line ``first`` on."""

    first: int
    lines: list[str] = field(default_factory=list)


def _function(text: str | None, frame: Frame, side: _Side) -> _Piece | None:
    """A function's lines, decorators first. None if the text is not available or has no such function."""
    if text is None:
        return None
    qualname, first = frame.qualname, side.first_line(frame)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    lines = text.splitlines()
    if qualname == "<module>":
        return _Piece(1, lines)
    ends = [last for name, start, last in _definitions(tree) if start == first and name in (qualname, "")]
    if not ends or first > len(lines):
        return None
    return _Piece(first, lines[first - 1 : max(ends)])


def _definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Qualified name (empty for code without one in the source), first and last line of all code."""
    waiting: list[tuple[ast.AST, str]] = [(tree, prefix)]
    while waiting:
        node, outer = waiting.pop()
        inner = outer
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield outer + node.name, start, node.end_lineno or node.lineno
            inner = f"{outer}{node.name}.<locals>."
        elif isinstance(node, ast.ClassDef):
            yield outer + node.name, node.lineno, node.end_lineno or node.lineno
            inner = f"{outer}{node.name}."
        elif isinstance(node, (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
            yield "", node.lineno, node.end_lineno or node.lineno
        waiting.extend((child, inner) for child in ast.iter_child_nodes(node))


def _aligned(before: _Piece | None, after: _Piece | None, base: LineCosts, head: LineCosts) -> list[ListedLine]:
    old, new = before or _Piece(0), after or _Piece(0)
    found: list[ListedLine] = []

    def removed(start: int, stop: int) -> None:
        for at in range(start, stop):
            number = old.first + at
            found.append(ListedLine(number, 0, _shown(old.lines[at]), base.get(number, 0), 0, "-"))

    def added(start: int, stop: int) -> None:
        for at in range(start, stop):
            number = new.first + at
            found.append(ListedLine(0, number, _shown(new.lines[at]), 0, head.get(number, 0), "+"))

    matcher = difflib.SequenceMatcher(None, old.lines, new.lines, autojunk=False)
    for kind, old_start, old_stop, new_start, new_stop in matcher.get_opcodes():
        if kind != "equal":
            removed(old_start, old_stop)
            added(new_start, new_stop)
            continue
        for one, other in zip(range(old_start, old_stop), range(new_start, new_stop), strict=True):
            number, now = old.first + one, new.first + other
            found.append(ListedLine(number, now, _shown(new.lines[other]), base.get(number, 0), head.get(now, 0), " "))
    if before is None or after is None:
        found = [ListedLine(one.before, one.after, one.text, one.base, one.head, " ") for one in found]
    return found


def _shown(text: str) -> str:
    return printable(text.expandtabs(4).rstrip())[:_LONGEST_LINE]


def _shortened(lines: list[ListedLine]) -> Iterator[ListedLine]:
    if len(lines) <= _SHORT:
        yield from lines
        return
    kept = set(range(2))
    for at, line in enumerate(lines):
        if line.base or line.head or line.tag != " ":
            kept.update(range(max(0, at - _AROUND), min(len(lines), at + _AROUND + 1)))
    elided = False
    for at, line in enumerate(lines):
        if at in kept:
            yield line
        elif not elided:
            yield ListedLine(0, 0, _ELISION, 0, 0, _ELISION)
        elided = at not in kept
