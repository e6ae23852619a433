"""What each test of a suite executes, found slowly and without pytest-flame: ``sys.setprofile`` in Python.

    python -m benchmarks.suite.slow_tracer OUTPUT TREE MODULES FILE ... -- ARGUMENTS OF PYTEST

Started in ``TREE``; each test file runs in a fork, and each test in a fork of that, so that a test is seen by itself.
A function is its file, its qualified name and what it does: for a file of the project, its source compiled anew with
docstrings removed and everything on one line; for other code, the code object without lines. ``MODULES`` are imported
once for all files: they are the same at every commit.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib
import itertools
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import _pytest
import pluggy
import pytest
from _pytest.runner import runtestprotocol

Key = tuple[str, str]
"""``FILE:QUALNAME`` and a hash."""

HARNESS: Final = tuple(f"{Path(str(module.__file__)).parent}/" for module in (pytest, _pytest, pluggy))
DEFINITIONS: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES: Final = (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Sources:
    """Functions of the files in ``tree`` by their place, as hashes of what they do."""

    def __init__(self, tree: Path) -> None:
        self._tree = f"{tree}/"
        self._files: dict[str, dict[tuple[str, int], set[str]]] = {}

    def key(self, code: CodeType) -> Key:
        file = code.co_filename
        if file.startswith(self._tree) and file.endswith(".py"):
            if file not in self._files:
                self._files[file] = compiled(Path(file).read_text(encoding="utf-8"))
            found = self._files[file].get((code.co_qualname, code.co_firstlineno))
            name = f"{file.removeprefix(self._tree)}:{code.co_qualname}"
            if found is not None:
                return name, " ".join(sorted(found))
            return name, does(code)
        if file.startswith((tempfile.gettempdir(), "/tmp/")):
            file = f"scratch/{Path(file).name}"
        return f"{file}:{code.co_qualname}", does(code)


def compiled(source: str) -> dict[tuple[str, int], set[str]]:
    """(qualified name, first line) → hashes of the functions there; lambdas of one line share both."""
    lines, flat = _without_docstrings(source), _without_docstrings(source)
    _flatten(flat, itertools.count(1), 1)
    found: dict[tuple[str, int], set[str]] = {}
    originals = _nested(compile(lines, "file", "exec", dont_inherit=True))
    for original, code in zip(originals, _nested(compile(flat, "file", "exec", dont_inherit=True)), strict=True):
        place = original.co_qualname, 1 if original.co_qualname == "<module>" else original.co_firstlineno
        found.setdefault(place, set()).add(does(code))
    for (name, _), hashes in [*found.items()]:
        if name == "<module>":
            found[name, 0] = hashes
    return found


def _flatten(node: ast.AST, numbers: Iterator[int], line: int) -> None:
    """One line for each scope: equal functions on the same line would become one."""
    if isinstance(node, SCOPES):
        line = next(numbers)
    if hasattr(node, "lineno"):
        node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
        node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        _flatten(child, numbers, line)


def _without_docstrings(source: str) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = (
                [] if len(node.body) > 1 or isinstance(node, ast.Module) else [ast.Pass(lineno=1, col_offset=0)]
            )
    return ast.fix_missing_locations(tree)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def does(code: CodeType) -> str:
    """Its hash, without lines, the file, and the inside of nested functions."""
    parts = (
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_stacksize),
        (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        code.co_code,
        code.co_exceptiontable,
        [_plain(constant) for constant in code.co_consts],
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _plain(constant: object) -> object:
    if isinstance(constant, CodeType):
        return "code", constant.co_qualname
    if isinstance(constant, frozenset):
        return "frozenset", sorted(map(repr, constant))
    return type(constant).__name__, repr(constant)


class SlowTracer:
    """A plugin. ``pipe``: a line of JSON for each test goes there."""

    def __init__(self, sources: Sources, pipe: int) -> None:
        self._sources = sources
        self._pipe = pipe
        self._codes: dict[int, CodeType] = {}
        self._keys: dict[int, Key] = {}

    def hook(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            self._codes[id(code)] = code

    def start(self) -> None:
        threading.setprofile(self.hook)
        sys.setprofile(self.hook)

    def keys(self) -> set[Key]:
        """Of all code that ran so far."""
        for number, code in [*self._codes.items()]:
            if number not in self._keys and not code.co_filename.startswith((*HARNESS, __file__)):
                self._keys[number] = self._sources.key(code)
        return set(self._keys.values())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        sys.setprofile(None)
        self._shared = self.keys()
        self._say({"shared": sorted(self._shared)})
        gc.collect()
        gc.disable()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        child = os.fork()
        if not child:
            self.start()
            reports = runtestprotocol(item, log=False, nextitem=None)
            sys.setprofile(None)
            passed = len(reports) == 3 and all(report.passed for report in reports)
            self._say({"test": item.nodeid, "passed": passed, "added": sorted(self.keys() - self._shared)})
            os._exit(0)
        os.waitpid(child, 0)
        return True

    def _say(self, message: dict[str, Any]) -> None:
        with open(self._pipe, "w", encoding="utf-8", closefd=False) as pipe:
            json.dump(message, pipe)
            pipe.write("\n")


def trace(files: Sequence[str], tracer: SlowTracer, arguments: Sequence[str]) -> None:
    for file in files:
        child = os.fork()
        if not child:
            tracer.start()
            status = pytest.main([file, *arguments], plugins=[tracer])
            sys.setprofile(None)
            sys.stdout.flush()
            os._exit(status)
        os.waitpid(child, 0)


def main() -> None:
    output, tree, modules, *rest = sys.argv[1:]
    separator = rest.index("--")
    with Path(output).open("wb", buffering=0) as written:
        tracer = SlowTracer(Sources(Path(tree)), written.fileno())
        tracer.start()
        for module in modules.split(","):
            importlib.import_module(module)
        sys.setprofile(None)
        tracer.keys()
        trace(rest[:separator], tracer, rest[separator + 1 :])


if __name__ == "__main__":
    main()
