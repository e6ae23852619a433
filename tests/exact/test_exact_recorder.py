from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.model import Exact, Frame, FrameKind, differences

Record = Callable[..., list[Exact]]
Tree = Callable[..., Path]

CALLS = """
import threading

def leaf(n):
    return len(str(n))

def numbers(n):
    for i in range(n):
        leaf(i)
        yield i

runs = []

def body():
    runs.append(1)
    list(numbers(3))
    sorted([2, 1], key=leaf)
    thread = threading.Thread(target=leaf, args=(7,))
    thread.start()
    thread.join()
    for _ in range(len(runs)):
        leaf(0)
"""

REAL = """
import argparse, dataclasses, json, pathlib, re, typing
import jinja2, sqlparse

class Keys(typing.NamedTuple):
    name: str

def body():
    parser = argparse.ArgumentParser(prog="x")
    parser.add_argument("--n", type=int)
    parser.parse_args(["--n", "3"])
    re.purge()
    text = jinja2.Environment().from_string("{% for x in xs %}{{ x|upper }}{% endfor %}").render(xs={"a", "b", "c"})
    sqlparse.format("select a from b where c = 1", reindent=True)
    pathlib.Path(__file__).parent.joinpath("data.json").read_text()
    json.dumps({Keys(str(i)).name: text for i in {"x", "y", "z"}}, indent=1)
"""


@pytest.fixture(scope="module")
def calls(record: Record, tree: Tree) -> Exact:
    return record(tree(CALLS))[0]


def test_calls_are_counted_from_the_body_on(calls: Exact) -> None:
    functions = calls.first.functions
    assert functions[Frame("subject", "body")] == 1
    assert functions[Frame("subject", "numbers")] == 1
    assert functions[Frame("subject", "leaf")] == 3 + 2 + 1 + 1
    assert not [frame for frame in functions if frame.module in ("record", "importlib._bootstrap")]


def test_edges_have_callers_in_c_resumed_generators_and_threads(calls: Exact) -> None:
    edges, leaf = calls.first.edges, Frame("subject", "leaf")
    assert edges[Frame("subject", "numbers"), leaf] == 3
    assert edges[Frame("[builtins]", "sorted"), leaf] == 2
    assert edges[Frame("threading", "Thread.run"), leaf] == 1
    assert edges[leaf, Frame("[builtins]", "len")] == 7
    assert not [edge for edge in edges if edge[1] == Frame("subject", "body")]


def test_modules_that_an_import_hook_finds_are_named_as_they_are_imported(record: Record, tree: Tree) -> None:
    # As the sampler names them: otherwise its frames would have no counts.
    subject = """
    import sys
    sys.path.insert(0, "hooked")
    from shop import price
    del sys.path[0]

    def body():
        price()
    """
    (exact,) = record(tree(subject, {"hooked/shop/__init__.py": "def price(): pass"}))
    assert exact.first.functions[Frame("shop", "price")] == 1


def test_the_second_execution_is_counted_apart(calls: Exact) -> None:
    assert calls.again is not None
    assert calls.again.functions[Frame("subject", "body")] == 1
    assert calls.again.functions[Frame("subject", "leaf")] == 3 + 2 + 1 + 2


def test_c_functions_are_native_frames(calls: Exact) -> None:
    kinds = {frame.module: frame.kind for frame in calls.first.functions}
    assert kinds["[builtins]"] is FrameKind.NATIVE
    assert kinds["subject"] is FrameKind.PYTHON


def test_what_runs_the_test_is_its_version(calls: Exact) -> None:
    assert "pytest-flame" in calls.footprint.code
    assert not [name for name in calls.footprint.code if name.startswith("pytest_flame")]


def test_the_interpreter_and_extension_modules_are_libraries(calls: Exact) -> None:
    names = {name.rpartition("/")[2] for name in calls.footprint.libraries}
    assert any(name.startswith(("python3", "libpython3")) for name in names)
    assert any(name.startswith("_exact.cpython") for name in names)
    assert any(name.startswith("libc.so") for name in names)


def test_five_processes_of_five_checkouts_agree(record: Record, tree: Tree) -> None:
    first, *others = [record(tree(REAL, {"data.json": "{}"}))[0] for _ in range(5)]
    assert first.footprint.unknown == ()
    assert first.footprint.files["tree/data.json"]
    assert len(first.first.functions) > 300
    for other in others:
        assert other == first
        assert other.footprint.digest == first.footprint.digest


def test_processes_forked_while_it_records_go_on_with_what_their_parent_has(
    run_program: Callable[..., str], tree: Tree
) -> None:
    texts = json.loads(run_program("record_forks.py", tree(REAL, {"data.json": "{}"})))
    exacts = [exact_wire.decode(parse(text)) for text in texts]
    assert exacts[0].first == exacts[1].first == exacts[2].first
    imported, ran = "subject:<module>", "subject:body"
    assert len({(exact.footprint.code[imported], exact.footprint.code[ran]) for exact in exacts}) == 1
    # The program that forks is not the harness.
    assert {exact.footprint.unknown for exact in exacts} == {("a child process",)}


def test_a_file_that_all_tests_ask_for_and_one_reads_counts_with_its_content(
    run_program: Callable[..., str], tree: Tree
) -> None:
    subject = "import os\nassert os.path.getsize('x.csv') == 3\n\ndef body():\n    open('x.csv').read()\n"
    trees = [tree(subject, {"x.csv": text}) for text in ("a,b", "a,c")]
    texts = [json.loads(run_program("record_forks.py", folder))[0] for folder in trees]
    footprints = [exact_wire.decode(parse(text)).footprint for text in texts]
    assert differences(*footprints) == ("file tree/x.csv",)


def test_the_footprint_has_no_path_of_the_checkout(record: Record, tree: Tree) -> None:
    folder = tree(REAL, {"data.json": "{}"})
    footprint = record(folder)[0].footprint
    names = [*footprint.code, *footprint.files, *footprint.libraries]
    assert not [name for name in names if str(folder) in name]


@pytest.mark.parametrize(
    "disturbs",
    [
        "sys.setprofile(None)",
        "sys.setprofile(lambda *event: None); sys.setprofile(None)",
        "sys.settrace(lambda *event: None); sys.settrace(None)",
        "import cProfile; profile = cProfile.Profile(); profile.enable(); profile.disable()",
        "sys.addaudithook(lambda *event: None)",
    ],
)
def test_code_that_uses_the_interpreters_hooks_is_noticed(record: Record, tree: Tree, disturbs: str) -> None:
    exact = record(tree(f"import sys\ndef body():\n    {disturbs}\n"))[0]
    assert exact.footprint.unknown == ("hooks that see what the interpreter does",)


def test_greenlets_are_noticed(record: Record, tree: Tree) -> None:
    pytest.importorskip("greenlet")
    subject = """
    import greenlet

    def inner():
        greenlet.getcurrent().parent.switch()

    def body():
        other = greenlet.greenlet(inner)
        other.switch()
        other.switch()
    """
    exact = record(tree(subject))[0]
    assert exact.footprint.unknown == ("which greenlet calls what",)
