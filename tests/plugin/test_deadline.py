"""What hangs is ended and reported; what is only slow is measured."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest
from repositories import Checkout

from pytest_flame.baseline.store import Store
from pytest_flame.measure.job import Status

from .conftest import SHORTEST, WORK, Project
from .test_bodies import ends

TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="80%", frame_threshold="80%")


@pytest.fixture
def ready():
    yield work.ready()
    work.done()


def test_hangs():
    work.spin(300)


def test_fixture(ready):
    work.churn(300)


def test_slow():
    work.slower(300)


def test_same():
    work.churn(3000)
"""
AT_BASE = (
    WORK
    + """

def slower(n):
    return churn(n)


def ready():
    return True


def done():
    pass
"""
)


def test_hanging_head_is_an_error_and_the_others_go_on(project: Project) -> None:
    """What it started is ended, too; a body five hundred times slower is measured."""
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    project.write("work.py", AT_BASE)
    project.write("test_work.py", TESTS)
    base = checkout.commit()
    children = project.path / "children"
    project.replace(
        "work.py",
        "def spin(n):\n",
        "def spin(n):\n    import subprocess, time\n    child = subprocess.Popen(['sleep', '600'])\n"
        f"    open({str(children)!r}, 'a').write(f'{{child.pid}} ')\n    time.sleep(600)\n",
    )
    project.replace("work.py", "def ready():\n", "def ready():\n    import time; time.sleep(600)\n")
    project.replace("work.py", "return churn(n)\n", "return churn(500 * n)\n")
    ran = project.flame("--flame-against=HEAD", "--flame-deadline=4", "--flame-seed=1", time=SHORTEST)
    assert ran.verdicts == {
        "test_work.py::test_hangs": "ERROR",
        "test_work.py::test_fixture": "ERROR",
        "test_work.py::test_slow": "REGRESSED",
        "test_work.py::test_same": ran.verdict("test_same"),
    }, ran.out
    assert ran.verdict("test_same") in ("PASS", "INCONCLUSIVE"), ran.out
    reason = ran.test("test_hangs")["reason"]
    assert reason.startswith("base took ") and ", head did not return in " in reason
    details = ran.test("test_hangs")["details"]
    assert "work.py" in details and "in spin" in details and "--flame-deadline" in details
    reason = ran.test("test_fixture")["reason"]
    assert ", head did not reach its first call in " in reason
    assert base[:7] not in reason
    for pid in children.read_text().split():
        assert ends(int(pid)), "what the body started is ended too"


def test_hang_on_base_is_an_error_there(project: Project) -> None:
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    project.write("work.py", "import time\ndef spin(n):\n    time.sleep(600)\n")
    project.write("test_work.py", "import pytest, work\n@pytest.mark.flame\ndef test_it():\n    work.spin(3)\n")
    base = checkout.commit()
    project.replace("work.py", "time.sleep(600)", "return n")
    ran = project.flame("--flame-against=HEAD", "--flame-deadline=3", time=SHORTEST)
    test = ran.test("test_it")
    assert test["verdict"] == "ERROR"
    assert test["reason"].startswith(f"at base {base[:7]}: the test did not return in ")


def test_time_of_the_run_that_ends_first_leaves_the_test_undecided(project: Project) -> None:
    project.write("test_it.py", "import time, pytest\n@pytest.mark.flame\ndef test_it():\n    time.sleep(600)\n")
    ran = project.flame("--flame-max-time=2", "--flame-deadline=500", time=SHORTEST)
    assert ran.verdict("test_it") == "INCONCLUSIVE"
    assert "--flame-max-time" in ran.test("test_it")["reason"]


@pytest.mark.parametrize("way", ["mark", "ini", "function"])
def test_own_timeout_of_the_project_ends_a_hang(project: Project, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    project.plugins("pytest_timeout")
    monkeypatch.setattr("pytest_flame.measure.deadline.CALL_MORE_S", 0.5)
    mark = {"mark": "(0.1)", "function": "(0.1, func_only=True)"}.get(way)
    project.write("pytest.ini", "[pytest]\n" + ("timeout = 0.1\n" if mark is None else ""))
    project.write("sitecustomize.py", "import pytest_flame.measure.deadline as d\nd.CALL_MORE_S = 0.5\n")
    monkeypatch.setenv("PYTHONPATH", str(project.path))
    marked = f"@pytest.mark.timeout{mark}\n" if mark else ""
    project.write("test_it.py", f"import time, pytest\n{marked}def test_it():\n    time.sleep(600)\n")
    began = time.monotonic()
    result = project.worker("test_it.py::test_it", plan=None)
    assert result.status is Status.HUNG
    assert result.message.startswith("did not return in ")
    assert result.message.endswith("; its own timeout is 100 ms")
    assert time.monotonic() - began < 60


def test_baseline_that_asks_for_too_much_is_damaged(recorded: Project) -> None:
    """As if written by hand, including the hash."""
    store: Store = recorded.store
    recording = store.load("test_work.py::test_spin")
    assert recording is not None
    broken = tuple(replace(p, told=replace(p.timing, iterations=10**12)) for p in recording.processes)
    store.save(replace(recording, processes=broken))
    ran = recorded.flame("-k", "test_spin", time=SHORTEST)
    assert ran.verdict("test_spin") == "ERROR"
    assert "is damaged" in ran.test("test_spin")["reason"]
    assert "1,000,000,000,000 iterations" in ran.out


@pytest.mark.parametrize("most_bytes", [20, 300])
def test_no_room_for_files_is_said_without_a_traceback(project: Project, most_bytes: int) -> None:
    """As on a full disk: no file can grow."""
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it():\n    sum(range(100))\n")
    # An editable installation builds the sampler when it is first imported.
    built = "from pytest_flame.sampling.native import c_module; c_module()"
    limit = f"{built}; import resource, pytest; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))"
    command = (sys.executable, "-c", f"{limit}; raise SystemExit(pytest.main())")
    ran = project.run("--flame", *SHORTEST, "-p", "no:cacheprovider", command=command)
    assert ran.ret != 0
    assert "File too large" in ran.out and "TMPDIR=DIR" in ran.out, ran.out
    assert "Traceback" not in ran.out and "INTERNALERROR" not in ran.out
