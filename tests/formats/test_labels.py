"""Names as other tools write them become functions that stay the same from run to run."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.formats import collapsed, reading
from pytest_flame.formats.format import ReadOptions
from pytest_flame.formats.labels import NO_FRAMES, Namer, Naming, module_name
from pytest_flame.formats.roots import split
from pytest_flame.model import Frame, FrameKind, SourceLine, Stack


@pytest.fixture
def naming(tmp_path: Path) -> Naming:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "parse.py").touch()
    return Naming(root=tmp_path)


def loads(data: bytes, naming: Naming) -> Mapping[Stack, int]:
    return reading.read(io.BytesIO(data), "p", ReadOptions(naming)).costs


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
        ("0x7fc1d324524a (libc.so.6)", "libc.so.6", "0x…"),
        ("0x7fc1d324524a (?)", "", "0x… (?)"),
        # Austin, Tachyon
        ("/srv/app/orders/parse.py:tokenize:12", "/srv/app/orders/parse", "tokenize"),
        ("/usr/lib/python3.13/json/decoder.py:JSONDecoder.decode:345", "json.decoder", "JSONDecoder.decode"),
        ("/x/venv/lib/python3.13/site-packages/flask/app.py:Flask.run:9", "flask.app", "Flask.run"),
        ("<frozen runpy>:_run_code:88", "runpy", "_run_code"),
        ("orders/parse.py:f.<locals>.<genexpr>:3", "orders.parse", "f.<locals>.<genexpr>"),
        # perf
        ("vfs_read_[k]", "kernel", "vfs_read"),
        ("Lcom/acme/Shop;::price_[j]", "", "Lcom/acme/Shop;::price"),
        ("call_stub_[i]_[j]", "", "call_stub"),
        ("_[j]", "", "_[j]"),
        ("wake_[w]", "", "wake_[w]"),
        ("py::f.<locals>.<lambda>:/srv/lol.py", "/srv/lol", "f.<locals>.<lambda>"),
        ("py::_find_and_load:<frozen importlib._bootstrap>_[j]", "importlib._bootstrap", "_find_and_load"),
        ("py::<module>:<string>", "<string>", "<module>"),
        ("[unknown <7f26cab4c0b0>]", "", "[unknown]"),
        ("main+0x1c", "", "main"),
        ("std::vector<int>::push_back(int&&)", "", "std::vector<int>::push_back(int&&)"),
        ("operator() (int)", "", "operator() (int)"),
        ("[unknown]", "", "[unknown]"),
        ("perf-4711.map 0x7f3ac0de1234", "", "perf-4711.map 0x…"),
        # files of other languages, scripts, paths with blanks and parentheses
        ("array_sum (numpy/core/calculation.c:410)", "numpy/core/calculation.c", "array_sum"),
        ("core::ops<A, B>::call (src/lib.rs:55)", "src/lib.rs", "core::ops<A, B>::call"),
        ("f(int) [clone .cold] (x.cpp:3)", "x.cpp", "f(int) [clone .cold]"),
        ("(anonymous namespace)::f (x.cpp)", "x.cpp", "(anonymous namespace)::f"),
        ("<module> (pytest:8)", "pytest", "<module>"),
        ("x (bin/tool:4)", "bin/tool", "x"),
        ("run (/home/u/my project (copy)/run.py:1)", "/home/u/my project (copy)/run", "run"),
        ("run (/srv/a(b.py:1)", "/srv/a(b", "run"),
        ("f (C:\\Program Files (x86)\\x\\site-packages\\acme\\parse.py:10)", "acme.parse", "f"),
        ("C:\\Program Files (x86)\\acme\\a.py:f:10", "C：/Program Files (x86)/acme/a", "f"),
        ("/usr/bin/pytest:<module>:8", "/usr/bin/pytest", "<module>"),
        # line numbers in the style of each tool
        ("torch/nn/modules/module.py(1102): _call_impl", "torch.nn.modules.module", "_call_impl"),
        ("orders/parse.py:12(tokenize)", "orders.parse", "tokenize"),  # pstats
        ("orders/parse.py:12:tokenize", "orders.parse", "tokenize"),  # flameprof
        ("~:0:<built-in method builtins.exec>", "~", "<built-in method builtins.exec>"),
        ("orders/parse.py:12 - tokenize", "orders.parse", "tokenize"),  # Pyroscope
        ("main (at main.cpp:50)", "main.cpp", "main"),  # lldb
        ("Foo#bar - /app/foo.rb:3", "/app/foo.rb", "Foo#bar"),  # rbspy
        ("<main> - /app/main.rb:10", "/app/main.rb", "<main>"),
        ("Foo::bar /app/x.php:10", "/app/x.php", "Foo::bar"),  # phpspy
        ("usleep <internal>:-1", "<internal>", "usleep"),
        ("LazyCompile:*parse /app/server.js:10", "/app/server.js", "parse"),  # node --perf-basic-prof
        ("JS:~parse /app/server.js:10:3", "/app/server.js", "parse"),
        ("LazyCompile:* /app/server.js:10", "/app/server.js", "(anonymous)"),
        ("fn /app/x.js:3:7", "/app/x.js", "fn"),
        ("fn (/app/x.js:3:7)", "/app/x.js", "fn"),
        ("java/lang/Thread.run:834", "", "java/lang/Thread.run"),  # async-profiler
        ("java.lang.Thread.run(Thread.java:834)", "Thread.java", "java.lang.Thread.run"),
        # names that only look like one
        ("app.py:12", "app.py", "12"),
        ("-[NSFoo bar:baz:]", "", "-[NSFoo bar:baz:]"),
        ("std::map<int, int>::operator[](int const&)", "", "std::map<int, int>::operator[](int const&)"),
        ("f(int) const (x) (y)", "", "f(int) const (x) (y)"),
        ("net/http.(*conn).serve", "", "net/http.(*conn).serve"),
        ("core::ops::FnOnce::call_once{{vtable.shim}}", "", "core::ops::FnOnce::call_once{{vtable.shim}}"),
        ("Tab", "", "Tab"),
        ("P1", "", "P1"),
        # pytest-flame
        ("orders.parse:Tokenizer.next", "orders.parse", "Tokenizer.next"),
        ("libfoo.so.1:core::ops<A, B>::call", "libfoo.so.1", "core::ops<A, B>::call"),
        ("lib.so:[u8%3B 4]::fill", "lib.so", "[u8; 4]::fill"),
        ("kernel:vfs_read", "kernel", "vfs_read"),
        ("main", "", "main"),
        ("a%3Bb", "", "a;b"),
        ("100 %", "", "100 %"),
        ("a%20b", "", "a%20b"),  # which pytest-flame would have written as "a b"
        ("x:y%41z", "x", "y%41z"),
        ("operator%=", "", "operator%="),
    ],
)
def test_labels(label: str, module: str, name: str, tmp_path: Path) -> None:
    assert frame(label, Naming(root=tmp_path)) == Frame(module, name)


def test_kinds_follow() -> None:
    assert frame("vfs_read_[k]").kind is FrameKind.KERNEL
    assert frame("malloc (libc.so.6)").kind is FrameKind.NATIVE


def test_lines_are_no_part_of_a_function_and_the_smallest_is_kept(naming: Naming) -> None:
    namer = Namer(naming)
    stacks = {namer.stack([f"tokenize (orders/parse.py:{line})"]) for line in (14, 12, 88)}
    assert stacks == {(Frame("orders.parse", "tokenize"),)}
    assert namer.lines == {Frame("orders.parse", "tokenize"): SourceLine("orders/parse.py", 12)}


def test_a_relative_path_is_believed_where_the_file_is(naming: Naming) -> None:
    namer = Namer(naming)
    namer.stack(["f (orders/parse.py:3)", "decode (json/decoder.py:4)", "/usr/lib/x.py:g:5"])
    assert {line.path for line in namer.lines.values()} == {"orders/parse.py", "/usr/lib/x.py"}


def test_paths_are_taken_relative_to_the_checkout_and_to_given_folders(naming: Naming) -> None:
    assert frame(f"{naming.root}/orders/parse.py:f:1", naming) == Frame("orders.parse", "f")
    elsewhere = Naming(strip=("/ci/base", "/ci/head/"), root=naming.root)
    both = {frame(f"/ci/{side}/orders/parse.py:f:1", elsewhere) for side in ("base", "head")}
    assert both == {Frame("orders.parse", "f")}


def test_a_folder_is_stripped_whole(tmp_path: Path) -> None:
    assert frame("/ci/baseline/a.py:f:1", Naming(strip=("/ci/base",), root=tmp_path)) == Frame("/ci/baseline/a", "f")


def test_as_written() -> None:
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
        (["P1", "Ted", "x"], ["P1", "Ted", "x"]),
        (["a", 'process 12:"x"', "thread (12): y", "b"], ["a", "b"]),
        (['Thread 12 "worker"', "a-12"], ["a-12"]),
        (['Process 12 Thread 12 "worker"', "a"], ["a"]),
        (["P12", "T0:1"], [NO_FRAMES.name]),
    ],
)
def test_threads_are_left_out_on_request(labels: list[str], kept: list[str]) -> None:
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
def test_module_names(path: str, module: str) -> None:
    assert module_name(path) == module


# --- as the tools really write them: excerpts of recordings of one small program with two threads ---------------

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
def test_recordings_of_other_tools(file: str, naming: Naming, function: Frame) -> None:
    data = (RECORDED / file).read_bytes()
    counts = loads(data, naming)
    rows = [line.rpartition(b" ") for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    assert sum(counts.values()) == sum(int(count) for _, _, count in rows)
    assert len(counts) < len(rows), "stacks that differ in lines only are one"
    assert function in {frame for stack in counts for frame in stack}
    assert not any(re.search(r":\d+$|0x|^tid:|^P\d+$|^thread ", f.name) for stack in counts for f in stack)


def folded(file: str, naming: Naming) -> dict[str, int]:
    """Profile of a recorded file by the names of the stacks' frames, joined."""
    counts = loads((RECORDED / file).read_bytes(), naming)
    return {";".join(frame.name for frame in stack): n for stack, n in counts.items()}


