"""The name of a test, a folder or a parameter never reaches the terminal as a control sequence."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from .conftest import SHORTEST, Project

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
TESTS = f"""
import pytest

@pytest.mark.flame
@pytest.mark.parametrize("n", [1], ids=[{ESCAPE!r}])
def test_it(n):
    sum(range(100))

@pytest.mark.flame
def test_fails():
    raise ValueError({ESCAPE!r})
"""
RAW_IDS = "[pytest]\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def test_names_and_messages_are_shown_without_control_characters(project: Project) -> None:
    """pytest itself shows ids unchanged in its own lines if their escaping is disabled: those lines are not ours."""
    project.write("pytest.ini", RAW_IDS)
    project.write("test_it.py", TESTS)
    ran = project.flame("-q", "-rs", "--flame-markdown=out.md", "--junit-xml=out.xml", time=SHORTEST)
    shown = [line for line in ran.out.splitlines() if "owned" in line]
    assert any("test_it" in line for line in shown), ran.out
    assert any("ValueError" in line for line in shown), ran.out
    assert not [line for line in shown if CONTROL.search(line)]
    pages = [*(project.path / "flame-report").glob("*.html"), project.path / "out.md"]
    assert len(pages) >= 2
    for page in pages:
        assert not CONTROL.search(page.read_text(encoding="utf-8")), page
    ElementTree.parse(project.path / "out.xml")


def test_a_stale_baseline_is_named_without_control_characters(recorded: Project) -> None:
    recorded.write("pytest.ini", RAW_IDS)
    store = recorded.store
    store.move("test_work.py::test_spin", f"test_work.py::test_gone[{ESCAPE}]")
    ran = recorded.flame("--flame-strict", time=SHORTEST)
    lines = [line for line in ran.out.splitlines() if "stale baseline" in line]
    assert lines and not [line for line in lines if CONTROL.search(line)]
