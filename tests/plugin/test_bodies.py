"""One measured process of every kind of test body: how it ends and what was called how often."""

from __future__ import annotations

import os
import select
import sys
import time
import timeit

import pytest

from pytest_flame.measure.job import Plan, Status, WorkerResult
from pytest_flame.model import Process
from pytest_flame.sampling.stacks import CHILDREN_NOT_SAMPLED

from .conftest import Project

LONGER = Plan(iterations=1, rounds=12)


def process(result: WorkerResult) -> Process:
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    assert result.recording is not None
    return result.recording.processes[0]


def log(project: Project, name: str = "log") -> list[str]:
    return (project.path / name).read_text(encoding="utf-8").split()


LOG = """
import pathlib
import pytest

def log(word, name="log"):
    with open(pathlib.Path(__file__).parent / name, "a") as file:
        file.write(word + " ")

"""


# --- the body fails ---------------------------------------------------------------------------------------------


def test_failing_body_is_a_failure_with_its_traceback(project: Project) -> None:
    project.write("test_it.py", "def test_it():\n    assert 1 + 1 == 3, 'arithmetic'")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.FAILED
    assert "arithmetic" in result.message and "test_it.py:2" in result.details


def test_failing_fixture_is_a_failure_and_says_so(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG + "@pytest.fixture\ndef broken(): raise OSError('no database')\ndef test_it(broken): log('body')",
    )
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.FAILED
    assert "setup failed" in result.message and "no database" in result.message
    assert not (project.path / "log").exists()


def test_failing_teardown_is_a_failure(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG + "@pytest.fixture\ndef broken():\n    yield\n    raise OSError('still locked')\ndef test_it(broken): pass",
    )
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.FAILED
    assert "teardown failed" in result.message and "still locked" in result.message


def test_file_that_cannot_be_imported_is_a_failure(project: Project) -> None:
    project.write("test_it.py", "import nothing_of_that_name\ndef test_it(): pass")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.FAILED and "nothing_of_that_name" in result.details


def test_body_that_fails_when_repeated_is_told_from_one_that_fails(project: Project) -> None:
    project.write("test_it.py", "SEEN = []\ndef test_it():\n    assert not SEEN, 'seen before'\n    SEEN.append(1)")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.UNREPEATABLE
    assert "passed once" in result.message and "seen before" in result.message


@pytest.mark.parametrize("fresh", [False, True])
def test_number_of_passes_before_a_failure_is_exact(project: Project, fresh: bool) -> None:
    project.write("test_it.py", "SEEN = []\ndef test_it():\n    SEEN.append(1)\n    assert len(SEEN) < 5")
    result = project.worker("test_it.py::test_it", plan=Plan(1, 12), fresh=fresh)
    assert result.status is Status.UNREPEATABLE
    assert "passed 4 times" in result.message


def test_failing_subtests_fail_the_measurement(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import unittest
        def test_it(subtests):
            with subtests.test("inner"):
                assert 0, "inside a subtest"
        class TestCase(unittest.TestCase):
            def test_it(self):
                with self.subTest("inner"):
                    assert 0, "inside a subtest"
    """,
    )
    for name in ("test_it", "TestCase::test_it"):
        result = project.worker(f"test_it.py::{name}")
        assert result.status is Status.FAILED, result
        assert "inside a subtest" in result.details


# --- tests without a verdict --------------------------------------------------------------------------------------


def test_skips_keep_their_reason(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        @pytest.mark.skipif(True, reason="not today")
        def test_mark(): pass
        def test_call(): pytest.skip("nor tomorrow")
    """,
    )
    for name, reason in (("test_mark", "not today"), ("test_call", "nor tomorrow")):
        result = project.worker(f"test_it.py::{name}")
        assert (result.status, result.message) == (Status.SKIPPED, reason)