@pytest.mark.parametrize(
    ("file", "strip", "expected"),
    [
        # perf with CPython's trampolines, folded with --all: Python functions, and the folder is stripped
        (
            "trampolines.txt",
            "/home/u/before",
            {"python;_start;lol:<module>;lol:Bar.<locals>.<lambda>;lol:foo;_PyEval_EvalFrameDefault": 10101010},
        ),
        # two runs of one script under py-spy --subprocesses: process and thread frames go, with the ; of the command
        ("subprocesses-before.txt", "", {"app:work": 100}),
        ("subprocesses-after.txt", "", {"app:work": 100}),
        # py-spy --native: each function once, wherever in it the samples were
        (
            "py-spy-native.txt",
            "/home/u/my project (copy)",
            {
                "app:<module>;app:work;numpy/core/src/multiarray/calculation.c:array_sum;"
                "numpy/core/src/multiarray/calculation.c:PyArray_Sum;"
                "numpy/core/src/umath/loops.c.src:DOUBLE_add_AVX512F": 22,
                "app:<module>;acme.parse:parse": 11,
                "app:<module>;src/lib.rs:core::iter::next": 12,
                "app:<module>;run:run": 11,
                "pytest:<module>;bin/tool:x": 6,
            },
        ),
        # one frame per function, whatever the language; an inlined one is the same; percent signs stay
        (
            "languages.txt",
            "/app",
            {
                "java;java/lang/Thread.run;Foo.bar": 7,
                "ruby;main.rb:<main>;foo.rb:Foo#bar": 8,
                "node;server.js:parse;node：internal/modules/cjs/loader:run": 4,
                "node;server.js:parse;x.js:fn": 4,
                "php;x.php:Foo::bar": 6,
                "perf;operator%=;a%20b;x:y%41z": 1,
                "main.cpp:main;main.cpp:f": 4,
                "-[NSFoo bar:baz:];+[NSFoo alloc]": 2,
                "std::vector<int, std::allocator<int> >::push_back(int const&);operator new(unsigned long)": 2,
                "<alloc::vec::Vec<T> as core::clone::Clone>::clone;"
                "core::ops::function::FnOnce::call_once{{vtable.shim}}": 2,
                "caller;inl": 4,
                "net/http.(*conn).serve;main.main.func1": 2,
            },
        ),
        # PyTorch's profiler: line numbers before the name, addresses of objects
        (
            "torch.txt",
            "",
            {
                "torch.nn.modules.module:_call_impl;resnet:forward;torch.nn.modules.conv:_conv_forward;"
                "<built-in method conv2d of type object at 0x…>": 2500
            },
        ),
        # functions that could be Austin's names of processes and threads
        ("lookalikes.txt", "", {"Tab;foo": 10, "Ted;bar": 5, "Table.load;x": 3}),
    ],
)
def test_one_frame_a_function(file: str, strip: str, expected: dict[str, int], tmp_path: Path) -> None:
    assert folded(file, Naming(threads=False, strip=(strip,) if strip else (), root=tmp_path)) == expected


