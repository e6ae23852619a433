"""The first call of a process: timed in every kind of body, mentioned if only it is slower, judged on request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_flame.measure.job import ONCE, Plan, Status, WorkerResult
from pytest_flame.model import Process

from .conftest import Project, Ran
from .test_against import initialised

CACHED = """
import functools

@functools.lru_cache
def table():
    return [i * i for i in range(3_000)]

def look(n):
    return sum(table()[i] for i in range(n))
"""
TESTS = """
import pytest
import work

mark = pytest.mark.flame(threshold="50%", frame_threshold="50%")
first = pytest.mark.flame(metric="first-call")

@mark
def test_later(): work.look(2_000)

@mark
@first
def test_first(): work.look(2_000)
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A cache that is a hundred times as expensive to fill."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = Project(tmp_path_factory.mktemp("first"), monkeypatch)
        project.write("pytest.ini", "[pytest]\n")
        project.write("work.py", CACHED)
        project.write("test_work.py", TESTS)
        initialised(project).commit()
        project.replace("work.py", "range(3_000)", "range(300_000)")
        yield project.flame("--flame-against=HEAD", "--flame-seed=1", time=("--flame-time=0.3", "--flame-processes=3"))


def test_first_call_that_is_slower_than_later_ones_is_said(compared: Ran) -> None:
    test = compared.test("test_later")
    assert test["verdict"] != "REGRESSED"
    (note,) = [note for note in test["notes"] if note.startswith("the first call of a process costs")]
    assert "more than later calls do" in note and "metric='first-call'" in note
    assert note in compared.out.replace("\n", "")
    assert test["head_first_call_ns"] > 5 * test["base_first_call_ns"] > 0
    assert test["metric"] == "cpu"


def test_first_call_is_judged_where_it_is_asked_for(compared: Ran) -> None:
    test = compared.test("test_first")
    assert (test["verdict"], test["metric"]) == ("REGRESSED", "first-call")
    assert test["reason"].startswith("first call: ") and test["ratio"] > 5
    assert test["head_ns"] == pytest.approx(test["head_first_call_ns"], rel=0.5)


# --- one process ----------------------------------------------------------------------------------------------------

COLD = """
import pytest
filled = []

def fill():
    if not filled:
        filled.append(sum(i * i for i in range(300_000)))
    return sum(i * i for i in range(300))

"""


def process(result: WorkerResult) -> Process:
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    assert result.recording is not None
    return result.recording.processes[0]


@pytest.mark.parametrize(
    ("body", "fresh"),
    [
        pytest.param("def test_it(): fill()", False, id="plain"),
        pytest.param("def test_it(): fill()", True, id="fresh"),
        pytest.param("def test_it(flame): flame(fill)", False, id="flame()"),
        pytest.param("def test_it(flame):\n    with flame: fill()", False, id="with flame"),
        pytest.param("@pytest.mark.asyncio\nasync def test_it(): fill()", False, id="async"),
    ],
)
@pytest.mark.parametrize("plan", [Plan(20, 4), Plan(1, 4)])
def test_every_kind_of_body_has_its_first_call_timed(project: Project, body: str, fresh: bool, plan: Plan) -> None:
    project.plugins("pytest_asyncio.plugin")
    project.write("test_it.py", COLD + body)
    measured = process(project.worker("test_it.py::test_it", plan=plan, fresh=fresh, time_s=5))
    assert measured.first_call_ns is not None
    assert measured.first_call_ns > 20 * max(r.cpu_ns / r.iterations for r in measured.rounds)


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        pytest.param("def test_it(): count(); fill()", 1, id="plain"),
        pytest.param("def test_it(flame): flame(lambda: (count(), fill()))", 2, id="flame()"),
        pytest.param("def test_it(flame):\n    count()\n    with flame: fill()", 1, id="with flame"),
    ],
)
@pytest.mark.parametrize("plan", [ONCE, None])
def test_process_whose_first_call_is_judged_makes_no_other(
    project: Project, body: str, calls: int, plan: Plan | None
) -> None:
    """``flame(...)`` calls again for its result."""
    project.write("test_it.py", COLD + "def count(): open('calls', 'a').write('x')\n" + body)
    result = project.worker("test_it.py::test_it", plan=plan, metric="first-call")
    assert (project.path / "calls").read_text(encoding="utf-8") == "x" * calls
    if plan is None:
        assert (result.status, result.plan) == (Status.CALIBRATED, ONCE)
        # Time spent waiting for a CPU is subtracted: on a busy machine that may be a whole round.
        others = (project.worker("test_it.py::test_it", plan=plan, metric="first-call") for _ in range(4))
        assert result.round_wall_ns > 0 or any(other.round_wall_ns > 0 for other in others)
        return
    measured = process(result)
    assert measured.first_call_ns == measured.rounds[0].cpu_ns > 1_000_000
    assert [r.iterations for r in measured.rounds] == [1] and measured.stacks


def test_baseline_of_another_metric_is_not_compared(project: Project) -> None:
    project.write("work.py", CACHED)
    project.write("test_work.py", TESTS)
    short = ("--flame-time=0.06", "--flame-processes=3")
    node = "test_work.py::test_later"
    assert project.flame("--flame-update=all", node, time=short).ret == 0
    project.replace("test_work.py", "@mark\ndef test_later", "@mark\n@first\ndef test_later")
    test = project.flame("--flame-remeasure=never", node, time=short).test("test_later")
    assert test["verdict"] == "INCOMPATIBLE"
    assert "the baseline was recorded with metric='cpu', this is 'first-call'" in test["reason"]
    assert project.flame("--flame-update=all", node, time=short).ret == 0
    again = project.flame("--flame-remeasure=never", node, time=short).test("test_later")
    assert (again["metric"], again["verdict"]) != ("cpu", "INCOMPATIBLE") and again["reason"].startswith("first call")


# --- waiting --------------------------------------------------------------------------------------------------------


def test_body_that_waits_is_inconclusive_and_told_what_to_do(project: Project) -> None:
    project.write(
        "test_it.py",
        "import os, pytest, select\n"
        "never, _ = os.pipe()\n"
        "@pytest.mark.flame\ndef test_it(): select.select([never], [], [], 0.02)\n",
    )
    short = ("--flame-time=0.2", "--flame-processes=3")
    assert project.flame("--flame-update", time=short).ret == 0
    test = project.flame("--flame-remeasure=never", time=short).test("test_it")
    assert test["verdict"] == "INCONCLUSIVE"
    assert "the body waits: " in test["reason"] and "only CPU is judged" in test["reason"]
