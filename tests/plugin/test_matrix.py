"""Beside other plugins: measured tests get their verdicts, and the plugin still does its work on the plain ones.

``ci/matrix.sh`` runs this file under other releases of pytest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from .conftest import SHORTEST, Project, Ran

Check = Callable[[Project, Ran], object]


@dataclass(frozen=True)
class Case:
    modules: tuple[str, ...]
    """As ``-p`` loads them."""
    tests: str
    """``test_it`` is marked."""
    arguments: tuple[str, ...] = ()
    ini: str = ""
    outcomes: Mapping[str, int] = field(default_factory=lambda: {"passed": 1, "skipped": 1})
    """Of all tests; a first measurement is a skip."""
    check: Check = lambda project, ran: None
    verdict: str = "NEW"
    files: Mapping[str, str] = field(default_factory=dict)


def wrote(name: str, text: str) -> Check:
    def check(project: Project, ran: Ran) -> None:
        assert text in (project.path / name).read_text(encoding="utf-8")

    return check


def said(text: str) -> Check:
    def check(project: Project, ran: Ran) -> None:
        assert re.search(text, ran.out), ran.out

    return check


def rerun_results(project: Project, ran: Ran) -> None:
    assert "1 rerun" in ran.out
    assert (project.path / "runs").read_text() == "xx", "the flaky plain test, not a worker's"


def json_report(project: Project, ran: Ran) -> None:
    report = json.loads((project.path / ".report.json").read_text())
    assert {test["nodeid"].partition("::")[2]: test["outcome"] for test in report["tests"]} == {
        "test_it": "skipped",
        "test_plain": "passed",
    }


PLAIN = """
def test_plain(): pass
"""
SUM = """
import pytest
@pytest.mark.flame
def test_it(): sum(range(2000))
"""
CASES = {
    "cov": Case(
        ("pytest_cov.plugin",),
        SUM + PLAIN,
        ("--cov=.", "--cov-report=term"),
        check=said(r"TOTAL\s+\d+"),
    ),
    "randomly": Case(("pytest_randomly",), SUM + PLAIN, check=said("Using --randomly-seed=")),
    "timeout": Case(("pytest_timeout",), SUM + PLAIN, ("--timeout=60",), check=said("timeout: 60.0s")),
    "rerunfailures": Case(
        ("pytest_rerunfailures",),
        SUM
        + """
def test_plain():
    with open('runs', 'a') as f: f.write('x')
    assert open('runs').read() == 'xx'
""",
        ("--reruns=2",),
        outcomes={"passed": 1, "skipped": 1, "rerun": 1},
        check=rerun_results,
    ),
    "asyncio": Case(
        ("pytest_asyncio.plugin",),
        """
import asyncio, pytest
@pytest.mark.flame
async def test_it():
    await asyncio.sleep(0)
    sum(range(2000))
async def test_plain(): await asyncio.sleep(0)
""",
        ini="asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function",
    ),
    "anyio": Case(
        ("anyio.pytest_plugin",),
        """
import anyio, pytest
pytestmark = pytest.mark.anyio
@pytest.fixture
def anyio_backend(): return 'asyncio'
@pytest.mark.flame
async def test_it():
    await anyio.sleep(0)
    sum(range(2000))
async def test_plain(): await anyio.sleep(0)
""",
    ),
    "trio": Case(
        ("pytest_trio.plugin",),
        """
import trio, pytest
@pytest.mark.flame
async def test_it():
    await trio.sleep(0)
    sum(range(2000))
async def test_plain(): await trio.sleep(0)
""",
        ini="trio_mode = true",
    ),
    "django": Case(
        ("pytest_django.plugin",),
        """
import pytest
from django.contrib.auth.models import User
@pytest.mark.flame
@pytest.mark.django_db
def test_it():
    User.objects.create_user('a')
    assert User.objects.count() == 1
    User.objects.all().delete()
@pytest.mark.django_db
def test_plain(): assert User.objects.count() == 0
""",
        ini="DJANGO_SETTINGS_MODULE = site_settings\npythonpath = .",
        files={
            "site_settings.py": """
SECRET_KEY = 'x'
INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes']
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']
DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
"""
        },
    ),
    "hypothesis": Case(
        ("_hypothesis_pytestplugin",),
        """
import pytest
from hypothesis import given, settings, strategies as st
@pytest.mark.flame
@settings(max_examples=3)
@given(st.integers())
def test_it(n): sum(range(2000))
@given(st.none())
def test_plain(n): pass
""",
    ),
    "memray": Case(("pytest_memray.plugin",), SUM + PLAIN, ("--memray",), check=said("MEMRAY REPORT")),
    "subtests": Case(
        ("pytest_subtests.plugin",) if not hasattr(pytest, "Subtests") else (),
        """
import pytest
@pytest.mark.flame
def test_it(subtests):
    with subtests.test('a'): sum(range(2000))
def test_plain(subtests):
    with subtests.test('b'): pass
""",
    ),
    "html": Case(
        ("pytest_metadata.plugin", "pytest_html.plugin"),
        SUM + PLAIN,
        ("--html=r.html", "--self-contained-html"),
        check=wrote("r.html", "test_it.py::test_it"),
    ),
    "json-report": Case(
        ("pytest_metadata.plugin", "pytest_jsonreport.plugin"), SUM + PLAIN, ("--json-report",), check=json_report
    ),
    "dependency": Case(
        ("pytest_dependency",),
        """
