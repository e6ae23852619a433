"""Which functions of the project differ between two trees; nothing is imported."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Final

from pytest_flame.exact.code import code_hash
from pytest_flame.model import ChangedCode, ChangedFunction, CodeChange, Frame, SourceLine
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawFrame
from pytest_flame.trees.copies import files_below
from pytest_flame.trees.sides import Side, Sides

_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


@dataclass(frozen=True, slots=True)
class SourceTree:
    """One side's files, and how its frames are named."""

    name: str
    """``base`` or ``head``."""
    tree: Path
    namer: FrameNamer

    @classmethod
    def of(cls, side: Side, search_path: Sequence[str]) -> SourceTree:
        """``search_path`` is the run's ``sys.path``; its workers have the same one, moved to the side's tree."""
        moved = [str(side.place(Path(entry)) if entry else side.directory) for entry in search_path]
        roots = [str(side.tree / root) for root in side.provenance.roots]
        return cls(side.name, side.tree, FrameNamer(str(side.root), [*moved, *roots]))

    def read(self, path: str) -> bytes | None:
        file = self.tree / path
        try:
            return file.read_bytes() if file.is_file() else None
        except OSError as e:
            raise _Incomparable(f"{path} at {self.name}: {e.strerror}") from e

    def frame(self, path: str, qualname: str) -> Frame:
        """As the sampler's frames are named."""
        return self.namer.frame(RawFrame(qualname, str(self.tree / path), 0))

    def line(self, path: str, line: int) -> SourceLine:
        return self.namer.line(RawFrame("", str(self.tree / path), line)) or SourceLine(path, line)


@dataclass(frozen=True, slots=True)
class Definition:
    """All code of a file with one qualified name."""

    meaning: tuple[str, ...]
    """Equal if the code does the same: hashes, and how decorators and defaults are written. Sorted: getter and setter
    of a property have one name."""
    line: int
    """Of the first of them."""
    is_function: bool
    """Rather than the body of a module or class, or something that the compiler made."""


class _Incomparable(Exception):
    """Why a file could not be compared."""


def code_between(sides: Sides, search_path: Sequence[str]) -> ChangedCode:
    """What differs between both sides; ``search_path`` is the run's ``sys.path``."""
    base, head = (SourceTree.of(side, search_path) for side in (sides.base, sides.head))
    return changed_code(base, head, sides.commit, sides.head.provenance.tests)


def changed_code(base: SourceTree, head: SourceTree, commit: str, tests: Collection[str]) -> ChangedCode:
    """Compares every Python file of the trees that is not one of ``tests`` (paths inside the trees).

    A function that is in head under another module or class, with the same name and code, was moved and has not
    changed.
    """
    paths = {path for side in (base, head) for path in files_below(side.tree) if path.endswith(".py")}
    before: dict[str, Mapping[str, Definition]] = {}
    after: dict[str, Mapping[str, Definition]] = {}
    unknown = []
    for path in sorted(paths - set(tests)):
        try:
            sources = [side.read(path) for side in (base, head)]
            if sources[0] == sources[1]:
                continue
            before[path], after[path] = (
                _in_file(side, path, source) for side, source in zip((base, head), sources, strict=True)
            )
        except _Incomparable as e:
            unknown.append(str(e))
    at_base = {base.frame(path, name) for path, found in before.items() for name in found}
    gone = {
        (_last_name(name), definition.meaning)
        for path, found in before.items()
        for name, definition in found.items()
        if name not in after[path]
    }
    frames: dict[Frame, CodeChange] = {}
    functions = []
    for path, found in after.items():
        for name, definition in found.items():
            old = before[path].get(name)
            if old.meaning == definition.meaning if old else (_last_name(name), definition.meaning) in gone:
                continue
            frame = head.frame(path, name)
            frames[frame] = CodeChange.CHANGED if frame in at_base else CodeChange.ADDED
            if definition.is_function:
                functions.append(ChangedFunction(frame, frames[frame], head.line(path, definition.line)))
    functions.sort(key=lambda f: (f.line.path, f.line.line, f.frame))
    return ChangedCode(commit, frames, tuple(functions), tuple(unknown))


def _last_name(qualname: str) -> str:
    return qualname.rpartition(".")[2]


def _in_file(side: SourceTree, path: str, source: bytes | None) -> Mapping[str, Definition]:
    if source is None:
        return {}
    try:
        return definitions(source)
    except SyntaxError as e:
        where = f" (line {e.lineno})" if e.lineno else ""
        raise _Incomparable(f"{path} at {side.name}: {e.msg}{where}") from e
    except (ValueError, TypeError, RecursionError, MemoryError) as e:
        raise _Incomparable(f"{path} at {side.name}: {e or type(e).__name__}") from e


def definitions(source: bytes) -> dict[str, Definition]:
    """By qualified name, the code of one file.

    A comprehension belongs to the function around it, too: whether it has code of its own depends on the Python.
    Raises what ``compile`` does, and ``TypeError`` as ``code_hash`` does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
        module = compile(tree, "<source>", "exec", dont_inherit=True)
    written = _Written()
    written.visit(tree)
    meanings: dict[str, list[str]] = written.found
    lines: dict[str, int] = {}
    functions = set(meanings)
    for code, owners in _codes(module, ()):
        meaning = code_hash(code)
        for name in (code.co_qualname, *owners):
            meanings[name].append(meaning)
        lines.setdefault(code.co_qualname, code.co_firstlineno)
        if code.co_name == "<lambda>":
            functions.add(code.co_qualname)
    return {name: Definition(tuple(sorted(meanings[name])), line, name in functions) for name, line in lines.items()}


def _codes(code: CodeType, around: tuple[str, ...]) -> Iterable[tuple[CodeType, tuple[str, ...]]]:
    """All code in it, with the names of what else each belongs to."""
    owners = around if code.co_name in _COMPREHENSIONS else ()
    yield code, owners
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant, (code.co_qualname, *owners))


class _Written(ast.NodeVisitor):
    """What belongs to a function but runs where it is defined: its decorators and defaults."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = defaultdict(list)
        """By qualified name of every ``def``."""
        self._prefix = ""

    def generic_visit(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr):  # most of a tree, and no place for a definition
                self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(f"{self._prefix}{node.name}.", node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        name = f"{self._prefix}{node.name}"
        defaults = (*node.args.defaults, *(default or ast.Pass() for default in node.args.kw_defaults))
        self.found[name].append(repr([ast.dump(part) for part in (*node.decorator_list, *defaults)]))
        self._inside(f"{name}.<locals>.", node)

    def _inside(self, prefix: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        outer, self._prefix = self._prefix, prefix
        for statement in node.body:
            self.visit(statement)
        self._prefix = outer
