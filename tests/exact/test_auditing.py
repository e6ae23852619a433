from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.exact.audit_events import EVENTS, UNACCOUNTED
from pytest_flame.model import Exact, Footprint, differences

Record = Callable[..., list[Exact]]
Tree = Callable[..., Path]

FILES = {"data.csv": "a,b\n", "parts/one.txt": "1", "scratch/made.txt": "made"}

READS = {
    "open": "open('data.csv').read()",
    "pathlib": "pathlib.Path('data.csv').read_bytes()",
    "os.open": "os.close(os.open('data.csv', os.O_RDONLY))",
    "appended to": "open('data.csv', 'a').close()",
    "changed": "open('data.csv', 'r+').close()",
    "copied": "shutil.copyfile('data.csv', 'scratch/copy')",
    "through a link": "os.path.exists('scratch/link') or os.symlink(os.path.abspath('data.csv'), 'scratch/link')\n"
    "    open('scratch/link').read()",
    "get_data": "pkgutil.get_data('subject', 'data.csv')",
    "in a thread": "thread = threading.Thread(target=open('data.csv').read); thread.start(); thread.join()",
    "from another folder": "os.chdir('parts'); open('../data.csv').read(); os.chdir('..')",
    "renamed": "os.rename('data.csv', 'moved.csv'); os.rename('moved.csv', 'data.csv')",
    "os.stat": "os.stat('data.csv')",
    "os.path.getsize": "os.path.getsize('data.csv')",
    "pathlib.exists": "pathlib.Path('data.csv').exists()",
    "sqlite3": "sqlite3.connect('data.csv').close()",
}

INERT = {
    "written, then read": "open('new.csv', 'w').close(); open('new.csv').read(); os.remove('new.csv')",
    "in a folder made": "os.mkdir('new'); open('new/x', 'w').close(); os.listdir('new'); shutil.rmtree('new')",
    "scratch": "open('scratch/made.txt').read(); os.listdir('scratch')",
    "a temporary file": "tempfile.TemporaryFile().close()",
    "memory of a database": "sqlite3.connect(':memory:').close()",
    "devices": "open('/dev/null').close(); open('/proc/self/status').close()",
    "imports": "importlib.invalidate_caches(); import parts.module; del sys.modules['parts.module']",
    "a pair of sockets": "[end.close() for end in socket.socketpair()]",
    "an event loop": "asyncio.run(asyncio.sleep(0))",
    "a thread": "thread = threading.Thread(target=str); thread.start(); thread.join()",
    "a signal of its own": "os.kill(os.getpid(), 0)",
    "import ctypes": "import ctypes",
}

UNKNOWN = {
    "subprocess": ("subprocess.run(['true'])", "a child process"),
    "os.system": ("os.system('true')", "a child process"),
    "os.fork": ("child = os.fork() or os._exit(0); os.waitpid(child, 0)", "a child process"),
    "os.posix_spawn": ("os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)", "a child process"),
    "pty": ("pid, fd = pty.fork(); pid or os._exit(0); os.waitpid(pid, 0); os.close(fd)", "a child process"),
    "bind": ("with socket.socket() as s: s.bind(('127.0.0.1', 0))", "the network"),
    "connect": ("with socket.socket() as s: s.connect_ex(('127.0.0.1', 1))", "the network"),
    "name": ("socket.getaddrinfo('127.0.0.1', 1)", "the network"),
    "ctypes": ("import ctypes; ctypes.CDLL('libc.so.6').getpid()", "memory or functions reached through ctypes"),
    "memory": ("import ctypes; ctypes.string_at(b'x')", "memory or functions reached through ctypes"),
    "event of somebody": ("sys.audit('shop.sold', 1)", "audit event shop.sold"),
    "relative to a folder": (
        "fd = os.open('parts', os.O_RDONLY); os.close(os.open('one.txt', os.O_RDONLY, dir_fd=fd)); os.close(fd)",
        "a file named relative to an open folder",
    ),
}

MODULES = "asyncio, importlib, os, pathlib, pkgutil, pty, shutil, socket, sqlite3, subprocess, sys, tempfile, threading"


def subject(statement: str) -> str:
    return f"import {MODULES}\n\ndef body():\n    {statement}\n"


