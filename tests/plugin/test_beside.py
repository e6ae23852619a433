"""Marked tests among others: shared fixtures, hooks, orders and selections."""

from __future__ import annotations

from .conftest import SHORTEST, Project


def test_shared_fixtures_of_other_tests_end_where_they_should(project: Project) -> None:
    log = "import pathlib, pytest\ndef log(word):\n    with open('log', 'a') as file: file.write(word + ' ')\n"
    project.write(
        "test_a.py",
        log + "@pytest.fixture(scope='module')\n"
        "def shared():\n    yield 1\n    log('end-a')\n    assert 0, 'teardown of a'\n"
        "def test_plain(shared): log('a')\n"
        "@pytest.mark.flame\ndef test_marked(): sum(range(2000))\n",
    )
    project.write("test_b.py", log + "def test_plain(): log('b')\n")
    ran = project.flame("--flame-update", time=SHORTEST)
    assert (project.path / "log").read_text().split() == ["a", "end-a", "b"], ran.out
    assert ran.outcomes == {"passed": 3, "errors": 1}
    assert "teardown of a" in ran.out


def test_hooks_get_the_judgement_and_the_result(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        def pytest_flame_judged(item, judgement):
            print("JUDGED", item.nodeid, judgement.verdict.value)
        def pytest_flame_finished(config, result):
            print("FINISHED", config.rootpath.name, len(result.judgements))
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest
        @pytest.mark.flame
        def test_marked(): sum(range(2000))
        def test_part(flame): flame(sum, range(2000))
        def test_plain(): pass
        """,
    )
    ran = project.flame("--flame-only", "-s", time=SHORTEST)
    assert ran.ret == 0, ran.out
    for line in ("JUDGED test_it.py::test_marked NEW", "JUDGED test_it.py::test_part NEW", "FINISHED project 2"):
        assert line in ran.out.splitlines()
    assert ran.outcomes == {"skipped": 2, "deselected": 1}
