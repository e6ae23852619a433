"""Data that a test draws at random: the same in both processes of a pair, different in the next pair."""

from __future__ import annotations

import pytest

from pytest_flame.measure.job import Status

from .conftest import SHORTEST, Project

WRITE = """
import pathlib
import pytest

def write(*drawn):
    with open(pathlib.Path(__file__).parent / "drawn", "a") as file:
        print(*drawn, file=file)
"""

RANDOM = """
import random
AT_IMPORT = random.random()
@pytest.fixture(scope="session")
def of_session(): return random.random()
@pytest.fixture
def of_function(): return random.random()
def test_it(of_session, of_function): write(AT_IMPORT, of_session, of_function, random.random())
"""
NUMPY = """
import numpy as np
AT_IMPORT = np.random.rand()
@pytest.fixture(scope="module")
def of_module(): return np.random.rand()
def test_it(of_module): write(AT_IMPORT, of_module, np.random.rand())
"""
NUMPY_IMPORTED_BY_THE_BODY = "def test_it():\n    import numpy\n    write(numpy.random.rand())"
FAKER = """
from faker import Faker
def test_it(): write(Faker().name())
"""
HYPOTHESIS = """
from hypothesis import given, settings, strategies as st
@settings(database=None, derandomize=False, max_examples=5)
@given(st.integers())
def test_it(n): write(n)
"""


def drawn(project: Project, *args: str, hash_seed: int, fresh: bool = False) -> str:
    """What one measured process wrote."""
    file = project.path / "drawn"
    file.unlink(missing_ok=True)
    result = project.worker("test_it.py::test_it", *args, hash_seed=hash_seed, fresh=fresh)
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("code", "fresh"),
    [
        pytest.param(RANDOM, False, id="random"),
        pytest.param(RANDOM, True, id="random-fresh"),
        pytest.param(NUMPY, False, id="numpy"),
        pytest.param(NUMPY_IMPORTED_BY_THE_BODY, False, id="numpy-late"),
        pytest.param(FAKER, False, id="faker"),
    ],
)
def test_processes_of_a_pair_draw_the_same_and_other_pairs_something_else(
    project: Project, code: str, fresh: bool
) -> None:
    project.write("test_it.py", WRITE + code)
    first = drawn(project, hash_seed=1, fresh=fresh)
    assert len(first.splitlines()) > 10
    assert drawn(project, hash_seed=1, fresh=fresh) == first
    assert drawn(project, hash_seed=2, fresh=fresh) != first


def test_pytest_randomly_reseeds_both_processes_alike(project: Project) -> None:
    """Before each phase of each test, Faker included."""
    project.plugins("faker.contrib.pytest.plugin", "pytest_randomly")
    project.write(
        "test_it.py",
        WRITE + "import random, numpy\ndef test_it(faker): write(faker.name(), random.random(), numpy.random.rand())",
    )
    first = drawn(project, hash_seed=1, fresh=True)
    assert len(set(first.splitlines())) == 1 < len(first.splitlines())
    assert drawn(project, hash_seed=1, fresh=True) == first
    assert drawn(project, hash_seed=2, fresh=True) != first


def test_hypothesis_draws_the_same_examples(project: Project) -> None:
    project.plugins("_hypothesis_pytestplugin")
    project.write("test_it.py", WRITE + HYPOTHESIS)
    first = drawn(project, hash_seed=1)
    assert drawn(project, hash_seed=1) == first
    assert drawn(project, hash_seed=2) != first


@pytest.mark.parametrize(
    ("plugins", "args"),
    [
        pytest.param((), (), id="module"),
        pytest.param(("pytest_randomly",), ("--randomly-seed=7",), id="pytest-randomly"),
    ],
)
def test_seed_of_the_users_has_the_last_word(project: Project, plugins: tuple[str, ...], args: tuple[str, ...]) -> None:
    project.plugins(*plugins)
    project.write(
        "test_it.py",
        WRITE + "import random, numpy\nrandom.seed(5)\nnumpy.random.seed(5)\n"
        "def test_it(): write(random.random(), numpy.random.rand())",
    )
    assert drawn(project, *args, hash_seed=1) == drawn(project, *args, hash_seed=2)


def test_numpy_is_not_imported_for_those_who_do_not_use_it(project: Project) -> None:
    project.write("test_it.py", WRITE + "import sys\ndef test_it(): write('numpy' in sys.modules)")
    assert set(drawn(project, hash_seed=1).split()) == {"False"}


def test_numpy_does_not_see_that_it_was_seeded(project: Project) -> None:
    """It keeps the loader it would have had."""
    project.write(
        "test_it.py",
        WRITE + "import numpy.random\nfrom importlib.machinery import SourceFileLoader\n"
        "def test_it():\n"
        "    write(type(numpy.random.__loader__) is SourceFileLoader is type(numpy.random.__spec__.loader))",
    )
    assert set(drawn(project, hash_seed=1).split()) == {"True"}


def test_stored_baseline_lends_the_data_it_was_recorded_with(project: Project) -> None:
    """A test whose cost is the size it draws: the same sizes as its baseline, process by process."""
    project.write(
        "test_it.py",
        WRITE
        + """
import random

@pytest.fixture(scope="module")
def size():
    size = random.choice([500, 1000, 2000, 4000, 8000])
    write(size)
    return size

@pytest.mark.flame(processes=4)
def test_it(size): return sum(i * i for i in range(size))
""",
    )
    sizes = project.path / "drawn"
    assert project.flame("--flame-update", "--flame-seed=1", time=SHORTEST[:1]).ret == 0
    calibrating, *recorded = sizes.read_text(encoding="utf-8").split()
    sizes.unlink()
    project.flame("--flame-remeasure=never", time=SHORTEST[:1])
    again = sizes.read_text(encoding="utf-8").split()
    assert len(recorded) == 4 and len(set(recorded)) > 1, f"{recorded} after {calibrating}"
    assert again == recorded[: len(again)] and len(again) >= 3
