"""Names as other tools write them become functions that stay the same from run to run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_flame.formats import collapsed
from pytest_flame.formats.labels import NO_FRAMES, Namer, Naming, module_name
from pytest_flame.model import Frame, FrameKind, SourceLine


@pytest.fixture
def naming(tmp_path):
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "parse.py").touch()
    return Naming(root=tmp_path)


def frame(label: str, naming: Naming | None = None) -> Frame:
    (found,) = Namer(naming or Naming()).stack([label])
    return found


@pytest.mark.parametrize(
    ("label", "module", "name"),
    [
        # py-spy
        ("tokenize (orders/parse.py:12)", "orders.parse", "tokenize"),
        ("tokenize (orders/parse.py)", "orders.parse", "tokenize"),
        ("<module> (app.py:3)", "app", "<module>"),
        ("<listcomp> (<string>:1)", "<string>", "<listcomp>"),
        ("_find_and_load (<frozen importlib._bootstrap>:1176)", "importlib._bootstrap", "_find_and_load"),
        ("__init__ (flask/__init__.py:1)", "flask", "__init__"),
        ("f (my app/a-b.py:1)", "my app/a-b", "f"),
        ("malloc (libc.so.6)", "libc.so.6", "malloc"),
        # Austin, Tachyon
        ("/srv/app/orders/parse.py:tokenize:12", "/srv/app/orders/parse", "tokenize"),
        ("/usr/lib/python3.13/json/decoder.py:JSONDecoder.decode:345", "json.decoder", "JSONDecoder.decode"),
        ("/x/venv/lib/python3.13/site-packages/flask/app.py:Flask.run:9", "flask.app", "Flask.run"),
        ("<frozen runpy>:_run_code:88", "runpy", "_run_code"),
        ("orders/parse.py:f.<locals>.<genexpr>:3", "orders.parse", "f.<locals>.<genexpr>"),
        # perf
        ("vfs_read_[k]", "kernel", "vfs_read"),
        ("Lcom/acme/Shop;::price_[j]", "", "Lcom/acme/Shop;::price_[j]"),
        ("std::vector<int>::push_back(int&&)", "", "std::vector<int>::push_back(int&&)"),
        ("operator() (int)", "", "operator() (int)"),
        ("[unknown]", "", "[unknown]"),
        ("perf-4711.map 0x7f3ac0de1234", "", "perf-4711.map 0x…"),
        # pytest-flame
        ("orders.parse:Tokenizer.next", "orders.parse", "Tokenizer.next"),
        ("libfoo.so.1:core::ops<A, B>::call", "libfoo.so.1", "core::ops<A, B>::call"),
        ("lib.so:[u8%3B 4]::fill", "lib.so", "[u8; 4]::fill"),
        ("kernel:vfs_read", "kernel", "vfs_read"),
        ("main", "", "main"),
        ("a%3Bb", "", "a;b"),
        ("100 %", "", "100 %"),
    ],
)
def test_labels(label, module, name, tmp_path):
    assert frame(label, Naming(root=tmp_path)) == Frame(module, name)


def test_kinds_follow():
    assert frame("vfs_read_[k]").kind is FrameKind.KERNEL
    assert frame("malloc (libc.so.6)").kind is FrameKind.NATIVE


def test_lines_are_no_part_of_a_function_and_the_smallest_is_kept(naming):
    namer = Namer(naming)
    stacks = {namer.stack([f"tokenize (orders/parse.py:{line})"]) for line in (14, 12, 88)}
    assert stacks == {(Frame("orders.parse", "tokenize"),)}
    assert namer.lines == {Frame("orders.parse", "tokenize"): SourceLine("orders/parse.py", 12)}


def test_a_relative_path_is_believed_where_the_file_is(naming):
    namer = Namer(naming)
    namer.stack(["f (orders/parse.py:3)", "decode (json/decoder.py:4)", "/usr/lib/x.py:g:5"])
    assert {line.path for line in namer.lines.values()} == {"orders/parse.py", "/usr/lib/x.py"}


def test_paths_are_taken_relative_to_the_checkout_and_to_given_folders(naming):
    assert frame(f"{naming.root}/orders/parse.py:f:1", naming) == Frame("orders.parse", "f")
    elsewhere = Naming(strip=("/ci/base", "/ci/head/"), root=naming.root)
    both = {frame(f"/ci/{side}/orders/parse.py:f:1", elsewhere) for side in ("base", "head")}
    assert both == {Frame("orders.parse", "f")}


def test_a_folder_is_stripped_whole(tmp_path):
    assert frame("/ci/baseline/a.py:f:1", Naming(strip=("/ci/base",), root=tmp_path)) == Frame("/ci/baseline/a", "f")


def test_as_written():
    labels = ["P1", "f (a.py:3)", "x:y:2", "vfs_read_[k]", "0x7fffdeadbeef", "a%3Bb"]
    stack = Namer(Naming(functions=False)).stack(labels)
    assert [f.name for f in stack] == ["P1", "f (a.py:3)", "x:y:2", "kernel:vfs_read", "0x7fffdeadbeef", "a%3Bb"]


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        (["P12", "T0:1", "a", "b"], ["a", "b"]),  # Austin
        (["P12", "T7f3a:4711", "a"], ["a"]),
        (["tid:4711", "a"], ["a"]),  # Tachyon
        (["thread (0x7F3AC0DE)", "a"], ["a"]),  # py-spy
        (['process 12:"python app.py"', "thread (0x7F3AC0DE): MainThread", "a"], ["a"]),
        (["[pool-1 tid=12]", "a"], ["a"]),  # async-profiler
        (["iperf-27409/28741", "a-12"], ["iperf", "a-12"]),  # stackcollapse-perf.pl
        (["iperf-?/28741", "a"], ["iperf", "a"]),
        (["kworker/u8:2-77", "a"], ["kworker/u8:2", "a"]),
        (["a", "b", "T0:1"], ["a", "b", "T0:1"]),
        (["P12", "T0:1"], [NO_FRAMES.name]),
    ],
)
def test_threads_are_left_out_on_request(labels, kept):
    assert [f.name for f in Namer(Naming(threads=False)).stack(labels)] == kept
    assert len(Namer(Naming()).stack(labels)) == len(labels)


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("orders/parse.py", "orders.parse"),
        ("orders/__init__.py", "orders"),
        ("__init__.py", "__init__"),
        ("run-me.py", "run-me"),
        ("/srv/run.py", "/srv/run"),
        ("C:/x/y.py", "C：/x/y"),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", "yaml.loader"),
        ("/opt/python3.13t/lib/python3.13t/ast.py", "ast"),
        ("fast.pyx", "fast"),
        ("<string>", "<string>"),
        ("<frozen os>", "os"),
    ],
)
def test_module_names(path, module):
    assert module_name(path) == module


# --- as the tools really write them: parts of recordings of one small program with two threads ------------------

RECORDED = Path(__file__).parent / "recorded"
TOKENS = Frame("orders.parse", "Tokenizer.tokens")


@pytest.mark.parametrize(
    ("file", "naming", "function"),
    [
        ("py-spy.txt", Naming(), TOKENS),  # py-spy 0.4.1 record --format raw
        ("py-spy-threads.txt", Naming(threads=False), TOKENS),  # …and --threads
        ("austin.txt", Naming(threads=False, strip=("/home/ci/shop",)), TOKENS),  # Austin 3.7.0
        ("tachyon.txt", Naming(threads=False), Frame("parse", "Tokenizer.tokens")),  # profiling.sampling of 3.15
    ],
)
def test_recordings_of_other_tools(file, naming, function):
    data = (RECORDED / file).read_bytes()
    counts = collapsed.loads(data, file, naming).counts
    rows = [line.rpartition(b" ") for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    assert sum(counts.values()) == 1000 * sum(int(count) for _, _, count in rows)
    assert len(counts) < len(rows), "stacks that differ in lines only are one"
    assert function in {frame for stack in counts for frame in stack}
    assert not any(re.search(r":\d+$|0x|^tid:|^P\d+$|^thread ", f.name) for stack in counts for f in stack)
