"""Under pytest-xdist: plain tests run in its processes, measured ones in the controller afterwards, and one report has
all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import SHORTEST, Project

TESTS = """
    import os, pytest

    def test_plain(): assert "PYTEST_XDIST_WORKER" in os.environ
    def test_other(): assert "PYTEST_XDIST_WORKER" in os.environ

    @pytest.mark.flame
    def test_it():
        assert "PYTEST_XDIST_WORKER" not in os.environ
        sum(range(2000))

    @pytest.mark.flame
    @pytest.mark.skip(reason="not today")
    def test_skipped(): pass
"""


@pytest.fixture
def parallel(project: Project) -> Iterator[Project]:
    pytest.importorskip("xdist")
    project.plugins("xdist.plugin")
    project.write("pytest.ini", "[pytest]\naddopts = -n 2\n")
    project.write("test_it.py", TESTS)
    yield project


@pytest.mark.parametrize("arguments", [(), ("--dist=loadfile",), ("-o", "addopts=", "--dist=load", "--tx=2*popen")])
def test_plain_tests_run_in_parallel_and_measured_ones_later(parallel: Project, arguments: tuple[str, ...]) -> None:
    ran = parallel.flame("--junitxml=junit.xml", "-rs", *arguments, time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert ran.outcomes == {"passed": 2, "skipped": 2}, ran.out
    assert "not today" in ran.out
    assert ran.ret == 0
    junit = (parallel.path / "junit.xml").read_text()
    assert junit.count("<testcase ") == 4 and 'value="NEW"' in junit


def test_a_run_of_measured_tests_only_is_whole(parallel: Project) -> None:
    ran = parallel.flame("-m", "flame", "--flame-strict", time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert ran.outcomes == {"failed": 1, "skipped": 1, "deselected": 2}, ran.out


def test_what_ends_the_plain_tests_early_is_no_pass(parallel: Project) -> None:
    parallel.replace("test_it.py", "def test_other(): assert", "def test_other(): assert not")
    ran = parallel.flame("-x", time=SHORTEST)
    assert ran.ret != 0 and ran.document is None, ran.out
    assert "nothing was measured: the run ended with the plain tests" in ran.out


def test_a_failing_plain_test_fails_a_run_whose_tests_are_measured(parallel: Project) -> None:
    parallel.replace("test_it.py", "def test_other(): assert", "def test_other(): assert not")
    ran = parallel.flame(time=SHORTEST)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert ran.outcomes == {"failed": 1, "passed": 1, "skipped": 2}, ran.out


def test_files_that_cannot_be_collected_are_reported(parallel: Project) -> None:
    parallel.write("test_broken.py", "import no_such_module")
    ran = parallel.flame(time=SHORTEST)
    assert ran.ret not in (0, 5) and ran.document is None, ran.out
    assert "no_such_module" in ran.out


def test_without_measuring_nothing_is_left_to_the_controller(parallel: Project) -> None:
    parallel.replace("test_it.py", 'assert "PYTEST_XDIST_WORKER" not in os.environ', "pass")
    ran = parallel.run()
    assert ran.outcomes == {"passed": 3, "skipped": 1}, ran.out