def test_expected_failures_are_not_measured(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.xfail(reason='bug 7')\ndef test_it(): assert 0")
    result = project.worker("test_it.py::test_it")
    assert (result.status, result.message) == (Status.XFAILED, "bug 7")


def test_strictly_expected_failure_that_passes_is_a_failure_and_not_unrepeatable(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.xfail(reason='bug 7', strict=True)\ndef test_it(): pass")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.FAILED
    assert "XPASS(strict)" in result.message and "bug 7" in result.message


# --- bodies that end or damage their process ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os._exit(0)", "exited with status 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("signal.signal(signal.SIGTRAP, signal.SIG_DFL); signal.raise_signal(signal.SIGTRAP)", "killed by SIGTRAP"),
        ("os.abort()", "killed by SIGABRT"),
    ],
)
def test_worker_that_dies_says_how(project: Project, body: str, said: str) -> None:
    project.write("test_it.py", f"import os, signal\ndef test_it():\n    {body}")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.DIED
    assert said in result.message and "left no result" in result.message


def test_sys_exit_is_a_failure(project: Project) -> None:
    project.write("test_it.py", "import sys\ndef test_it(): sys.exit(0)")
    assert project.worker("test_it.py::test_it").status in (Status.FAILED, Status.DIED)


def test_pytest_exit_is_not_a_measurement(project: Project) -> None:
    project.write("test_it.py", "import pytest\ndef test_it(): pytest.exit('enough', returncode=0)")
    assert project.worker("test_it.py::test_it").status in (Status.FAILED, Status.DIED)