@pytest.fixture(scope="module")
def recorded(record: Record, tree: Tree) -> dict[str, Footprint]:
    statements = {**READS, **INERT, **{name: statement for name, (statement, _) in UNKNOWN.items()}}
    files = {**FILES, "parts/__init__.py": "", "parts/module.py": "X = 1\n"}
    trees = [tree(subject(statement), files) for statement in statements.values()]
    return {name: exact.footprint for name, exact in zip(statements, record(*trees), strict=True)}


@pytest.mark.parametrize("name", READS)
def test_a_file_that_is_read_is_recorded(recorded: dict[str, Footprint], name: str) -> None:
    assert "tree/data.csv" in recorded[name].files
    assert recorded[name].unknown == ()


@pytest.mark.parametrize("name", INERT)
def test_what_an_execution_makes_itself_is_no_input(recorded: dict[str, Footprint], name: str) -> None:
    assert {path for path in recorded[name].files if path.startswith("tree/")} <= {"tree/new.csv", "tree/new"}
    assert recorded[name].unknown == ()


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_accounted_for_is_said(recorded: dict[str, Footprint], name: str) -> None:
    assert recorded[name].unknown == (UNKNOWN[name][1],)


def test_the_content_counts_and_only_when_it_is_read(record: Record, tree: Tree) -> None:
    reading, other = subject("open('data.csv').read()"), subject("open('parts/one.txt').read()")
    changed = {**FILES, "data.csv": "a,c\n"}
    one, two, three, four = (
        exact.footprint
        for exact in record(tree(reading, FILES), tree(reading, changed), tree(other, FILES), tree(other, changed))
    )
    assert differences(one, two) == ("file tree/data.csv",)
    assert differences(three, four) == ()


def test_the_content_is_that_of_the_first_use(record: Record, tree: Tree) -> None:
    reading = "open('data.csv').read()"
    rewriting = f"{reading}; open('data.csv', 'w').write('other'); {reading}"
    one, two = (exact.footprint for exact in record(tree(subject(reading), FILES), tree(subject(rewriting), FILES)))
    assert one.files == two.files


def test_a_file_that_is_missing_is_an_input(record: Record, tree: Tree) -> None:
    asking = subject("os.path.exists('data.csv')")
    one, two = (exact.footprint for exact in record(tree(asking), tree(asking, FILES)))
    assert one.files["tree/data.csv"] == "absent"
    assert differences(one, two) == ("file tree/data.csv",)


@pytest.mark.parametrize("listing", ["os.listdir('parts')", "list(pathlib.Path('.').glob('parts/*'))"])
def test_a_list_of_files_counts(record: Record, tree: Tree, listing: str) -> None:
    one, two, three = (
        exact.footprint
        for exact in record(
            tree(subject(listing), {**FILES, "parts/__pycache__/x.pyc": ""}),
            tree(subject(listing), {**FILES, "parts/one.txt": "other content"}),
            tree(subject(listing), {**FILES, "parts/two.txt": "2"}),
        )
    )
    assert differences(one, two) == ()
    assert "list of files in tree/parts/" in differences(one, three)


def test_a_larger_file_is_not_read(record: Record, tree: Tree) -> None:
    folder = tree(subject("open('large.bin', 'rb').close()"))
    with (folder / "large.bin").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert record(folder)[0].footprint.unknown == ("file tree/large.bin, which is larger than 64 MB",)


def test_a_pipe_is_not_read(record: Record, tree: Tree) -> None:
    folder = tree(subject("os.close(os.open('pipe', os.O_RDWR))"))
    os.mkfifo(folder / "pipe")
    assert record(folder)[0].footprint.unknown == ("tree/pipe, which is no regular file",)


def test_every_event_has_one_meaning() -> None:
    assert not EVENTS.keys() & UNACCOUNTED.keys()


def test_every_event_of_the_standard_library_has_a_meaning() -> None:
    library = Path(os.__file__).parent
    raised = {
        event
        for file in library.rglob("*.py")
        if not {"site-packages", "dist-packages", "test", "idlelib"} & set(file.relative_to(library).parts)
        for event in re.findall(r"""sys\.audit\(\s*["']([^"']+)["']""", file.read_text("utf-8", "replace"))
    }
    assert len(raised) > 30
    assert raised - EVENTS.keys() - UNACCOUNTED.keys() == set()
