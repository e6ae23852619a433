"""A body's output, logs and warnings do not grow with the calls, and are shown if it fails."""

from __future__ import annotations

import pytest

from pytest_flame.measure.job import Plan, Status, WorkerResult

from .conftest import SHORT_PLAN, Project

MANY = Plan(iterations=4, rounds=60)
ROUND_AND_ENDS = (4 + 1) << 20

KEPT = """
import os, pathlib, resource, sys, warnings, logging
import pytest
from itertools import count

calls = count()
LINE = ("0123456789" * 9 + "\\n") * (2**20 // 91)

def note(kept):
    call = next(calls)
    with open(pathlib.Path(__file__).parent / "kept", "a") as file:
        print(call, kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=file)
"""


def measured(project: Project, *args: str, plan: Plan = MANY, fresh: bool = False) -> list[tuple[int, int, int]]:
    """Call, how much is kept, and the process's peak memory (KiB)."""
    result = project.worker("test_it.py::test_it", *args, plan=plan, fresh=fresh, time_s=10)
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    lines = (project.path / "kept").read_text(encoding="utf-8").splitlines()
    calls = [(int(call), int(kept), int(rss)) for call, kept, rss in map(str.split, lines)]
    assert len(calls) >= plan.iterations * plan.rounds
    return calls


@pytest.mark.parametrize(
    ("arg", "fresh", "kept"),
    [
        pytest.param("--capture=fd", False, "os.fstat(1).st_size", id="fd"),
        pytest.param("--capture=fd", True, "os.fstat(1).st_size", id="fresh"),
        pytest.param("--capture=sys", False, "sys.stdout.buffer.getbuffer().nbytes", id="sys"),
        pytest.param(
            "--capture=tee-sys", False, "sys.stdout.buffer.getbuffer().nbytes + os.fstat(1).st_size", id="tee-sys"
        ),
        pytest.param("-s", False, "os.fstat(1).st_size", id="s"),
    ],
)
def test_printed_output_is_bounded(project: Project, arg: str, fresh: bool, kept: str) -> None:
    project.write("test_it.py", KEPT + f"def test_it():\n    print(LINE)\n    note({kept})")
    calls = measured(project, arg, fresh=fresh)
    assert max(kept for _, kept, _ in calls) <= 2 * ROUND_AND_ENDS
    tenth, last = calls[10 * MANY.iterations], calls[-1]
    assert last[2] - tenth[2] < 20 << 10, "memory that grows with the calls"
    files = [f for f in (project.path / ".scratch").rglob("*") if f.is_file() and not f.is_symlink()]
    assert sum(f.stat().st_size for f in files) <= 2 * ROUND_AND_ENDS


@pytest.mark.parametrize(
    ("fixture", "kept"),
    [
        ("capsys", "sys.stderr.buffer.getbuffer().nbytes"),
        ("capfd", "os.fstat(2).st_size"),
        ("capsysbinary", "sys.stderr.buffer.getbuffer().nbytes"),
    ],
)
def test_what_a_fixture_captures_and_nobody_reads_is_bounded(project: Project, fixture: str, kept: str) -> None:
    project.write("test_it.py", KEPT + f"def test_it({fixture}):\n    print(LINE, file=sys.stderr)\n    note({kept})")
    assert max(kept for _, kept, _ in measured(project)) <= 2 * ROUND_AND_ENDS


def test_fixture_still_captures_what_a_call_prints(project: Project) -> None:
    project.write(
        "test_it.py",
        KEPT + "def test_it(capsys):\n    print(LINE)\n    note(0)\n    assert capsys.readouterr().out == LINE + '\\n'",
    )
    measured(project)


def test_log_records_are_bounded(project: Project) -> None:
    project.write(
        "test_it.py",
        KEPT + "def test_it(caplog):\n    logging.warning('%s', LINE)\n"
        "    note(sum(len(r.message) for r in caplog.records) + len(caplog.text))",
    )
    assert max(kept for _, kept, _ in measured(project)) <= 4 * ROUND_AND_ENDS


def test_many_small_log_records_are_bounded(project: Project) -> None:
    project.write(
        "test_it.py",
        KEPT + "def test_it(caplog):\n    logging.warning('again')\n    note(len(caplog.records))",
    )
    assert max(kept for _, kept, _ in measured(project, plan=Plan(50, 40))) <= 200 + 50


@pytest.mark.parametrize("fixture", ["", "recwarn"])
def test_recorded_warnings_are_bounded(project: Project, fixture: str) -> None:
    project.write(
        "test_it.py",
        KEPT
        + f"""
from pytest_flame.measure.capture import recorded_warnings

def test_it({fixture}):
    warnings.simplefilter("always")
    warnings.warn("old", DeprecationWarning)
    note(len(recorded_warnings()))
""",
    )
    kept = [kept for _, kept, _ in measured(project, plan=Plan(50, 40))]
    assert 50 <= max(kept) <= 200 + 50


def failed(project: Project, *args: str, fresh: bool = False) -> WorkerResult:
    result = project.worker("test_it.py::test_it", *args, plan=Plan(1, 40), fresh=fresh)
    assert result.status is Status.UNREPEATABLE
    return result


@pytest.mark.parametrize(("capture", "fresh"), [("fd", False), ("sys", False), ("fd", True)])
def test_failing_body_shows_what_its_first_and_its_last_call_printed(
    project: Project, capture: str, fresh: bool
) -> None:
    project.write(
        "test_it.py",
        KEPT
        + """
def test_it():
    call = next(calls)
    print(f"this is call {call}")
    for line in range(50): print(line, "é" * 100)
    logging.warning(f"logged by {call}")
    print(f"call {call} ends", file=sys.stderr)
    assert call != 37
""",
    )
    details = failed(project, f"--capture={capture}", fresh=fresh).details
    assert "assert call != 37" in details or "assert 37 != 37" in details
    for call in (0, 37):
        assert f"this is call {call}\n" in details and f"call {call} ends" in details and f"logged by {call}" in details
    assert "left out ...]" in details and "this is call 15\n" not in details
    assert len(details) < 400_000


def test_test_that_fails_at_once_shows_what_it_printed(project: Project) -> None:
    project.write("test_it.py", "def test_it():\n    print('what it was about')\n    assert 0")
    result = project.worker("test_it.py::test_it", plan=SHORT_PLAN)
    assert "Captured stdout call" in result.details and "what it was about" in result.details
