"""Which functions differ between two trees: by what they do, not by how or where they are written."""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.model import ChangedCode, CodeChange, Frame, SourceLine
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.trees.changed import SourceTree, changed_code, code_between, definitions
from pytest_flame.trees.scratch import scratch_directory
from pytest_flame.trees.sides import open_sides

COMMIT = "1a2b3c4"


class Trees:
    """Two trees to write files to, and compare."""

    def __init__(self, folder: Path) -> None:
        self.base, self.head = folder / "base", folder / "head"
        self.base.mkdir()
        self.head.mkdir()

    def write(self, name: str, base: str | None, head: str | None) -> None:
        for tree, text in ((self.base, base), (self.head, head)):
            if text is not None:
                file = tree / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(textwrap.dedent(text), encoding="utf-8")

    def compare(self, *, roots: Sequence[str] = ("",), tests: Sequence[str] = ()) -> ChangedCode:
        base, head = (
            SourceTree(tree.name, tree, FrameNamer(str(tree), [str(tree / root) for root in roots]))
            for tree in (self.base, self.head)
        )
        return changed_code(base, head, COMMIT, tests)

    def changes(self, base: str | None, head: str | None) -> dict[str, str]:
        """Of one module ``m``: qualified name → what happened."""
        self.write("m.py", base, head)
        return {frame.qualname: change.value for frame, change in self.compare().frames.items()}


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


