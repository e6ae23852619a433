"""The examples of the hooks' documentation, all together in the conftest file of a project that is measured."""

from __future__ import annotations

import sys

from examples import HOOKS, example
from repositories import Checkout

from pytest_flame.baseline.store import Store
from pytest_flame.model import Frame

from .conftest import Project

WORK = """
from vendored.lib import burn


def _generated_one(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def _generated_two(n):
    total = 0
    for i in range(n):
        total ^= i + n
    return total


def work():
    return _generated_one(4000) + _generated_two(4000) + burn(4000)
"""
LIBRARY = "def burn(n):\n    return sum([i * i for i in range(n)])\n"
TESTS = "import pytest\nimport work\n\n\n@pytest.mark.flame(threshold='300%')\ndef test_work():\n    work.work()\n"


def test_the_examples_do_what_they_say(project: Project) -> None:
    project.write("work.py", WORK)
    project.write("vendored/lib.py", LIBRARY)
    project.write("test_work.py", TESTS)
    project.write("conftest.py", "\n\n".join(map(example, HOOKS)))
    recorded = project.flame("--flame-update", time=("--flame-time=0.9", "--flame-processes=3"))
    assert recorded.ret == 0, recorded.out
    where = project.path / "flame-baselines" / f"python{sys.version_info.minor}"
    baseline = Store(where).load("test_work.py::test_work")
    assert baseline is not None, recorded.out
    frames = {frame for process in baseline.processes for stack in process.stacks for frame in stack}
    assert Frame("work", "_generated") in frames
    assert Frame("test_work", "test_work") in frames
    assert not {f for f in frames if f.module.startswith("vendored") or f.qualname.startswith("_generated_")}
    ran = project.flame()
    assert ran.verdict("test_work") == "PASS", ran.out
    assert "judged with within budget (pytest_flame_rules)" in ran.out
    assert "pytest_flame_frame: 2 functions have another name, " in ran.out
    assert "test_work.py::test_work PASS " in ran.out  # printed by pytest_flame_judged
    written = (project.path / "flame.csv").read_text()
    assert written.startswith("test_work.py::test_work,PASS,") and " → " in written


def test_a_rule_of_the_project_convicts_on_fresh_pairs(project: Project) -> None:
    project.write(".gitignore", "__pycache__/\nflame-report/\nresult.json\n")
    project.write("work.py", WORK)
    project.write("vendored/lib.py", LIBRARY)
    project.write("test_work.py", TESTS)
    project.write("conftest.py", example("pytest_flame_rules").replace("50 * 10**9", "10**6"))
    made = Checkout(project.path)
    made.git("init", "-q", "-b", "main")
    made.commit()
    ran = project.flame("--flame-against=HEAD", time=("--flame-time=0.2", "--flame-processes=3"))
    assert ran.verdict("test_work") == "REGRESSED", ran.out
    assert ran.test("test_work")["reason"] == "an iteration takes more than 50 ms"


def test_what_is_no_frame_and_no_store_is_an_error(project: Project) -> None:
    project.write("test_work.py", "import pytest\n\n\n@pytest.mark.flame\ndef test_it():\n    sum(range(9999))\n")
    project.write("conftest.py", "def pytest_flame_store(config):\n    return 'here'\n")
    ran = project.flame()
    assert ran.ret == 4 and "pytest_flame_store returned 'here'" in ran.out
    project.write("conftest.py", "def pytest_flame_rules(config, rules):\n    rules.append('fast')\n")
    ran = project.flame()
    assert ran.ret == 4 and "pytest_flame_rules left 'fast' among the rules" in ran.out
    project.write("conftest.py", "def pytest_flame_frame(config, frame):\n    return 'work'\n")
    ran = project.flame("--flame-update", time=("--flame-time=0.2", "--flame-processes=3"))
    assert ran.ret == 4 and "pytest_flame_frame returned 'work' for " in ran.out