import pytest
@pytest.mark.flame
@pytest.mark.dependency()
def test_it(): sum(range(2000))
@pytest.mark.dependency()
def test_first(): pass
@pytest.mark.dependency(depends=['test_first'])
def test_plain(): pass
""",
        outcomes={"passed": 2, "skipped": 1},
    ),
    "freezegun": Case(
        ("freezegun",),
        """
import datetime, pytest
from freezegun import freeze_time
@pytest.fixture(autouse=True)
def frozen():
    with freeze_time('2020-01-01'): yield
@pytest.mark.flame
def test_it():
    sum(range(2000))
    assert datetime.date.today().year == 2020
def test_plain(): assert datetime.date.today().year == 2020
""",
    ),
    "time-machine": Case(
        ("time_machine",),
        """
import datetime, pytest, time_machine
@pytest.mark.flame
@time_machine.travel('2020-01-01')
def test_it():
    sum(range(2000))
    assert datetime.date.today().year == 2020
@time_machine.travel('2020-01-01')
def test_plain(): assert datetime.date.today().year == 2020
""",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_plugin(project: Project, name: str) -> None:
    case = CASES[name]
    project.plugins(*(m for m in case.modules if m not in ("freezegun", "time_machine")))
    project.write("test_it.py", case.tests)
    project.write("pytest.ini", f"[pytest]\n{case.ini}\n")
    for path, text in case.files.items():
        project.write(path, text)
    ran = project.flame(*case.arguments, time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": case.verdict}, ran.out
    assert {n: k for n, k in ran.outcomes.items() if "subtest" not in n} == case.outcomes, ran.out
    assert ran.ret == 0
    case.check(project, ran)


CONFIGURATIONS = {
    "pytest.ini": """
[pytest]
flame_processes = 3
flame_time = 0.06
pythonpath = src
""",
    "tox.ini": """
[pytest]
flame_processes = 3
flame_time = 0.06
pythonpath = src
""",
    "setup.cfg": """
[tool:pytest]
flame_processes = 3
flame_time = 0.06
pythonpath = src
""",
    "pyproject.toml": """
[tool.pytest.ini_options]
flame_processes = '3'
flame_time = '0.06'
pythonpath = ['src']
""",
    "pytest.toml": """
[pytest]
flame_processes = '3'
flame_time = '0.06'
pythonpath = ['src']
""",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration(project: Project, name: str) -> None:
    if name == "pytest.toml" and pytest.version_tuple < (9, 0):
        pytest.skip("pytest 9 reads pytest.toml")
    (project.path / "pytest.ini").unlink(missing_ok=True)
    project.write(name, CONFIGURATIONS[name])
    project.write("src/work.py", "def work(): return sum(range(2000))\n")
    project.write(
        "test_it.py",
        """
import pytest, work
@pytest.mark.flame
def test_it(): work.work()
""",
    )
    ran = project.flame(time=())
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert "up to 3 processes" in ran.out


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_import_mode(project: Project, mode: str) -> None:
    project.write(
        "pytest.ini",
        """
[pytest]
pythonpath = .
""",
    )
    project.write("work.py", "def work(): return sum(range(2000))\n")
    for folder in ("a", "b"):
        project.write(f"{folder}/__init__.py", "")
        project.write(
            f"{folder}/test_it.py",
            """
import pytest, work
@pytest.mark.flame
def test_it(): work.work()
""",
        )
    ran = project.flame(f"--import-mode={mode}", time=SHORTEST)
    assert ran.verdicts == {f"{folder}/test_it.py::test_it": "NEW" for folder in "ab"}, ran.out


TWO = (
    SUM
    + """
def test_fails(): assert 0
@pytest.mark.flame
def test_other(): sum(range(2000))
"""
)


@pytest.mark.parametrize(
    ("arguments", "measured", "outcomes"),
    [
        (("-k", "other"), {"test_other"}, {"skipped": 1, "deselected": 2}),
        (("-x",), {"test_it", "test_other"}, {"skipped": 1, "failed": 1}),
        (("-s",), {"test_it", "test_other"}, {"skipped": 2, "failed": 1}),
        (("--pdb", "--pdbcls=ends:Debugger"), {"test_it", "test_other"}, {"skipped": 2, "failed": 1}),
        (("test_it.py::test_it",), {"test_it"}, {"skipped": 1}),
        (("--deselect=test_it.py::test_it",), {"test_other"}, {"skipped": 1, "failed": 1, "deselected": 1}),
    ],
)
def test_selection(project: Project, arguments: tuple[str, ...], measured: set[str], outcomes: dict[str, int]) -> None:
    project.write(
        "ends.py",
        """
class Debugger:
    quitting = False
    def __init__(self, *a, **k): pass
    def reset(self): pass
    def interaction(self, *a): print('debugger was here')
""",
    )
    project.write(
        "pytest.ini",
        """
[pytest]
pythonpath = .
""",
    )
    project.write("test_it.py", TWO)
    ran = project.flame(*arguments, time=SHORTEST)
    assert {name.partition("::")[2] for name in ran.verdicts} == measured, ran.out
    assert ran.outcomes == outcomes, ran.out
    assert ("debugger was here" in ran.out) == ("--pdb" in arguments)


def test_last_failed_and_collect_only(project: Project) -> None:
    project.write("test_it.py", TWO)
    ran = project.flame("--co", time=SHORTEST)
    assert ran.document is None and "test_other" in ran.out
    project.flame(time=SHORTEST)
    ran = project.flame("--lf", time=SHORTEST)
    assert ran.outcomes == {"failed": 1}, ran.out
