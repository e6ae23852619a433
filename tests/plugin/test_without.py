"""Without ``--flame`` markers do nothing, the fixture passes through, and nothing is loaded."""

from __future__ import annotations

import pytest

from .conftest import Project

TESTS = """
import pytest
CALLS = []

@pytest.mark.flame(threshold="5%")
def test_marked(): CALLS.append("marked")

@pytest.mark.flame(anything=1)
def test_marked_wrongly(): CALLS.append("wrongly")

def test_fixture(flame):
    assert flame(sorted, [2, 1], reverse=True) == [2, 1]
    with flame:
        CALLS.append("fixture")
    with pytest.raises(ZeroDivisionError), flame:
        1 / 0

def test_once():
    assert CALLS == ["marked", "wrongly", "fixture"]

def test_nothing_is_loaded():
    import sys
    heavy = {"numpy", "scipy", "jinja2", "cffi", "elftools", "_cffi_backend"} & sys.modules.keys()
    own = {name for name in sys.modules if name.startswith("pytest_flame")} - {
        "pytest_flame", "pytest_flame.plugin", "pytest_flame.config", "pytest_flame.errors", "pytest_flame.fixture",
        "pytest_flame.links", "pytest_flame.model", "pytest_flame.quantities", "pytest_flame.hookspecs",
        "pytest_flame.marker", "pytest_flame.options", "pytest_flame.values", "pytest_flame.benchmark",
        "pytest_flame.benchmark_suites", "pytest_flame.clocks", "pytest_flame.distributed",
    }
    assert not heavy and not own
"""


def test_markers_do_nothing_and_the_fixture_passes_through(project: Project) -> None:
    project.write("test_it.py", TESTS)
    ran = project.run()
    assert ran.ret == 0, ran.out
    assert ran.outcomes == {"passed": 5}
    assert "flame: " not in ran.out
    assert sorted(p.name for p in project.path.iterdir() if p.name[0] not in "._") == ["pytest.ini", "test_it.py"]


@pytest.mark.parametrize(
    ("args", "outcomes"),
    [
        (("--flame-skip",), {"passed": 1, "deselected": 2}),
        (("--flame", "--flame-skip"), {"passed": 1, "deselected": 2}),
        (("--flame", "--collect-only"), {}),
    ],
)
def test_runs_that_measure_nothing(project: Project, args: tuple[str, ...], outcomes: dict[str, int]) -> None:
    project.write(
        "test_it.py",
        "import pytest\n@pytest.mark.flame\ndef test_a(): assert 0\ndef test_b(flame): assert 0\ndef test_c(): pass",
    )
    ran = project.run(*args)
    assert ran.ret == 0, ran.out
    assert {name: n for name, n in ran.outcomes.items() if name != "tests"} == outcomes
    assert not (project.path / "flame-report").exists()


def test_help_of_hooks_is_registered_without_the_gate(project: Project) -> None:
    project.write("conftest.py", "def pytest_flame_judged(item, judgement): pass\n")
    project.write("test_it.py", "def test_it(): pass")
    assert project.run().ret == 0