def test_child_process_left_running_is_ended(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pathlib, subprocess, sys
        def test_it():
            child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            with open(pathlib.Path(__file__).parent / "pids", "a") as file:
                file.write(f"{child.pid} ")
    """,
    )
    result = project.worker("test_it.py::test_it", plan=Plan(1, 1))
    assert result.status is Status.UNSEEN, "it works on, and nobody waits for it"
    assert len(result.left) == 1
    for pid in log(project, "pids"):
        assert ends(int(pid)), f"child {pid} still runs"


def ends(pid: int) -> bool:
    """A process is gone, or is about to go: signals arrive at any time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


def test_cpu_of_awaited_children_counts(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import subprocess, sys
        def test_it():
            subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
    """,
    )
    measured = process(project.worker("test_it.py::test_it", plan=Plan(1, 3)))
    sampled_ns = sum(r.cpu_ns for r in measured.rounds if r.sampled)
    children = sum(s.weight_ns for stack, s in measured.stacks.items() if stack[-1] == CHILDREN_NOT_SAMPLED)
    assert sampled_ns > 20e6
    assert children > 0.8 * sampled_ns


def test_forked_children_count_too_and_leave_the_result_alone(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import os
        def test_it():
            pid = os.fork()
            if not pid:
                sum(range(2_000_000))
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    """,
    )
    measured = process(project.worker("test_it.py::test_it", plan=Plan(1, 5), time_s=10))
    assert sum(r.cpu_ns for r in measured.rounds) / 5 > 10e6
    assert len(measured.rounds) == 5


@pytest.mark.parametrize(
    "body",
    [
        "folder = tempfile.mkdtemp(); os.chdir(folder); os.rmdir(folder)",
        "sys.stdin.close()",
        "os.environ.clear()",
        "sys.path.clear()",
        "gc.disable()",
        "random.seed(1)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])",
        "os.setpgid(0, 0) if os.getpid() != os.getpgid(0) else None",
    ],
)
def test_bodies_that_change_their_process_are_measured_all_the_same(project: Project, body: str) -> None:
    project.write(
        "test_it.py",
        f"""
        import gc, os, random, signal, sys, tempfile
        def test_it():
            {body}
            sum(range(200_000))
    """,
    )
    measured = process(project.worker("test_it.py::test_it", plan=LONGER))
    assert sum(s.count for s in measured.stacks.values()) > 5


@pytest.mark.parametrize(
    "body",
    [
        "signal.signal(signal.SIGTRAP, lambda *args: None)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))",
        "os.closerange(3, 200)",
        "os.closerange(0, 3)",
    ],
)
def test_bodies_that_take_the_sampler_away_never_look_measured(project: Project, body: str) -> None:
    project.write(
        "test_it.py",
        f"""
        import os, signal
        def test_it():
            {body}
            sum(range(400_000))
    """,
    )
    result = project.worker("test_it.py::test_it", plan=LONGER)
    if result.status is Status.MEASURED:
        measured = process(result)
        taken, due = measured.counts.taken, sum(r.cpu_ns for r in measured.rounds if r.sampled) / 1e6
        assert taken > 0.7 * due or measured.counts.throttled > 0.2 * due, (measured.counts, due)
    else:
        assert result.message


def test_tracer_that_is_there_is_refused(project: Project) -> None:
    project.write("conftest.py", "import sys\nsys.settrace(lambda *args: None)")
    project.write("test_it.py", "def test_it(): pass")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.UNUSABLE
    assert "tracer" in result.message


@pytest.mark.parametrize("call", ["settrace", "setprofile"])
def test_tracer_the_body_leaves_behind_is_refused(project: Project, call: str) -> None:
    project.write("test_it.py", f"import sys\ndef test_it():\n    sys.{call}(lambda *args: None)\n")
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.UNUSABLE, result
    assert "tracer" in result.message


# --- what is set up how often -------------------------------------------------------------------------------------


def test_fixtures_of_every_scope_are_set_up_once_per_process(project: Project) -> None:
    scopes = ("session", "package", "module", "class", "function")
    fixtures = "".join(
        f"@pytest.fixture(scope='{s}', autouse={s == 'module'})\ndef of_{s}():\n    log('{s}')\n    yield\n"
        f"    log('end-{s}')\n"
        for s in scopes
    )
    project.write(
        "test_it.py", LOG + fixtures + "def test_it(of_session, of_package, of_class, of_function):\n    log('body')\n"
    )
    process(project.worker("test_it.py::test_it"))
    words = log(project)
    assert [w for w in words if w != "body"] == [*scopes, *(f"end-{s}" for s in reversed(scopes))]
    assert words.count("body") == 1 + 3 * 5 + 3  # the first call, the rounds, and the one that warms up


def test_classes_and_test_cases_are_set_up_once_per_process(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG
        + """
import unittest

class TestClass:
    def setup_method(self): log("setup", "class")
    def teardown_method(self): log("teardown", "class")
    def test_it(self): log("body", "class")

class TestCase(unittest.TestCase):
    def setUp(self): log("setup", "case"); self.addCleanup(log, "cleanup", "case")
    def tearDown(self): log("teardown", "case")
    def test_it(self): log("body", "case")

class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): log("setup", "async")
    async def asyncTearDown(self): log("teardown", "async")
    async def test_it(self): log("body", "async")
""",
    )
    for name, end in (("class", []), ("case", ["cleanup"]), ("async", [])):
        process(project.worker(f"test_it.py::Test{name.title()}::test_it"))
        words = log(project, name)
        assert words == ["setup", *["body"] * 19, "teardown", *end]


def test_fresh_sets_everything_of_the_function_up_anew(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG
        + """
import unittest

@pytest.fixture(scope="module")
def of_module():
    log("module")
    yield
    log("end-module")

@pytest.fixture
def of_function(of_module):
    log("setup")
    yield []
    log("teardown")

class TestClass:
    def test_it(self, of_function, tmp_path):
        log("body")
        assert not of_function and not list(tmp_path.iterdir()) and not vars(self)
        of_function.append(1)
        (tmp_path / "file").touch()
        self.used = True

class TestCase(unittest.TestCase):
    def setUp(self):
        log("setup", "case")
        assert not hasattr(self, "used")
    def tearDown(self): log("teardown", "case")
    def test_it(self):
        log("body", "case")
        self.used = True

class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        log("setup", "async")
        assert not hasattr(self, "used")
    async def asyncTearDown(self): log("teardown", "async")
    async def test_it(self):
        log("body", "async")
        self.used = True
""",
    )
    process(project.worker("test_it.py::TestClass::test_it", fresh=True))
    once = ["setup", "body", "teardown"]
    assert log(project) == ["module", *once * 19, "end-module"]
    for name in ("case", "async"):
        process(project.worker(f"test_it.py::Test{name.title()}::test_it", fresh=True))
        assert log(project, name) == once * 19


def test_fresh_keeps_parameters_and_the_cost_of_fixtures_out(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        def spin(n): return sum(i * i for i in range(n))
        @pytest.fixture
        def costly(): spin(200_000); yield; spin(200_000)
        @pytest.mark.parametrize("n", [40_000])
        def test_it(costly, n): spin(n)
    """,
    )
    measured = process(project.worker("test_it.py::test_it[40000]", plan=Plan(1, 8), fresh=True))
    cost = sum(r.cpu_ns for r in measured.rounds) / 8
    one = timed_ns("sum(i * i for i in range(40_000))")
    assert 0.4 * one < cost < 2.5 * one
    assert not [f for stack in measured.stacks for f in stack if "costly" in f.qualname]


def timed_ns(statement: str, number: int = 20) -> float:
    """CPU time, like the value it is compared with."""
    return min(timeit.repeat(statement, timer=time.process_time, number=number, repeat=5)) / number * 1e9


# --- the fixture ``flame`` ----------------------------------------------------------------------------------------


def test_calling_flame_measures_that_call_only_and_returns_its_result(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG
        + """
def spin(n): return sum(i * i for i in range(n))
def test_it(flame):
    log("body")
    spin(300_000)
    assert flame(spin, n=1000) == spin(1000)
""",
    )
    measured = process(project.worker("test_it.py::test_it", plan=Plan(100, 20)))
    assert log(project) == ["body"]
    cost = sum(r.cpu_ns for r in measured.rounds) / 2000
    one = timed_ns("sum(i * i for i in range(1000))", 200)
    assert 0.4 * one < cost < 2.5 * one


def test_with_flame_measures_the_block_only(project: Project) -> None:
    project.write(
        "test_it.py",
        LOG
        + """
def spin(n): return sum(i * i for i in range(n))
def prepare(): spin(100_000)
def test_it(flame):
    prepare()
    with flame:
        spin(10_000)
    with flame:
        spin(10_000)
""",
    )
    measured = process(project.worker("test_it.py::test_it", plan=Plan(2, 10)))
    cost = sum(r.cpu_ns for r in measured.rounds) / 20
    one = 2 * timed_ns("sum(i * i for i in range(10_000))")
    assert 0.4 * one < cost < 2.5 * one
    assert "prepare" not in {f.qualname for stack in measured.stacks for f in stack}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "does not use it"),
        ("flame(sorted, [1]); flame(sorted, [1])", "twice"),
        ("flame(sorted, [1])\n    with flame: pass", "both"),
        ("with flame: pass\n    flame(sorted, [1])", "both"),
        ("with flame:\n        with flame: pass", "inside another"),
        ("flame(coroutine)", "coroutine"),
        ("with pytest.raises(ValueError): flame(int, 'x')", "raised ValueError"),
    ],
)
def test_misuse_of_flame_is_named(project: Project, body: str, said: str) -> None:
    project.write("test_it.py", f"import pytest\nasync def coroutine(): pass\n\n\ndef test_it(flame):\n    {body}\n")
    for plan in (Plan(3, 5), None):
        result = project.worker("test_it.py::test_it", plan=plan)
        assert result.status is Status.UNUSABLE, (plan, result)
        assert said in result.message


def test_fresh_and_flame_exclude_each_other(project: Project) -> None:
    project.write("test_it.py", "def test_it(flame): flame(sorted, [1])")
    result = project.worker("test_it.py::test_it", fresh=True)
    assert result.status is Status.UNUSABLE and "fresh=True" in result.message


# --- costs --------------------------------------------------------------------------------------------------------


def test_loop_is_no_part_of_a_short_body(project: Project) -> None:
    project.write("test_it.py", "def test_it():\n    sum(range(50))")
    measured = process(project.worker("test_it.py::test_it", plan=Plan(20_000, 8)))
    costs = sorted(r.cpu_ns / r.iterations - measured.loop_cost / 1000 for r in measured.rounds)
    one = timed_ns("sum(range(50))", 20_000)
    assert 0.5 * one < costs[len(costs) // 2] < 2 * one, (costs, one, measured.loop_cost)


@pytest.mark.parametrize("wrapper", ["functools.partial(run, 1)", "wrapped(run)"])
def test_wrapped_functions_are_measured(project: Project, wrapper: str) -> None:
    project.write(
        "test_it.py",
        f"""
        import functools
        def run(n=1): sum(range(100_000))
        def wrapped(function):
            @functools.wraps(function)
            def inner(): return function()
            return inner
        test_it = {wrapper}
    """,
    )
    measured = process(project.worker("test_it.py::test_it", plan=LONGER))
    assert {stack[0].qualname for stack in measured.stacks} == {"run"}


# --- async --------------------------------------------------------------------------------------------------------

ASYNC = """
import asyncio
import pytest

LOOPS = set()

@pytest.fixture
def something(): return 1

class TestIt:
    async def test_it(self, something):
        LOOPS.add(id(asyncio.get_running_loop()))
        assert len(LOOPS) == 1, "another loop"
        await asyncio.sleep(0)
        sum(range(100_000))
"""


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("mode", ["strict", "auto", "auto-option"])
def test_pytest_asyncio(project: Project, mode: str, fresh: bool) -> None:
    pytest.importorskip("pytest_asyncio")
    project.plugins("pytest_asyncio.plugin")
    text = ASYNC.replace("len(LOOPS) == 1", "True") if fresh else ASYNC
    args: tuple[str, ...] = ()
    if mode == "auto":
        project.write("pytest.ini", "[pytest]\nasyncio_mode = auto")
    elif mode == "auto-option":
        args = ("--asyncio-mode=auto",)
    else:
        text = text.replace("    async def", "    @pytest.mark.asyncio\n    async def")
    project.write("test_it.py", text)
    measured = process(project.worker("test_it.py::TestIt::test_it", *args, plan=LONGER, fresh=fresh))
    assert {stack[0].qualname for stack in measured.stacks} == {"TestIt.test_it"}
    assert sum(r.cpu_ns for r in measured.rounds) / 12 > 0.3 * timed_ns("sum(range(100_000))")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(project: Project, backend: str) -> None:
    pytest.importorskip("anyio")
    pytest.importorskip("trio") if backend == "trio" else None
    project.plugins("anyio.pytest_plugin")
    project.write(
        "test_it.py",
        """
        import anyio, pytest
        @pytest.mark.anyio
        async def test_it(anyio_backend):
            await anyio.lowlevel.checkpoint()
            sum(range(100_000))
    """,
    )
    measured = process(project.worker(f"test_it.py::test_it[{backend}]", plan=LONGER))
    assert {stack[0].qualname for stack in measured.stacks} == {"test_it"}
    assert sum(r.cpu_ns for r in measured.rounds) / 12 > 0.3 * timed_ns("sum(range(100_000))")


def test_with_flame_around_an_await(project: Project) -> None:
    pytest.importorskip("pytest_asyncio")
    project.plugins("pytest_asyncio.plugin")
    project.write(
        "test_it.py",
        """
        import asyncio, pytest
        @pytest.mark.asyncio
        async def test_it(flame):
            sum(range(1_000_000))
            with flame:
                await asyncio.sleep(0)
                sum(range(50_000))
    """,
    )
    measured = process(project.worker("test_it.py::test_it", plan=Plan(1, 10)))
    assert sum(r.cpu_ns for r in measured.rounds) / 10 < 6 * timed_ns("sum(range(50_000))")


# --- where it runs --------------------------------------------------------------------------------------------


def test_process_runs_on_the_chosen_cpus_only(project: Project) -> None:
    cpu = max(os.sched_getaffinity(0))
    project.write("test_it.py", f"import os\ndef test_it(): assert os.sched_getaffinity(0) == {{{cpu}}}")
    process(project.worker("test_it.py::test_it", cpus=(cpu,)))


# --- what other plugins do ----------------------------------------------------------------------------------------


def test_timeout_plugin_does_not_cut_the_repetitions_short(project: Project) -> None:
    pytest.importorskip("pytest_timeout")
    project.plugins("pytest_timeout")
    project.write("pytest.ini", "[pytest]\ntimeout = 0.2")
    project.write(
        "test_it.py",
        """
        import pytest, time
        @pytest.mark.timeout(0.2)
        def test_it():
            end = time.process_time() + 0.05
            while time.process_time() < end: pass
    """,
    )
    process(project.worker("test_it.py::test_it", plan=Plan(1, 8)))


if sys.platform != "linux":
    pytest.skip("pytest-flame measures on Linux", allow_module_level=True)
