"""Bodies, and whole runs, with frozen time: they are measured, and end, like any other."""

from __future__ import annotations

import pytest

from pytest_flame.measure.job import Plan, Status

from .conftest import Project

FROZEN = {
    "freezegun": """
import freezegun
def stopped():
    return freezegun.freeze_time("2012-01-14")
""",
    "time_machine": """
import time_machine
def stopped():
    return time_machine.travel("2012-01-14", tick=False)
""",
}
TESTS = """
import select
import time
import pytest
from stopped import stopped

@pytest.fixture(scope="function")
def in_function():
    with stopped():
        yield

@pytest.fixture(scope="module")
def in_module():
    with stopped():
        yield

@pytest.fixture(scope="session")
def in_session():
    with stopped():
        yield

def work():
    assert time.time() == 1326499200
    return sum(i * i for i in range(20_000))

def test_function(in_function):
    work()

def test_session(in_session):
    work()

def test_part(in_session, flame):
    with flame:
        work()

def test_waits(in_module):
    select.select([], [], [], 0.01)
"""


@pytest.fixture(params=sorted(FROZEN))
def frozen(request: pytest.FixtureRequest, project: Project) -> Project:
    pytest.importorskip(request.param)
    project.write("stopped.py", FROZEN[request.param])
    project.write("test_it.py", TESTS)
    return project


@pytest.mark.parametrize("test", ["test_function", "test_session", "test_part"])
def test_all_clocks_of_a_frozen_body_go_on(frozen: Project, test: str) -> None:
    result = frozen.worker(f"test_it.py::{test}", plan=Plan(iterations=2, rounds=3))
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    assert result.recording is not None
    (process,) = result.recording.processes
    assert all(100_000 < r.cpu_ns < 1_000_000_000 for r in process.rounds)
    # Time spent waiting for a CPU is subtracted: on a busy machine that may be a whole round.
    assert max(r.wall_ns for r in process.rounds) > 100_000
    assert process.outside is not None and process.outside.wall_ns > sum(r.cpu_ns for r in process.rounds) // 2


def test_fresh_frozen_fixtures_are_measured(frozen: Project) -> None:
    result = frozen.worker("test_it.py::test_function", fresh=True)
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    assert result.recording is not None
    (process,) = result.recording.processes
    assert process.outside is not None and process.outside.wall_ns > sum(r.cpu_ns for r in process.rounds) // 2 > 0


def test_a_frozen_body_that_waits_is_calibrated_by_the_clock_on_the_wall(frozen: Project) -> None:
    result = frozen.worker("test_it.py::test_waits", plan=None)
    assert result.status is Status.CALIBRATED, f"{result.message}\n{result.details}"
    assert result.plan is not None and result.plan.iterations <= 8  # 60 ms, 10 ms each
    assert result.round_wall_ns > 10_000_000


def test_the_limit_of_a_run_holds_where_the_run_itself_is_frozen(project: Project) -> None:
    pytest.importorskip("freezegun")
    project.write("stopped.py", FROZEN["freezegun"])
    project.write("conftest.py", "from stopped import stopped\nfreezer = stopped()\nfreezer.start()")
    project.write(
        "test_hangs.py",
        """
        import select
        import pytest

        @pytest.mark.flame
        def test_hangs():
            select.select([], [], [], 60)
        """,
    )
    ran = project.flame("--flame-max-time=2", "test_hangs.py")
    assert ran.verdict("test_hangs") == "INCONCLUSIVE", ran.out
    assert "--flame-max-time" in ran.out
