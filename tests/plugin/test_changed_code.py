"""What changed since the commit: culprits in the diff, and changed functions that no test runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
from repositories import Checkout

from pytest_flame.render.json import schema

from .conftest import SHORTEST, WORK, Project, Ran

BASE = (
    WORK
    + '''

import functools


def repeat(times):
    for _ in range(times):
        churn(3000)


def same(n):
    """Only its text will differ."""
    return spin(n)


def moves(n):
    return spin(n)


def never_run(n):
    return n


@functools.lru_cache
def never_run_decorated(n):
    return n


class Order:
    def lines(self, n):
        return [i * i for i in range(n)]

    def never_run(self):
        def nested():
            return 1
        return nested() + (lambda: 1)()
'''
)
CHANGES = (
    ("range(n):\n        total += i * i", "range(16 * n):\n        total += i * i"),
    ("in range(times)", "in range(16 * times)"),
    ('"""Only its text will differ."""\n', '"""It differs now."""\n    # and here\n'),
    ("def moves(n):\n    return spin(n)\n\n\n", ""),
    ("def never_run(n):\n    return n", "def never_run(n):\n    return n + 1"),
    ("@functools.lru_cache\n", "@functools.cache\n"),
    ("[i * i for", "[i * i + 1 for"),
    ("return 1\n", "return 2\n"),
    ("lambda: 1", "lambda: 2"),
)
ADDED = """

def moves(n):
    return spin(n)


def brand_new(n):
    total = 0
    for i in range(n):
        total -= i
    return total


def added_and_never_run():
    return 1


LIMIT = 3
"""
TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="300%", frame_threshold="300%")


def test_slower():
    work.spin(3000)


def test_more_calls():
    for i in range(3000):
        i ^ 1
    work.repeat(1)


def test_lines():
    work.Order().lines(5000)
"""
NEW_TEST = """

def test_brand_new():
    work.brand_new(5000)
"""


def checkout_of(project: Project, **files: str) -> Checkout:
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    project.write("pytest.ini", "[pytest]\n")
    checkout.commit(**files)
    return checkout


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = Project(tmp_path_factory.mktemp("changed"), monkeypatch)
        checkout_of(project, work_py=BASE, test_work_py=TESTS)
        for old, new in CHANGES:
            project.replace("work.py", old, new)
        work = project.path / "work.py"
        work.write_text(work.read_text(encoding="utf-8") + ADDED, encoding="utf-8")
        project.write("test_work.py", TESTS + NEW_TEST)
        yield project.flame("--flame-against=HEAD", "--flame-seed=1")


def culprits(ran: Ran, test: str) -> dict[str, tuple[str | None, str | None]]:
    assert ran.verdict(test) == "REGRESSED", ran.out
    return {c["frame"]: (c["code_change"], c["changed_caller"]) for c in ran.test(test)["culprits"]}


def coverage(ran: Ran) -> Mapping[str, Any]:
    assert ran.document is not None, ran.out
    (found,) = ran.document["coverage"]
    assert isinstance(found, dict)
    return found


def test_a_culprit_in_the_diff_says_so(compared: Ran) -> None:
    assert culprits(compared, "test_slower") == {"work:spin": ("changed", None)}
    assert "work:spin (changed in this diff)" in compared.out


def test_what_a_changed_function_calls_more_often_is_blamed_on_it(compared: Ran) -> None:
    found = culprits(compared, "test_more_calls")
    assert found in ({"work:churn": (None, "work:repeat")}, {"work:repeat": ("changed", None)})
    assert "work:repeat, which changed in this diff" in compared.out or "work:repeat (changed in" in compared.out


def test_changed_functions_that_no_test_runs_are_listed(compared: Ran) -> None:
    """Not those that were moved, or whose text alone differs, nor what a new test runs."""
    found = coverage(compared)
    assert {(f["frame"], f["code_change"]) for f in found["missed"]} == {
        ("work:never_run", "changed"),
        ("work:never_run_decorated", "changed"),
        ("work:Order.never_run.<locals>.nested", "changed"),
        ("work:Order.never_run.<locals>.<lambda>", "changed"),
        ("work:added_and_never_run", "added"),
    }, compared.out
    assert found["changed"] == 9
    assert not found["exact"]
    assert found["unknown"] == []
    assert "5 of 9 changed functions were not seen in any sample" in compared.out
    assert "work:added_and_never_run (added), work.py:" in compared.out
    jsonschema.validate(compared.document, schema())


def test_a_new_test_was_measured_for_what_it_runs(compared: Ran) -> None:
    assert compared.verdict("test_brand_new") == "NEW", compared.out


ONE_TEST = """
import pytest
import work

@pytest.mark.flame(threshold="300%", frame_threshold="300%")
def test_it():
    work.spin(3000)
"""


@pytest.mark.parametrize(("function", "covered"), [("churn", False), ("spin", True)])
def test_required_coverage_fails_the_run_and_no_test(project: Project, function: str, covered: bool) -> None:
    checkout_of(project, work_py=WORK, test_it_py=ONE_TEST)
    project.replace("work.py", f"def {function}(n):\n    total = 0", f"def {function}(n):\n    total = 1")
    ran = project.flame("--flame-against=HEAD", "--flame-require-covered", time=SHORTEST)
    assert ran.ret == (pytest.ExitCode.OK if covered else pytest.ExitCode.TESTS_FAILED), ran.out
    assert "failed" not in ran.outcomes
    assert coverage(ran)["changed"] == 1
    assert ("the run fails (--flame-require-covered)" in ran.out) is not covered
    if not covered:
        assert project.flame("--flame-against=HEAD", time=SHORTEST).ret == pytest.ExitCode.OK


def test_a_file_that_does_not_compile_is_named_and_fails_required_coverage(project: Project) -> None:
    checkout_of(project, work_py=WORK, test_it_py=ONE_TEST, other_py="print 'Python 2'\n")
    project.write("other.py", "print('Python 3')\n")
    ran = project.flame("--flame-against=HEAD", "--flame-require-covered", time=SHORTEST)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED, ran.out
    assert "changed functions are not known of other.py at base: " in ran.out


def test_a_suspects_commit_is_compared_with(project: Project) -> None:
    checkout = checkout_of(project, work_py=WORK, test_it_py=ONE_TEST)
    project.flame("--flame-update", time=SHORTEST)
    commit = checkout.commit()
    project.replace("work.py", "range(n):\n        total += i * i", "range(16 * n):\n        total += i * i")
    project.replace("work.py", "total ^= i + n", "total ^= i - n")
    ran = project.flame()
    assert culprits(ran, "test_it") == {"work:spin": ("changed", None)}
    assert coverage(ran)["commit"] == commit
    assert [f["frame"] for f in coverage(ran)["missed"]] == ["work:churn"]


def test_required_coverage_without_a_marked_test_fails(project: Project) -> None:
    checkout_of(project, work_py=WORK, test_it_py="def test_it(): pass\n")
    project.replace("work.py", "total ^= i + n", "total ^= i - n")
    assert project.flame("--flame-against=HEAD").ret == pytest.ExitCode.OK
    ran = project.flame("--flame-against=HEAD", "--flame-require-covered")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED, ran.out
    assert "nothing was measured" in ran.out
