"""Which files are tests. Each case lists a whole repository; ``+`` marks what belongs to the tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.measure.overlay import test_parts as parts

CASES = {
    "beside the code": ["pkg/__init__.py", "pkg/x.py", "+pkg/test_x.py", "+pkg/conftest.py", "pkg/data.json"],
    "in a package": [
        "pkg/__init__.py",
        "pkg/x.py",
        "+pkg/tests/__init__.py",
        "+pkg/tests/test_x.py",
        "+pkg/tests/d/a.csv",
    ],
    "test folder with helpers and data": ["src/a.py", "+tests/work.py", "+tests/data/a.bin", "+tests/sub/test_a.py"],
    "offered by the package": [
        "pkg/__init__.py",
        "pkg/testing/__init__.py",
        "pkg/testing/asserts.py",
        "pkg/test/client.py",
    ],
    "with its own tests": ["pkg/__init__.py", "pkg/testing/asserts.py", "+pkg/testing/tests/test_asserts.py"],
    "only tests": ["+checks/test_a.py", "+checks/__init__.py", "+checks/helpers.py", "+checks/a.json", "x.py"],
    "tests and code": ["+lib/test_orders.py", "lib/orders.py", "lib/rates.json"],
    "a helper that is tested": ["+lib/test_helpers.py", "lib/helpers.py"],
    "code below tests": ["+lib/test_a.py", "lib/code/a.py", "lib/a.json"],
    "at the top": ["+test_a.py", "+conftest.py", "a.py", "data.json", "+pytest.ini", "setup.cfg", "pyproject.toml"],
}


@pytest.mark.parametrize("case", CASES)
def test_parts_of(case: str) -> None:
    paths = [path.removeprefix("+") for path in CASES[case]]
    assert parts(paths) == {path[1:] for path in CASES[case] if path.startswith("+")}


def test_patterns_of_the_project() -> None:
    paths = ["check_a.py", "test_a.py", "perf/x/bench_b.py", "perf/x/code.py"]
    assert parts(paths, ["check_*.py", "perf/*/bench_*.py"]) == {"check_a.py", "perf/x/bench_b.py"}


names = st.sampled_from(["a", "pkg", "tests", "test_a.py", "b.py", "conftest.py", "__init__.py", "d.json", "testing"])
paths = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=12)


@given(paths)
def test_no_path_is_invented_and_every_test_module_is_one(found: list[str]) -> None:
    tests = parts(found)
    assert tests <= set(found)
    assert {p for p in found if p.endswith(("test_a.py", "conftest.py"))} <= tests
