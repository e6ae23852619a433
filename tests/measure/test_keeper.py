"""What a worker leaves behind: ended, named, and charged while it runs. Real processes under a real keeper."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_flame.measure import keeper

PYTHON = (sys.executable, "-I", "-S")
DETACHED = """
import os, sys
def detach(code):
    "Two forks and a session of its own, as daemons do; returns when it runs."
    ready, told = os.pipe()
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.write(told, str(os.getpid()).encode())
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code])
        os._exit(0)
    os.wait()
    return int(os.read(ready, 16))
"""


@dataclass
class Kept:
    process: subprocess.Popen[str]
    report: Path

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ended(self) -> tuple[int, list[str]]:
        assert self.process.wait(30) == 0
        found = json.loads(self.report.read_text())
        return os.waitstatus_to_exitcode(found["status"]), found["left"]


Keep = Callable[[str], Kept]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Runs Python code as a worker."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> Kept:
        report = tmp_path / "kept.json"
        command = [*PYTHON, keeper.__file__, str(report), "", "", *PYTHON, "-c", code]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return Kept(process, report)

    yield start
    for process in started:
        with process:
            process.kill()


def gone(pid: int) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("code", "ending"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 11)", -11), ("", 0)]
)
def test_the_worker_ends_as_it_ended(keep: Keep, code: str, ending: int) -> None:
    assert keep(code).ended() == (ending, [])


def test_the_worker_is_on_its_own(keep: Keep) -> None:
    """A session, no input, no ignored signals, and no child that it did not start."""
    code = """
import os, signal, sys
print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()), signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL)
print(signal.getsignal(signal.SIGPIPE).name, open("/proc/self/status").read().split("SigIgn:")[1].split()[0])
if not os.fork():
    os.fork()  # its child is an orphan when it ends, and nothing to this process
    os._exit(0)
os.wait()
try:
    os.wait()
except ChildProcessError:
    print("alone")
"""
    kept = keep(code)
    assert kept.line() == "True '' True"
    # The interpreter itself ignores SIGPIPE and SIGXFSZ again, and inherits what nohup and a shell's & ignore.
    inherited = [s for s in (signal.SIGHUP, signal.SIGQUIT) if signal.getsignal(s) is signal.SIG_IGN]
    ignored = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ, *inherited))
    assert kept.line() == f"SIG_IGN {ignored:016x}"
    assert kept.line() == "alone"
    assert kept.ended() == (0, [])


def test_what_was_detached_is_ended_and_named(keep: Keep) -> None:
    code = DETACHED + "print(detach('import time; time.sleep(1000)'), flush=True)"
    kept = keep(code)
    pid = int(kept.line())
    ending, left = kept.ended()
    assert ending == 0
    assert [name.split(" -c ")[1] for name in left] == ["import time; time.sleep(1000)"]
    assert gone(pid)


def test_what_does_not_want_to_end(keep: Keep) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(1000)"
    kept = keep(DETACHED + f"print(detach({stubborn!r}), flush=True)")
    pid = max(int(kept.line()), int(kept.line()))
    assert len(kept.ended()[1]) == 1
    assert gone(pid)


def test_what_ends_with_the_worker_is_not_named(keep: Keep) -> None:
    code = """
import os, sys
end, mine = os.pipe()
if not os.fork():
    os.close(mine)
    os.setsid()
    os.read(end, 1)  # until the worker is gone
    os._exit(0)
"""
    assert keep(code).ended() == (0, [])


def test_helpers_of_multiprocessing_are_let_finish(keep: Keep) -> None:
    code = DETACHED + "\nfrom multiprocessing import resource_tracker as r\nr.ensure_running()\n"
    assert keep(code + "detach('import time; time.sleep(1000)')").ended()[1] != []
    assert keep(code).ended() == (0, [])


def test_all_ends_when_whoever_started_it_is_gone(keep: Keep) -> None:
    code = DETACHED + "print(detach('import time; time.sleep(1000)'), os.getpid(), flush=True); import time\n"
    kept = keep(code + "time.sleep(1000)")
    pids = [int(pid) for pid in kept.line().split()]
    assert kept.process.stdin is not None
    kept.process.stdin.close()
    assert kept.ended()[0] == -9
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("number", [15, 9])
def test_the_worker_does_not_outlive_its_keeper(keep: Keep, number: int) -> None:
    kept = keep("import os, time; print(os.getpid(), flush=True); time.sleep(1000)")
    worker = int(kept.line())
    kept.process.send_signal(number)
    assert gone(worker)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    report = tmp_path / "kept.json"
    command = [*PYTHON, keeper.__file__, str(report), "", "", str(tmp_path / "none")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()
    assert os.waitstatus_to_exitcode(json.loads(report.read_text())["status"]) == 127
    assert "none cannot be started: [Errno 2]" in said


def test_orphans_are_charged_to_the_worker(keep: Keep) -> None:
    """Alive, and when the keeper has collected them."""
    package = str(Path(keeper.__file__).parents[2])
    spin = "import time\nwhile time.process_time() < 0.1: pass\n"
    code = (
        DETACHED
        + f"""
sys.path.insert(0, {package!r})
from pytest_flame.sampling.descendants import Descendants, status
import time
mine = Descendants(os.getpid(), keeper=os.getppid())
before = mine.cpu_ns()
pid = detach({spin + "time.sleep(1000)"!r})
while status(pid).state != "S" or status(pid).own_ns < 7 * 10**7:  # in ticks, user and system apart
    time.sleep(0.01)
alive = mine.cpu_ns() - before
assert pid in mine.living()
os.kill(pid, 9)
while status(pid) is not None:
    time.sleep(0.01)
print(alive, mine.cpu_ns() - before, flush=True)
"""
    )
    alive, ended = (int(ns) for ns in keep(code).line().split())
    assert alive >= 100_000_000
    assert alive - 25_000_000 < ended < alive + 25_000_000, "in ticks from then on"
