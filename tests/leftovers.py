"""A pytest plugin: anything a run of the tests leaves behind fails the run and is named.

Each process that runs tests looks for descriptors, child processes and temporary files; the process that was started
also looks for files in the checkout. Temporary files and caches get their own folders for the run, so that nothing of
other programs is mistaken for ours, and nothing of ours gets into the user's cache.
"""

from __future__ import annotations

import gc
import os
import select
import subprocess
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from procfs import children, command, descriptors, with_environment

MARK = "TESTS_STARTED_BY"
"""Of the environment: by it a process is known that is nobody's child any more."""
PATIENCE_S = 10.0
"""For processes that are ending."""
LIBFFI = "/libffi.so"
"""Keeps its own file open once a C function has called back into Python: its trampolines are mapped from there."""
NAME = "leftovers of the run"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Leftovers(config), NAME)


@pytest.fixture(scope="session", autouse=True)
def own_folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """``TMPDIR`` of this process, a cache of the run. Short names: sockets are in there."""
    folder = tmp_path_factory.getbasetemp()
    run = folder.parent if hasattr(request.config, "workerinput") else folder
    leftovers = request.config.pluginmanager.get_plugin(NAME)
    assert isinstance(leftovers, Leftovers)
    leftovers.temporary = folder / "tmp"
    leftovers.temporary.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("TMPDIR", str(leftovers.temporary))
        monkeypatch.setattr(tempfile, "tempdir", str(leftovers.temporary))
        monkeypatch.setenv("XDG_CACHE_HOME", str(run / "cache"))
        monkeypatch.setenv(MARK, leftovers.mark)
        yield


class Leftovers:
    """Hooks. A leftover is attributed to the test after which it was first seen."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.distributed = False
        """The tests run in other processes, whose findings arrive here."""
        self.mark = uuid.uuid4().hex
        self.temporary: Path | None = None
        self.found: list[str] = []
        self._checkout: set[str] | None = None
        self._before: set[str] = set()
        self._first_seen: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        self._before = self._held()
        if not hasattr(self.config, "workerinput"):
            self._checkout = untracked(self.config.rootpath)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        result = yield
        for thing in self._held() - self._before:
            self._first_seen.setdefault(thing, item.nodeid)
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self.distributed = True
        self.found += getattr(node, "workeroutput", {}).get(NAME, [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.distributed:
            self.found += self._left()
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[NAME] = self.found
            return
        if self._checkout is not None:
            new = (untracked(self.config.rootpath) or set()) - self._checkout
            self.found += [f"file in the checkout: {name}" for name in sorted(new)]
        if self.found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.found:
            terminalreporter.write_line("left behind: no file, no process, no descriptor", green=True)
            return
        terminalreporter.section("left behind", red=True, bold=True)
        for thing in self.found:
            terminalreporter.write_line(thing)

    def _held(self) -> set[str]:
        """What is cheap to check after every test."""
        files = os.listdir(self.temporary) if self.temporary is not None else ()  # noqa: PTH208 (names, quickly)
        return {
            *(f"descriptor {name}" for name in descriptors() if LIBFFI not in name),
            *(f"process {pid}" for pid in children()),
            *(f"temporary file {name}" for name in files if not name.startswith("pytest-of-")),
        }

    def _started(self) -> set[int]:
        return children() | with_environment(f"{MARK}={self.mark}")

    def _left(self) -> list[str]:
        gc.collect()
        for pid in self._started():
            _wait_for_the_end(pid)
        left = {f"process {pid}" for pid in self._started()}
        left |= {thing for thing in self._held() - self._before if not thing.startswith("process")}
        return [self._described(thing) for thing in sorted(left - self._before)]

    def _described(self, thing: str) -> str:
        kind, _, rest = thing.partition(" ")
        if kind == "process":
            thing += f" `{command(int(rest))}`"
        return f"{thing}, first seen after {self._first_seen.get(thing.partition(' `')[0], 'the last test')}"


def _wait_for_the_end(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], PATIENCE_S)
    finally:
        os.close(handle)


def untracked(folder: Path) -> set[str] | None:
    """Files that git neither tracks nor ignores; None outside a checkout."""
    command = ["git", "--no-optional-locks", "ls-files", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return set(filter(None, listed.stdout.decode(errors="replace").split("\0")))
