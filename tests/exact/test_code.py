"""The hash of a code object: what its text alone says leaves it as it is, what changes its meaning changes it."""

from __future__ import annotations

import ast
import asyncio.queues
import dis
import graphlib
import heapq
import io
import json.decoder
import os
import shlex
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flame.exact import code as module_under_test
from pytest_flame.exact.code import code_hash

MODULES = (asyncio.queues, graphlib, heapq, json.decoder, shlex)
"""Real code: classes, generators, coroutines, closures, nested functions, handlers, long modules."""


def source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def hashes(text: str | ast.Module, name: str = "text.py") -> Counter[tuple[str, str]]:
    """Every code object of a module: its qualified name and hash."""
    return Counter((c.co_qualname, code_hash(c)) for c in codes(compile(text, name, "exec", dont_inherit=True)))


def function_hash(text: str) -> str:
    """Of the first function of a text."""
    return next(h for name, h in hashes(text) if name != "<module>")


def test_a_hash_is_16_digits() -> None:
    assert [len(h) for h in map(code_hash, codes(compile("def f(): pass", "f.py", "exec")))] == [16, 16]
    assert set(function_hash("def f(): pass")) <= set("0123456789abcdef")


# What the text alone says.


def with_comments(text: str) -> str:
    """A comment at every line's end and an empty line after it."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            lines[token.start[0] - 1] += "  # so\n"
    return "\n".join(lines)


def with_lines_wrapped(text: str) -> str:
    """A new line after every comma in brackets: the compiler joins some instructions only within a line."""
    found, depth = [], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        found.append((token, depth))
    lines = text.splitlines(keepends=True)
    for token, depth in reversed(found):
        if token.type == tokenize.OP and token.string == "," and depth:
            row, column = token.end
            lines[row - 1] = lines[row - 1][:column] + "\n" + lines[row - 1][column:]
    return "".join(lines)


def with_docstrings(change: Callable[[str | None], str | None]) -> Callable[[str], ast.Module]:
    """The text with the docstrings that ``change`` makes of what there is: None is no docstring."""

    def changed(text: str) -> ast.Module:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                old = ast.get_docstring(node, clean=False)
                new = change(old)
                rest = node.body[1:] if old is not None else node.body
                node.body = [*([ast.Expr(ast.Constant(new))] if new is not None else []), *rest] or [ast.Pass()]
        return ast.fix_missing_locations(tree)

    return changed


SAME_TEXTS: dict[str, Callable[[str], str | ast.Module]] = {
    "comments": with_comments,
    "lines moved down": lambda text: "\n" * 300 + text,
    "lines wrapped": with_lines_wrapped,
    "docstrings changed": with_docstrings(lambda old: old and f"{old} Changed."),
    "docstrings removed": with_docstrings(lambda old: None),
    "docstrings added": with_docstrings(lambda old: old or "Added."),
}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
@pytest.mark.parametrize("change", SAME_TEXTS.values(), ids=SAME_TEXTS)
def test_text_that_means_the_same_hashes_the_same(
    module: ModuleType, change: Callable[[str], str | ast.Module]
) -> None:
    text = source(module)
    assert hashes(change(text), "other/place.py") == hashes(text)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_moved_functions_hash_the_same(module: ModuleType) -> None:
    """In the other order, in each body: the bodies run differently, and nothing else."""
    tree = ast.parse(source(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            functions = [i for i, child in enumerate(node.body) if isinstance(child, ast.FunctionDef)]
            moved = [node.body[i] for i in reversed(functions)]
            for i, function in zip(functions, moved, strict=True):
                node.body[i] = function
    bodies = {"<module>"} | {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    before, after = hashes(source(module)), hashes(tree)
    assert {name for name, _ in (before - after) + (after - before)} <= bodies
    assert before != after


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return g(1 + 2)", "def f(): return g(3)"),
        ("def f():\n  def g(): return 1", "def f():\n  def g(): return 2"),
        ("def f(): return 'a'", "def f():\n  'a'\n  return 'a'"),
        ("def f():\n  'a'\n  return 'b'", "def f():\n  'b'\n  return 'b'"),
        ("def f(a=1): return a", "def f(a=2): return a"),
        ("@g\ndef f(a): return a", "def f(a): return a"),
        ("def f(a): return a in {1, 2, 3}", "def f(a): return a in {3, 1, 2}"),
        ("def f():\n  for i in x:\n    pass", "def f():\n  for i in x: pass"),
    ],
)
def test_functions_that_do_the_same(one: str, other: str) -> None:
    assert function_hash(one) == function_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return 1", "return 1.0"),
        ("return 1", "return True"),
        ("return 0.0", "return -0.0"),
        ("return (0.0, 1)", "return (-0.0, 1)"),
        ("return (1, 2)", "return (1, True)"),
        ("return 1j", "return -1j"),
        ("return complex, 0j", "return complex, -0j"),
        ("return 'a'", "return b'a'"),
        ("return 'a', 'b'", "return 'ab', ''"),
        ("return '\\ud800'", "return '\\ud801'"),
        ("return ...", "return None"),
        ("return ...", "return Ellipsis"),
        pytest.param(f"return 0x{'f' * 5000}", f"return 0x{'f' * 4999}e", id="long numbers"),
        ("return a in {1, 2}", "return a in {1, 3}"),
        ("return a in {1, 2}", "return a in (1, 2)"),
        ("return a[1:2]", "return a[1:3]"),
        ("return a + b", "return a - b"),
        ("return a < b", "return a <= b"),
        ("return a and b", "return a or b"),
        ("return a is b", "return a is not b"),
        ("return len(a)", "return max(a)"),
        ("return a.one", "return a.two"),
        ("return a.one()", "return a.one"),
        ("return super().one()", "return super().two()"),
        ("return b(x=a)", "return b(y=a)"),
        ("return b(a)", "return b(*a)"),
        ("import one", "import two"),
        ("from one import x", "from two import x"),
        ("for i in a:\n    b()", "for i in a:\n    b()\n    b()"),
        ("while a:\n    b()\n    if c: continue\n    d()", "while a:\n    b()\n    if c: break\n    d()"),
        ("try: b()\n  except One: pass", "try: b()\n  except Two: pass"),
        ("try: b(); c()\n  except One: pass", "try: b()\n  except One: pass\n  c()"),
        ("with a: b()", "a; b()"),
        ("yield a", "return a"),
        ("global c; c = a", "c = a"),
        ("return f'{a}'", "return f'{a!r}'"),
        ("return lambda: a", "return lambda: 1"),
        ("c = a; return c", "d = a; return d"),
        ("assert a, 'b'", "assert a, 'c'"),
    ],
)
def test_functions_that_do_not_do_the_same(one: str, other: str) -> None:
    one, other = (f"class A:\n def f(a, b):\n  {body}" for body in (one, other))
    assert hashes(one) != hashes(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(a, b): return a", "def f(a, c): return a"),
        ("def f(a, b): return a", "def f(a, /, b): return a"),
        ("def f(a, b): return a", "def f(a, *, b): return a"),
        ("def f(a, b): return a", "def f(a, *b): return a"),
        ("def f(a, *b): return a", "def f(a, **b): return a"),
        ("def f(a): return a", "async def f(a): return a"),
    ],
)
def test_arguments_and_flags_count(one: str, other: str) -> None:
    assert function_hash(one) != function_hash(other)


def test_nested_code_counts_by_its_name() -> None:
    """Or a function would be the same that makes another one."""
    assert function_hash("def f():\n  def g(): pass") != function_hash("def f():\n  def h(): pass")


def test_a_default_counts_where_it_is_evaluated() -> None:
    one, other = hashes("def f(a=1): return a"), hashes("def f(a=2): return a")
    assert {name for name, _ in one - other} == {"<module>"}


def test_a_class_or_module_without_its_docstring_is_the_same_with_many_names() -> None:
    """More than 256: a docstring moves names and constants to where their indices need an instruction of their own."""
    for lines in range(250, 262):
        body = "".join(f"\n a{i} = b{i} + {i * 1000} if c else d" for i in range(lines))
        without, with_one = (f"class A:\n {docstring}{body}" for docstring in ("pass", "'Doc.'"))
        assert hashes(without) == hashes(with_one)


def test_a_function_without_its_docstring_is_the_same_with_many_constants() -> None:
    for lines in range(250, 262):
        body = "".join(f"\n a = {i + 1000} if c else b" for i in range(lines))
        assert function_hash(f"def f():\n pass{body}") == function_hash(f"def f():\n 'Doc.'{body}")


# Changes of meaning, anywhere in real modules.

Change = Callable[[Any], None]


def change_constant(node: ast.Constant) -> None:
    match node.value:
        case bool():
            node.value = not node.value
        case int():
            node.value += 1
        case str():
            node.value += "x"
        case _:
            node.value = "x"


def change_operator(node: ast.BinOp) -> None:
    node.op = ast.Mult() if isinstance(node.op, ast.Sub) else ast.Sub()


def change_comparison(node: ast.Compare) -> None:
    node.ops[0] = ast.Lt() if isinstance(node.ops[0], ast.Gt) else ast.Gt()


def change_name(node: ast.Name) -> None:
    node.id += "_"


def change_attribute(node: ast.Attribute) -> None:
    node.attr += "_"


def change_keyword(node: ast.keyword) -> None:
    node.arg = f"{node.arg}_"


def change_default(node: ast.arguments) -> None:
    node.defaults[-1] = ast.Constant("another default")


def change_handler(node: ast.ExceptHandler) -> None:
    node.type = ast.Name("AnotherError", ast.Load())


def used_constants(tree: ast.AST) -> Iterator[ast.Constant]:
    """Constants that a call, a return or an assignment uses: others may be folded, or be docstrings."""
    for node in ast.walk(tree):
        values: list[Any] = []
        if isinstance(node, ast.Call):
            values = node.args
        elif isinstance(node, ast.Return | ast.Assign):
            values = [node.value]
        yield from (v for v in values if isinstance(v, ast.Constant))


def nodes(kind: type[Any], fits: Callable[[Any], bool] = lambda node: True) -> Callable[[ast.AST], Iterator[Any]]:
    return lambda tree: (node for node in ast.walk(tree) if isinstance(node, kind) and fits(node))


CHANGES: dict[str, tuple[Callable[[ast.AST], Iterator[Any]], Change]] = {
    "constant": (used_constants, change_constant),
    "operator": (nodes(ast.BinOp, lambda n: not isinstance(n.left, ast.Constant)), change_operator),
    "comparison": (nodes(ast.Compare), change_comparison),
    "name": (nodes(ast.Name, lambda n: isinstance(n.ctx, ast.Load)), change_name),
    "attribute": (nodes(ast.Attribute), change_attribute),
    "keyword": (nodes(ast.keyword, lambda n: n.arg is not None), change_keyword),
    "default": (nodes(ast.arguments, lambda n: bool(n.defaults)), change_default),
    "handler": (nodes(ast.ExceptHandler), change_handler),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_has_places_in_the_real_modules(change: str) -> None:
    places, _ = CHANGES[change]
    assert sum(1 for module in MODULES for _ in places(ast.parse(source(module)))) >= 5


@given(st.data(), st.sampled_from(sorted(CHANGES)), st.sampled_from(MODULES))
@settings(max_examples=80, deadline=None)
def test_changed_meaning_is_another_hash(data: st.DataObject, kind: str, module: ModuleType) -> None:
    places, change = CHANGES[kind]
    tree = ast.parse(source(module))
    found = list(places(tree))
    if found:
        change(found[data.draw(st.integers(0, len(found) - 1))])
        assert hashes(ast.fix_missing_locations(tree)) != hashes(source(module))


# The same everywhere.


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_instructions_are_read_as_the_disassembler_reads_them(module: ModuleType) -> None:
    for code in codes(compile(source(module), "m.py", "exec", dont_inherit=True)):
        ours = list(module_under_test._instructions(code.co_code))
        theirs = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "EXTENDED_ARG")]
        starts = [i.start for i in ours]
        offsets = [i.offset for i in theirs]
        together = [list(group) for _, group in groupby(ours, key=lambda i: i.start)]
        for own, their in zip(together, theirs, strict=True):
            assert "_".join(dis.opname[i.opcode] for i in own) == their.opname.replace("_BORROW", "")
            (argument, *_) = module_under_test._meaning(code, own[0], starts)
            if their.opcode in dis.hasname:
                assert argument == their.argval
            elif their.opcode in dis.hasjrel:
                assert isinstance(argument, int)
                first = starts[argument] * 2
                assert first <= their.argval
                assert not any(first <= offset < their.argval for offset in offsets)


def test_a_hash_does_not_depend_on_the_hash_seed() -> None:
    program = """