def test_a_name_of_a_thread_is_one_where_the_file_is_austins() -> None:
    text = b"P12;T7f3a;Tab;f 1\nP12;T7f3b;Tab;f 1\n"
    assert [[f.name for f in s] for s in loads(text, Naming(threads=False))] == [["Tab", "f"]]
    mixed = loads(text + b"main;f 1\n", Naming(threads=False))
    assert len(mixed) == 3


@pytest.mark.parametrize("command", ['python -c "a;b"', "a;b", 'x";y', "", ";"])
@pytest.mark.parametrize("rest", [";f (a.py:1)", ";thread (20): MainThread;f (a.py:1)", ""])
def test_a_command_line_is_one_label(command: str, rest: str) -> None:
    """The end of a command line is certain if a thread or process follows, as with --subprocesses."""
    label = f'process 20:"{command}"'
    if '";' in command and "thread" not in rest:
        pytest.skip("where it ends can't be known")
    assert split(f"{label}{rest}") == [label, *rest.split(";")[1:]]


@pytest.mark.parametrize("code", ["a = 1\nb;c = 2", "x\n\n", '\nprint("a")', "n = 1\n2"])
def test_a_command_line_may_have_lines(code: str) -> None:
    """As of python -c with a program of several lines."""
    label = f'process 20:"python -c {code}"'
    for rest in (';process 21:"x";thread (21): MainThread;f (a.py:1)', ";thread (20): y;f (a.py:1)"):
        text = f'{label}{rest} 3\nprocess 1:"{code}";process 2:"y";g (a.py:2) 4\n'.encode()
        assert {tuple(f.name for f in s): n for s, n in loads(text, Naming(threads=False)).items()} == {
            ("a:f",): 3,
            ("a:g",): 4,
        }
    (stack,) = loads(f"{label};f (a.py:1) 3\n".encode(), Naming())
    assert [f.name for f in stack] == [label, "a:f"]
    (stack,) = loads(f"{label} 3\n".encode(), Naming())
    assert [f.name for f in stack] == [label]


