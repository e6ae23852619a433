"""What a change removes from the gate, or makes it tolerate, has its own heading in every output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from repositories import Checkout

from pytest_flame.model import GateChangeKind

from .conftest import SHORTEST, Project, Ran

WORK = "def work(n):\n    return sum(i * i for i in range(n))\n"
TESTS = """
import pytest
import work
from marks import perf


@pytest.mark.flame
def test_kept():
    work.work(3000)


@pytest.mark.flame
def test_lost():
    work.work(3000)


@perf
def test_by_a_helper():
    work.work(3000)


@pytest.mark.flame(threshold="10%", frame_threshold="20%")
def test_limits():
    work.work(3000)


def test_by_the_fixture(flame):
    flame(work.work, 3000)


def test_plain():
    pass
"""
HELPER = "import pytest\n\nperf = pytest.mark.flame(threshold='7%')\n"


@pytest.fixture
def history(project: Project) -> Checkout:
    project.write("pytest.ini", "[pytest]\npythonpath = . tests\nflame_threshold = 90%\nflame_frame_threshold = 90%\n")
    project.write(".gitignore", "__pycache__/\nflame-report/\nresult.json\nflame.md\n")
    project.write("work.py", WORK)
    project.write("tests/test_it.py", TESTS)
    project.write("tests/marks.py", HELPER)
    made = Checkout(project.path)
    made.git("init", "-q", "-b", "main")
    made.commit()
    return made


def run(project: Project, *args: str) -> Ran:
    return project.flame("--flame-markdown=flame.md", *args, time=SHORTEST)


def changes(ran: Ran) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Without one, a run that measures nothing leaves no document."""
    if ran.document is None:
        assert "nothing was measured" in ran.out and "changes to the gate" not in ran.out, ran.out
        return {}
    return {(c["kind"], c["subject"]): c for c in ran.document["gate"]["changes"]}


def test_lost_marks_and_looser_limits(project: Project, history: Checkout) -> None:
    """Also those of a helper, which reading the test file would not find."""
    text = TESTS.replace("@pytest.mark.flame\ndef test_lost", "def test_lost")
    text = text.replace('threshold="10%", frame_threshold="20%"', 'threshold="30%", frame_threshold="10%"')
    text = text.replace(
        "def test_by_the_fixture(flame):\n    flame(work.work, 3000)", "def test_by_the_fixture(): pass"
    )
    project.write("tests/test_it.py", text)
    project.write("tests/marks.py", HELPER.replace("pytest.mark.flame(threshold='7%')", "pytest.mark.skip('slow')"))
    before = history.state()
    ran = run(project, "--flame-against=HEAD", "-k", "kept")
    found = changes(ran)
    lost = GateChangeKind.UNMARKED.value
    assert set(found) == {
        (lost, "tests/test_it.py::test_lost"),
        (lost, "tests/test_it.py::test_by_a_helper"),
        (lost, "tests/test_it.py::test_by_the_fixture"),
        (GateChangeKind.LOOSENED.value, "tests/test_it.py::test_limits"),
    }
    limits = found[GateChangeKind.LOOSENED.value, "tests/test_it.py::test_limits"]
    assert (limits["was"], limits["now"], limits["lost"]) == ("threshold 10 %", "threshold 30 %", False)
    assert ran.document is not None
    assert ran.document["gate"]["commit"] == history.git("rev-parse", "HEAD")
    heading = f"changes to the gate itself, since {history.git('rev-parse', 'HEAD')[:7]}"
    page = (project.path / "flame-report/index.html").read_text(encoding="utf-8")
    comment = (project.path / "flame.md").read_text(encoding="utf-8")
    for text in (ran.out.lower(), page.lower(), comment.lower()):
        assert heading in text
        assert "test_lost: no longer marked" in text.replace("&#95;", "_")
    assert ran.ret == pytest.ExitCode.OK, ran.out
    after = history.state()
    assert {path: after.get(path) for path in before} == before
    strict = run(project, "--flame-against=HEAD", "--flame-strict", "-k", "kept")
    assert strict.ret == pytest.ExitCode.TESTS_FAILED, strict.out


