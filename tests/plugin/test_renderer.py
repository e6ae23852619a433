"""A new report is a function of a run's result: here from a conftest file."""

from __future__ import annotations

from .conftest import SHORTEST, TESTS, WORK, Project

RENDERER = """
from pathlib import Path

from pytest_flame.render import words


def pytest_flame_finished(config, result, report):
    rows = [f"{j.test_id}\\t{j.verdict.value}\\t{words.times(j.comparison)}" for j in result.judgements if j.comparison]
    Path("flame.tsv").write_text("\\n".join(rows) + "\\n")
"""


def test_a_report_from_outside(project: Project) -> None:
    project.write("work.py", WORK)
    project.write("test_work.py", TESTS)
    project.write("conftest.py", RENDERER)
    assert project.flame("--flame-update", "-k", "spin", time=SHORTEST).ret == 0
    ran = project.flame("-k", "spin", time=SHORTEST)
    test_id, verdict, times = (project.path / "flame.tsv").read_text().strip().split("\t")
    assert verdict == ran.test("test_spin")["verdict"]
    assert test_id.endswith("test_spin") and " → " in times