FILES = st.sampled_from(["a.py", "/srv/my app (1)/b-c.py", "x/y.c", "src/lib.rs", "bin/tool", "/p/__init__.py"])
STYLES = {
    "py-spy": "{name} ({file}:{line})",
    "Austin": "{file}:{name}:{line}",
    "PyTorch": "{file}({line}): {name}",
    "pstats": "{file}:{line}({name})",
    "Pyroscope": "{file}:{line} - {name}",
    "rbspy": "{name} - {file}:{line}",
}
QUALNAMES = st.from_regex(r"[a-z_]\w{0,5}(\.<locals>)?(\.(<lambda>|[a-zé_]\w{0,5})){0,2}", fullmatch=True)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
@given(name=QUALNAMES, file=FILES, lines=st.lists(st.integers(1, 10**6), min_size=1, max_size=3), suffix=st.booleans())
def test_a_function_is_one_frame_in_every_style(
    style: str, name: str, file: str, lines: list[int], suffix: bool
) -> None:
    naming = Naming(root=Path("/nowhere"))
    labels = [style.format(name=name, file=file, line=line) + "_[j]" * suffix for line in lines]
    assert {frame(label, naming) for label in labels} == {Frame(module_name(file), name)}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
@given(name=QUALNAMES, file=FILES, line=st.integers(1, 999))
def test_reading_what_was_written_changes_nothing(style: str, name: str, file: str, line: int) -> None:
    naming = Naming(root=Path("/nowhere"))
    stack = (frame(style.format(name=name, file=file, line=line), naming),)
    written = collapsed.dumps([{stack: 1}], 1)
    assert loads(written.encode(), naming) == {stack: 1}


@given(st.text(st.sampled_from(list('()[]:;,./\\<>%_- +*~#@0x19afpyTPé\t"')), max_size=40))
def test_any_label_has_a_frame(label: str) -> None:
    found = frame(label) if label else None
    assert found is None or found.name


def test_a_label_of_any_length_takes_no_time() -> None:
    for text in ("(" * 10**5, "a:" * 10**5, " (x" * 10**5 + ")", "a - " * 10**5 + ":1", "a" * 10**5 + ":1"):
        assert frame(text).name
    for text in ("(" * 9_000 + ")", "a:" * 4_900, " (x" * 3_000 + ")", "a - " * 2_400 + ":1", "a " * 4_900 + "/:1"):
        assert frame(text).name
