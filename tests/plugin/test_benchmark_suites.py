"""Suites written for pytest-benchmark and pytest-codspeed, with those plugins and without them."""

from __future__ import annotations

import pytest
from repositories import Checkout

from pytest_flame.measure.job import Plan, Status
from pytest_flame.model import PS_PER_NS, Process

from .conftest import SHORT_PLAN, SHORTEST, Project

THEIRS = ("pytest_benchmark.plugin", "pytest_codspeed.plugin")
SUITE = """
import asyncio
import pathlib
import pytest

def log(word):
    with open(pathlib.Path(__file__).parent / "log", "a") as file:
        file.write(word + " ")

def work():
    return sum(i * i for i in range(200))

def test_call(benchmark):
    log("call-body")
    assert benchmark(work) == 2646700

def test_builtin(benchmark):
    assert benchmark(len, []) == 0

def test_setup(benchmark):
    log("setup-body")
    benchmark.pedantic(list.sort, setup=lambda: (([3, 1, 2] * 100,), {}), rounds=5)

def test_once(benchmark):
    numbers = [3, 1, 2] * 100
    benchmark.pedantic(numbers.sort)
    log("once-body")

@pytest.mark.benchmark(group="whole")
def test_whole():
    log("whole-body")
    work()

def test_awaited(benchmark):
    async def wait(): return work()
    assert asyncio.run(benchmark(wait)) == 2646700
    log("awaited-body")

def test_wrapped(benchmark_in_a_loop):
    assert benchmark_in_a_loop(work) == 2646700

def test_dynamic(request):
    log("dynamic-body")

def test_other_name(codspeed_benchmark):
    codspeed_benchmark(work)

def test_plain():
    log("plain-body")
"""
CONFTEST = """
import pytest

@pytest.fixture
def benchmark_in_a_loop(benchmark):
    import asyncio
    loop = asyncio.new_event_loop()
    async def call(function): return function()
    yield lambda function: benchmark(lambda: loop.run_until_complete(call(function)))
    loop.close()
"""
HOOK = """
def pytest_benchmark_update_json(config, benchmarks, output_json):
    raise AssertionError("nothing is written")
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("pytest.ini", "[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    project.write("conftest.py", CONFTEST)
    project.write("test_it.py", SUITE)
    return project


def written(project: Project) -> set[str]:
    """Files and folders that a run left in the project."""
    own = {"pytest.ini", "conftest.py", "test_it.py", "log", "result.json", "flame-report", "flame-baselines"}
    return {p.name for p in project.path.iterdir()} - own - {"__pycache__", ".pytest_cache", ".benchmarks"}


def process(project: Project, name: str, plan: Plan = SHORT_PLAN) -> Process:
    result = project.worker(f"test_it.py::{name}", plan=plan)
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    assert result.recording is not None
    return result.recording.processes[0]


@pytest.mark.parametrize("plugins", [pytest.param((), id="neither"), pytest.param(THEIRS, id="both")])
def test_suite_is_gated_with_and_without_their_plugins(suite: Project, plugins: tuple[str, ...]) -> None:
    suite.plugins(*plugins)
    suite.write("conftest.py", CONFTEST + HOOK)
    ran = suite.flame(
        *("--flame-update", "--benchmark-autosave", "--benchmark-json=out.json", "--benchmark-columns=min,max"),
        *("--benchmark-compare-fail=mean:5%", "--codspeed", "--codspeed-mode=walltime"),
        time=SHORTEST,
    )
    assert ran.ret == 0, ran.out
    gated = {test.rpartition("::")[2] for test in ran.verdicts}
    assert gated == {
        *("test_call", "test_builtin", "test_setup", "test_once", "test_whole", "test_awaited", "test_wrapped"),
        "test_other_name",
    }
    assert set(ran.verdicts.values()) == {"NEW"}
    assert written(suite) == set()
    words = (suite.path / "log").read_text(encoding="utf-8").split()
    assert words.count("plain-body") == words.count("dynamic-body") == 1


def test_only_the_function_is_measured(suite: Project) -> None:
    suite.replace("test_it.py", '    log("call-body")\n', '    log("call-body")\n    sum(range(3_000_000))\n')
    measured = process(suite, "test_call")
    assert (suite.path / "log").read_text(encoding="utf-8").split() == ["call-body"]
    assert all(r.cpu_ns / r.iterations < 2_000_000 for r in measured.rounds)
    names = {frame.qualname for stack in measured.stacks for frame in stack}
    assert names <= {"test_call", "work", "work.<locals>.<genexpr>"}


def test_function_of_a_library_in_c_has_its_samples_and_its_cost(suite: Project) -> None:
    """It has no frame of its own: its cost is that of the test."""
    measured = process(suite, "test_builtin", Plan(200_000, 6))
    assert sum(sample.count for sample in measured.stacks.values()) > 0
    assert {tuple(f.qualname for f in stack) for stack in measured.stacks} == {("test_builtin",)}
    assert all(r.cpu_ns * PS_PER_NS / r.iterations > 2 * measured.loop_cost > 0 for r in measured.rounds)


def test_body_runs_once_for_rounds_and_as_often_as_measured_for_one(suite: Project) -> None:
    process(suite, "test_setup")
    assert (suite.path / "log").read_text(encoding="utf-8").split() == ["setup-body"]
    process(suite, "test_once")
    assert (suite.path / "log").read_text(encoding="utf-8").split().count("once-body") > 15


def test_fixtures_are_set_up_for_each_call_where_the_test_is_fresh(suite: Project) -> None:
    """So are tests that do not count as marked with --flame-all: the whole body is measured, with one call."""
    result = suite.worker("test_it.py::test_call", fresh=True, plan=Plan(1, 4))
    assert result.status is Status.MEASURED, result.details
    assert (suite.path / "log").read_text(encoding="utf-8").split().count("call-body") >= 4


@pytest.mark.usefixtures("committed")
def test_same_code_is_proved_beside_their_plugins(suite: Project) -> None:
    """They start programs in every process that loads them, so workers do without."""
    suite.plugins(*THEIRS)
    ran = suite.flame("--flame-against=HEAD", "--flame-measure=affected", time=SHORTEST)
    assert ran.ret == 0, ran.out
    assert set(ran.verdicts.values()) == {"PASS"} and "so nothing was measured" in ran.out, ran.out


@pytest.fixture
def committed(suite: Project) -> None:
    checkout = Checkout(suite.path)
    checkout.git("init", "-q", "-b", "main")
    checkout.git("add", "-A")
    checkout.git("commit", "-q", "-m", "first")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_it(benchmark): pass", "requests the fixture `benchmark` but does not use it"),
        ("def test_it(benchmark):\n    benchmark(len, [])\n    benchmark(len, [])", "benchmark(...) is called twice"),
        (
            "import pytest\ndef test_it(benchmark):\n    with pytest.raises(ValueError): benchmark(int, 'x')",
            "the function given to benchmark(...) raised ValueError",
        ),
    ],
)
def test_what_cannot_be_measured_is_said(project: Project, body: str, said: str) -> None:
    project.write("test_it.py", body)
    result = project.worker("test_it.py::test_it")
    assert result.status is Status.UNUSABLE and said in result.message, result


# --- which tests count as marked ------------------------------------------------------------------------------------


def collected(project: Project, *args: str) -> set[str]:
    ran = project.run("--collect-only", "-q", *args)
    return {line.partition("::")[2] for line in ran.out.splitlines() if "::" in line}


def test_ini_value_decides_whether_they_count_as_marked(suite: Project) -> None:
    assert collected(suite, "--flame-skip") == {"test_plain", "test_dynamic"}
    assert "test_call" in collected(suite, "--flame-skip", "-o", "flame_benchmarks=false")
    suite.plugins(THEIRS[0])
    ran = suite.run("--flame", "-o", "flame_benchmarks=false", "-k", "test_call", "--benchmark-max-time=0.01")
    assert "nothing was measured" in ran.out and "Rounds" in ran.out, "pytest-benchmark measures as without --flame"


def test_project_s_own_fixture_of_that_name_is_no_benchmark(project: Project) -> None:
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef benchmark(): return 3")
    project.write("test_it.py", "def test_own(benchmark): assert benchmark == 3")
    project.write("sub/conftest.py", "import pytest\n@pytest.fixture\ndef benchmark(benchmark): return benchmark")
    project.write("sub/test_sub.py", "def test_own_again(benchmark): assert benchmark == 3")
    assert collected(project, "--flame-skip") == {"test_own", "test_own_again"}
    assert project.run().outcomes == {"passed": 2}


def test_fixture_that_wraps_it_is_a_benchmark(project: Project) -> None:
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef benchmark(benchmark): return benchmark")
    project.write("test_it.py", "def test_wrapped(benchmark): benchmark(len, [])")
    assert collected(project, "--flame-only") == {"test_wrapped"}
    assert process(project, "test_wrapped").rounds


@pytest.mark.parametrize("plugins", [(), THEIRS[:1]])
def test_options_that_select_benchmarks_work_with_and_without_their_plugin(
    suite: Project, plugins: tuple[str, ...]
) -> None:
    suite.plugins(*plugins)
    only = suite.flame("--flame-update", "--benchmark-only", "-k", "test_builtin or test_plain", time=SHORTEST)
    assert only.outcomes == {"passed": 1, "skipped": 1, "deselected": 8} and set(only.verdicts.values()) == {"NEW"}
    skipped = suite.flame("--benchmark-skip", "-k", "test_builtin or test_plain", time=SHORTEST)
    assert skipped.outcomes == {"passed": 1, "skipped": 1, "deselected": 8} and skipped.document is None


def test_skipping_them_by_default_does_not_keep_them_from_being_gated(suite: Project) -> None:
    suite.write("pytest.ini", "[pytest]\naddopts = --benchmark-skip --benchmark-disable\n")
    suite.plugins(THEIRS[0])
    ran = suite.flame("--flame-update", "-k", "test_builtin", time=SHORTEST)
    assert set(ran.verdicts.values()) == {"NEW"}, ran.out


# --- without --flame ------------------------------------------------------------------------------------------------


def test_without_their_plugins_each_function_is_called_once(suite: Project) -> None:
    ran = suite.run()
    assert ran.ret == 0 and ran.outcomes == {"passed": 10}, ran.out
    words = (suite.path / "log").read_text(encoding="utf-8").split()
    assert len(words) == len(set(words)) == 7


def test_their_options_are_unknown_without_their_plugins(suite: Project) -> None:
    ran = suite.run("--benchmark-only")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR and "--benchmark-only" in ran.out


@pytest.mark.parametrize("order", [("pytest_flame.plugin", THEIRS[0]), (THEIRS[0], "pytest_flame.plugin")])
def test_their_fixture_is_theirs_without_the_gate(suite: Project, order: tuple[str, ...]) -> None:
    suite.monkeypatch.setenv("PYTEST_PLUGINS", ",".join(order))
    ran = suite.run("-k", "test_call", "--benchmark-json=out.json", "--benchmark-max-time=0.01", "-W", "ignore")
    assert "Rounds" in ran.out and (suite.path / "out.json").exists(), ran.out
