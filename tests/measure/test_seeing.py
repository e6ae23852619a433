"""What is read from pytest about a collected test, without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.measure.seeing import conditions, see, skipped
from pytest_flame.trees.identity import Identity

TESTS = """
import pathlib, unittest
import pytest

@pytest.mark.skip(reason="marked")
def test_skip(): pass
@pytest.mark.skipif("sys.platform == 'linux'", reason="a condition")
def test_condition(): pass
@pytest.mark.skipif(False, reason="no")
def test_false(): pass
@pytest.mark.xfail(run=False, reason="never run")
def test_not_run(): pass
@pytest.mark.xfail(reason="known")
def test_xfail(): pass
@pytest.mark.skipif("no_such_name")
def test_broken(): pass
class TestCases(unittest.TestCase):
    @unittest.skip("a method")
    def test_method(self): pass
@unittest.skip("a class")
class TestSkipped(unittest.TestCase):
    def test_in_class(self): pass
@pytest.fixture
def shop(): pass
@pytest.mark.parametrize(("n", "path", "thing"), [(1, pathlib.Path(__file__).parent / "a", object())])
def test_parameters(shop, n, path, thing): pass
"""


@pytest.fixture
def items(pytester: pytest.Pytester) -> dict[str, pytest.Item]:
    return {item.name.partition("[")[0]: item for item in pytester.getitems(TESTS)}


def test_what_marks_skip(items: dict[str, pytest.Item]) -> None:
    assert {name: reason for name, item in items.items() if (reason := skipped(item)) is not None} == {
        "test_skip": "marked",
        "test_condition": "a condition",
        "test_not_run": "never run",
        "test_method": "a method",
        "test_in_class": "a class",
    }


def test_what_a_test_is(items: dict[str, pytest.Item], pytester: pytest.Pytester) -> None:
    identity = Identity.at((pytester.path, None))
    seen = see(items["test_parameters"], identity)
    assert seen.function.startswith("test_parameters (test_what_a_test_is.py:")
    assert seen.fixtures == ("n", "path", "shop", "thing")
    assert seen.parameters == ("n=1", "path='{rootdir}/a'", "thing=object")
    assert seen.marks == ("parametrize",)
    assert see(items["test_xfail"], identity).expected_to_fail
    assert not see(items["test_broken"], identity).expected_to_fail


def test_conditions_of_a_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--shop')")
    folder = Path(pytester.path, "data")
    found = conditions(pytester.parseconfigure(f"--shop={folder}", "--maxfail=3", "-o", "log_format=%(message)s"))
    assert found.options["--shop"] == "'{rootdir}/data'"
    assert "--maxfail" not in found.options
    assert found.left_out["--maxfail"] == "3"
    assert found.settings["log_format"] == "'%(message)s'"
    assert "python" in found.plugins
    assert not any("conftest" in name for name in found.plugins)
    assert any(variable.startswith("TOKEN=") for variable in found.variables)
    assert "secret" not in str(found.variables)