import sys
sys.path[:0] = sys.argv[1:]
from test_code import MODULES, hashes, source
text = "def f(a): return a in {'a', 'b', b'c', 1, 2.5, (1, 'd')}\\nclass A:\\n def f(a): a.a = a.b = a.c = 1"
print(sorted(hashes(text)), [sorted(hashes(source(m))) for m in MODULES])
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parent)],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in range(4)
    }
    assert len(printed) == 1
    assert "'A.f'" in printed.pop()


def test_running_and_tracing_leave_the_hash_as_it_is() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(a):\n  b = [a.x for _ in a.y]\n  return len(b) + a.x", namespace)
    function = namespace["f"]
    before = code_hash(function.__code__)
    argument = type("A", (), {"x": 1, "y": range(3)})()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        return trace

    for _ in range(2000):
        assert function(argument) == 4
    assert code_hash(function.__code__) == before
    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        function(argument)
        during = code_hash(function.__code__)
    finally:
        sys.settrace(outer)
    assert during == before


def test_a_constant_that_no_compiler_writes_is_refused() -> None:
    code = compile("x = 'a'", "m.py", "exec")
    strange = code.replace(co_consts=tuple([] if c == "a" else c for c in code.co_consts))
    with pytest.raises(TypeError, match="list"):
        code_hash(strange)
