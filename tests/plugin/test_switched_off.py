"""A gate that measures nothing, or less than it did, says so."""

from __future__ import annotations

import pytest

from .conftest import SHORTEST, Project

PLAIN = "def test_plain():\n    pass\n"


@pytest.mark.parametrize(("strict", "status"), [((), pytest.ExitCode.OK), (("--flame-strict",), 1)])
def test_a_run_with_nothing_marked_says_so(project: Project, strict: tuple[str, ...], status: int) -> None:
    project.write("test_it.py", PLAIN)
    ran = project.flame(*strict, time=SHORTEST)
    assert ran.ret == status, ran.out
    assert "nothing was measured: none of 1 collected tests is marked @pytest.mark.flame" in ran.out
    assert ("an error with --flame-strict" in ran.out) == (not strict)


def test_a_run_whose_marked_tests_are_deselected_says_so(project: Project) -> None:
    project.write("test_it.py", PLAIN + "import pytest\n@pytest.mark.flame\ndef test_marked(): pass\n")
    ran = project.flame("--flame-strict", "-k", "plain", time=SHORTEST)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "nothing was measured: all 1 marked tests were deselected" in ran.out


@pytest.mark.parametrize("value", ["", "origin/..."])
def test_an_empty_variable_in_flame_against_ends_the_run(project: Project, value: str) -> None:
    project.write("test_it.py", PLAIN)
    ran = project.run(f"--flame-against={value}")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "a variable in the command was probably empty" in ran.out


@pytest.mark.parametrize("where", ["addopts", "coveragerc"])
def test_a_coverage_limit_does_not_fail_a_run_that_measures(project: Project, where: str) -> None:
    project.plugins("pytest_cov.plugin")
    limit = " --cov-fail-under=90" if where == "addopts" else ""
    project.write("pytest.ini", f"[pytest]\naddopts = --cov=work{limit}\n")
    project.write(".coveragerc", "[report]\nfail_under = 90\n" if not limit else "")
    project.write("work.py", "def work(n):\n    x = n + 1\n    y = x * 2\n    z = y - 1\n    return z\n")
    project.write("test_it.py", "import pytest, work\n@pytest.mark.flame\ndef test_it(): work.work(3)\n")
    ran = project.flame(time=SHORTEST)
    assert ran.ret == pytest.ExitCode.OK, ran.out
    assert "the coverage limit of 90 % is off in this run" in ran.out
    without = project.run("--flame-skip")
    assert "the coverage limit" not in without.out
    project.write("test_plain.py", PLAIN)
    assert project.run("--flame-skip").ret == pytest.ExitCode.TESTS_FAILED
