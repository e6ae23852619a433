"""Which files are tests. Each case lists a whole repository; ``+`` marks what belongs to the tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.trees.overlay import test_parts as parts

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
    "benchmarks": ["pkg/a.py", "+benchmarks/helpers/data.py", "+benchmarks/suite/test_a.py", "+benchmarks/work.py"],
    "a package of benchmarks": ["pkg/a.py", "+perf/__init__.py", "+perf/work.py", "+perf/test_a.py"],
    "scripts that are no tests": ["pkg/a.py", "bench/run.py", "+tests/test_a.py"],
    "a project called bench": ["bench/__init__.py", "bench/app.py", "+bench/tests/test_app.py", "pkg/a.py"],
    "a project called perf, tests beside its code": [
        "perf/__init__.py",
        "perf/app.py",
        "+perf/test_app.py",
        "setup.py",
    ],
    "a project called perf below src": ["src/perf/__init__.py", "src/perf/a.py", "+src/perf/test_a.py", "doc/conf.py"],
    "in a package called perf": ["pkg/__init__.py", "pkg/perf/clock.py", "+pkg/perf/test_clock.py"],
    "at the top": ["+test_a.py", "+conftest.py", "a.py", "data.json", "+pytest.ini", "setup.cfg", "pyproject.toml"],
}


@pytest.mark.parametrize("case", CASES)
def test_parts_of(case: str) -> None:
    paths = [path.removeprefix("+") for path in CASES[case]]
    assert parts(paths) == {path[1:] for path in CASES[case] if path.startswith("+")}


def test_patterns_of_the_project() -> None:
    paths = ["check_a.py", "test_a.py", "speed/x/bench_b.py", "speed/x/code.py"]
    assert parts(paths, ["check_*.py", "speed/*/bench_*.py"]) == {"check_a.py", "speed/x/bench_b.py"}


def test_folders_of_the_project() -> None:
    paths = ["speed/work.py", "speed/test_a.py", "pkg/speed/app.py", "qa/speedy/x.py", "qa/lib/x.py", "lib/x.py"]
    assert parts(paths, ["test_*.py", "speed/", "qa/lib/"]) == {*paths[:3], "qa/lib/x.py"}
    assert parts(paths, ["test_*.py", "/qa/"]) == {"speed/test_a.py", "qa/speedy/x.py", "qa/lib/x.py"}


names = st.sampled_from(["a", "pkg", "tests", "test_a.py", "b.py", "conftest.py", "__init__.py", "d.json", "testing"])
paths = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=12)


@given(paths)
def test_no_path_is_invented_and_every_test_module_is_one(found: list[str]) -> None:
    tests = parts(found)
    assert tests <= set(found)
    assert {p for p in found if p.endswith(("test_a.py", "conftest.py"))} <= tests