ALL_KINDS = """
    import functools

    LIMIT = 10

    def plain(a):
        return a + 1

    @functools.lru_cache(maxsize=10)
    def decorated(a, b=1, *, c=2):
        def nested(x):
            return x * 2
        return nested(a) + b + c

    class Order:
        size = 3

        def method(self):
            return [i for i in self.lines if i]

        @property
        def total(self):
            return self._total

        @total.setter
        def total(self, value):
            self._total = value

        @staticmethod
        async def coroutine():
            return 1

    twice = lambda x: x * 2
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return a + 1", "return a + 2", {"plain"}),
        ("return x * 2", "return x * 3", {"decorated.<locals>.nested"}),
        ("return nested(a) + b + c", "return nested(a) - b + c", {"decorated"}),
        ("maxsize=10", "maxsize=20", {"decorated", "<module>"}),
        ("    @functools.lru_cache(maxsize=10)\n", "", {"decorated", "<module>"}),
        ("b=1", "b=2", {"decorated", "<module>"}),
        ("c=2", "c=3", {"decorated", "<module>"}),
        ("b=1, *, c=2", "b=2, *, c=1", {"decorated", "<module>"}),
        ("size = 3", "size = 4", {"Order"}),
        ("LIMIT = 10", "LIMIT = 20", {"<module>"}),
        ("return self._total", "return self._total or 0", {"Order.total"}),
        ("self._total = value", "self._total = value + 1", {"Order.total"}),
        ("            return 1", "            return 2", {"Order.coroutine"}),
        ("lambda x: x * 2", "lambda x: x * 3", {"<lambda>"}),
    ],
)
def test_a_change_is_of_the_function_it_is_in(trees: Trees, old: str, new: str, changed: set[str]) -> None:
    assert ALL_KINDS.count(old) == 1
    assert trees.changes(ALL_KINDS, ALL_KINDS.replace(old, new)) == dict.fromkeys(changed, "changed")


@pytest.mark.parametrize("brackets", ["[]", "{}", "()"])
def test_a_comprehension_is_part_of_its_function(trees: Trees, brackets: str) -> None:
    """Whether it is code of its own differs between Pythons, and between lists and generators."""
    text = f"def f(a):\n    return g({brackets[0]}i for i in a if i > 1{brackets[1]})\n"
    changes = trees.changes(text, text.replace("> 1", "> 2"))
    assert changes.pop("f") == "changed"
    assert set(changes) <= {"f.<locals>.<listcomp>", "f.<locals>.<setcomp>", "f.<locals>.<genexpr>"}
    assert [function.frame.qualname for function in trees.compare().functions] == ["f"]


@pytest.mark.parametrize(
    "rewritten",
    [
        ALL_KINDS.replace("return", "# a comment\n\n        return", 1),
        ALL_KINDS.replace("def plain(a):", 'def plain(a):\n        """A docstring."""'),
        ALL_KINDS.replace("(maxsize=10)", "(\n        maxsize=10,\n    )"),
        ALL_KINDS.replace("def plain(a):", "def plain(a: int) -> int:"),
        ALL_KINDS.replace("\n", "\r\n"),
    ],
    ids=["comment", "docstring", "wrapped", "annotations", "line endings"],
)
def test_what_does_the_same_has_not_changed(trees: Trees, rewritten: str) -> None:
    assert rewritten != ALL_KINDS
    trees.write("m.py", ALL_KINDS, rewritten)
    assert trees.compare().functions == ()


def test_moved_functions_have_not_changed(trees: Trees) -> None:
    """Within a file, to another module, into a class: only the bodies they are defined in did."""
    trees.write("m.py", "def a(x): return x + 1\ndef b(x): return x + 2\ndef c(x): return x + 3\n", None)
    trees.write("m.py", None, "def b(x): return x + 2\ndef a(x): return x + 1\n")
    trees.write("n.py", None, "class A:\n    def d(x): return x\n    c = 1\n\ndef c(x): return x + 3\n")
    found = trees.compare()
    assert [function.frame for function in found.functions] == [Frame("n", "A.d")]
    assert found.frames[Frame("m", "<module>")] is CodeChange.CHANGED


def test_a_function_like_one_that_stays_is_added(trees: Trees) -> None:
    text = "def a(x): return x + 1\n"
    trees.write("m.py", text, text + "LIMIT = 1\n")
    trees.write("n.py", None, text)
    found = trees.compare()
    assert [(f.frame, f.change) for f in found.functions] == [(Frame("n", "a"), CodeChange.ADDED)]


def test_a_function_of_a_moved_file_that_keeps_its_name_has_changed(trees: Trees) -> None:
    """``pkg`` into ``src/pkg``: the frames are the same."""
    trees.write("pkg/m.py", "def a(): return 1\ndef b(): return 1\n", None)
    trees.write("src/pkg/m.py", None, "def a(): return 1\ndef b(): return 2\n")
    found = trees.compare(roots=("", "src"))
    assert [(f.frame, f.change) for f in found.functions] == [(Frame("pkg.m", "b"), CodeChange.CHANGED)]


def test_functions_are_named_and_placed_as_the_samplers_frames(trees: Trees) -> None:
    trees.write("src/shop/__init__.py", "", "def f(): pass\n")
    trees.write("src/shop/tax.py", None, "\nclass A:\n    @property\n    def rate(self): return 1\n")
    trees.write("tools/run.py", None, "def main(): pass\n")
    found = trees.compare(roots=("src",))
    assert [(f.frame.name, f.line) for f in found.functions] == [
        ("shop:f", SourceLine("src/shop/__init__.py", 1)),
        ("shop.tax:A.rate", SourceLine("src/shop/tax.py", 3)),
        ("tools/run:main", SourceLine("tools/run.py", 1)),
    ]
    assert {f.change for f in found.functions} == {CodeChange.ADDED}
    assert found.commit == COMMIT


def test_bodies_are_not_functions(trees: Trees) -> None:
    trees.write("m.py", None, "class A:\n    x: int = 1\n    class B: pass\ny: int = 2\n")
    found = trees.compare()
    assert {frame.qualname for frame in found.frames} >= {"<module>", "A", "A.B"}
    assert found.functions == ()


def test_removed_functions_and_tests_are_left_out(trees: Trees) -> None:
    trees.write("m.py", "def a(): return 1\n", None)
    trees.write("test_m.py", "def test_a(): pass\n", "def test_a(): return 1\n")
    assert trees.compare(tests=["test_m.py"]).frames == {}


@pytest.mark.parametrize(
    ("bad", "why"),
    [("def f(:\n", "(line 1)"), ("x = '\0'\n", "null"), (f"x = {'-' * 100_000}1\n", ""), ("# coding: no-such\n", "")],
    ids=["syntax", "null byte", "too deep", "coding"],
)
@pytest.mark.parametrize("side", ["base", "head"])
def test_files_that_cannot_be_compared_are_said(trees: Trees, bad: str, why: str, side: str) -> None:
    good = "def f(): pass\n"
    trees.write("m.py", *((bad, good) if side == "base" else (good, bad)))
    trees.write("n.py", good, "def f(): return 1\n")
    found = trees.compare()
    assert [f.frame.name for f in found.functions] == ["n:f"]
    (said,) = found.unknown
    assert said.startswith(f"m.py at {side}: ")
    assert why in said


def test_a_file_that_cannot_be_read_is_said(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.write("m.py", "", "def f(): pass\n")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert trees.compare().unknown == ("m.py at base: Permission denied",)


def test_both_sides_of_a_commit_are_compared_by_the_names_that_a_worker_gives(tmp_path: Path) -> None:
    """With the folder of sources in the run's search path, and head's tests on both sides."""
    checkout = Checkout.init(tmp_path / "project")
    checkout.write("src/shop/tax.py", "def rate(): return 1\ndef same(): return 1\n")
    checkout.write("tests/test_tax.py", "def test_it(): pass\n")
    commit = checkout.commit()
    checkout.write("src/shop/tax.py", "def rate(): return 2\ndef same(): return 1\n")
    checkout.write("tests/test_tax.py", "def test_it(): return 1\n")
    root = checkout.path
    with scratch_directory() as scratch, open_sides("HEAD", scratch, root=root, directory=root) as sides:
        found = code_between(sides, ["", str(root / "src"), *sys.path])
    assert found.commit == commit
    assert [(f.frame.name, f.change, f.line) for f in found.functions] == [
        ("shop.tax:rate", CodeChange.CHANGED, SourceLine("src/shop/tax.py", 1))
    ]
    assert set(found.frames) == {Frame("shop.tax", "rate")}


def test_warnings_about_the_source_are_not_this_runs(trees: Trees) -> None:
    assert trees.changes("def f(): return 1\n", "def f(): return '\\d'\n") == {"f": "changed"}


def test_every_function_of_real_modules_is_known_by_its_name() -> None:
    source = Path(ast.__file__).read_bytes()
    found = definitions(source)
    tops = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert {node.name: isinstance(node, ast.FunctionDef) for node in tops} == {
        node.name: found[node.name].is_function for node in tops
    }
    assert found["NodeVisitor.visit"].is_function
    assert found["NodeVisitor.visit"].line == ast.NodeVisitor.visit.__code__.co_firstlineno