def test_all_marks_lost_is_reported_though_nothing_is_measured(project: Project, history: Checkout) -> None:
    project.write("tests/test_it.py", "def test_kept(): pass\ndef test_plain(): pass\n")
    ran = run(project, "--flame-against=HEAD", "--flame-strict")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "nothing was measured" in ran.out
    kinds = {subject.partition("::")[2]: kind for kind, subject in changes(ran)}
    gone = GateChangeKind.GONE.value
    assert kinds["test_kept"] == GateChangeKind.UNMARKED.value
    assert kinds["test_lost"] == kinds["test_limits"] == gone
    assert "test_plain" not in kinds


def test_skipped_deselected_and_settings(project: Project, history: Checkout) -> None:
    project.write(
        "pytest.ini",
        "[pytest]\npythonpath = . tests\nflame_threshold = 95%\nflame_frame_threshold = 90%\naddopts = -k plain\n",
    )
    project.write("tests/test_it.py", TESTS.replace("@perf\n", "@perf\n@pytest.mark.skipif(True, reason='later')\n"))
    ran = run(project, "--flame-against=HEAD")
    found = changes(ran)
    assert found[GateChangeKind.SKIPPED.value, "tests/test_it.py::test_by_a_helper"]["now"] == "skipped: later"
    setting = GateChangeKind.SETTING.value
    assert (found[setting, "flame_threshold"]["was"], found[setting, "flame_threshold"]["now"]) == ("90%", "95%")
    assert found[setting, "addopts"]["now"] == "-k plain"
    assert len(found) == 3, found  # tests whose limit is the run's are not listed one by one


def test_a_commit_whose_tests_cannot_be_collected_is_said(project: Project, history: Checkout) -> None:
    project.write("tests/test_it.py", "import gone_since\n" + TESTS)
    history.commit()
    project.write("tests/test_it.py", TESTS)
    ran = run(project, "--flame-against=HEAD", "-k", "plain")
    (change,) = changes(ran).values()
    assert change["kind"] == GateChangeKind.UNKNOWN.value
    assert "No module named 'gone_since'" in change["now"]
    assert change["lost"]


def test_nothing_is_said_where_nothing_of_the_gate_changed(project: Project, history: Checkout) -> None:
    project.write("work.py", WORK + "\n")
    project.write("tests/test_new.py", "import pytest\n@pytest.mark.flame\ndef test_new(): pass\n")
    assert changes(run(project, "--flame-against=HEAD", "tests/test_it.py::test_plain")) == {}


def test_only_what_was_asked_for_is_compared(project: Project, history: Checkout) -> None:
    project.write("tests/test_it.py", TESTS.replace("@perf\n", ""))
    assert changes(run(project, "--flame-against=HEAD", "tests/test_it.py::test_plain")) == {}
    ran = run(project, "--flame-against=HEAD", "tests/test_it.py", "-k", "plain")
    assert list(changes(ran)) == [(GateChangeKind.UNMARKED.value, "tests/test_it.py::test_by_a_helper")]


def test_with_stored_baselines(project: Project, history: Checkout) -> None:
    """Uncommitted changes, or otherwise those of the last commit; a baseline's own test always."""
    recorded = project.run("--flame-update", *SHORTEST, "-k", "kept or lost")
    assert recorded.ret == 0, recorded.out
    history.commit()
    project.write("tests/test_it.py", TESTS.replace("@pytest.mark.flame\ndef test_lost", "def test_lost"))
    test = (GateChangeKind.UNMARKED.value, "tests/test_it.py::test_lost")
    stored = next((project.path / "flame-baselines").glob("*kept*.json"))
    only = ("--flame-remeasure=never", "-k", "plain")
    assert list(changes(run(project, *only))) == [test]
    stored.write_text(stored.read_text(encoding="utf-8") + " ", encoding="utf-8")
    history.commit()
    ran = run(project, *only)
    assert set(changes(ran)) == {test, (GateChangeKind.BASELINE.value, "tests/test_it.py::test_kept")}
    history.commit(unrelated_py="")
    ran = run(project, *only)
    assert changes(ran)[test]["was"] == "it has a baseline"
