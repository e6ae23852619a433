"""Whatever a project's configuration and the caller's environment contain, workers measure just the test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import SHORTEST, Project

BARE = """
import os, sys, pytest

@pytest.mark.flame
def test_it(request):
    assert not request.config.getini("addopts")
    assert not request.config.getoption("xmlpath")
    assert sys.gettrace() is None and sys.getprofile() is None
    assert not [m for m in sys.modules if m.split(".")[0] in ("coverage",)], "coverage is there"
    assert not [n for n in os.environ if n.startswith(("COV", "PYTEST_XDIST", "PYTEST_ADDOPTS"))]
    sum(range(2000))
"""


def test_options_of_the_environment_do_not_reach_workers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("test_it.py", BARE)
    project.write("pytest.ini", "[pytest]\naddopts = -p ownplugin --tb=short\n")
    project.write("ownplugin.py", "")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-ra --maxfail=3")
    monkeypatch.setenv("COVERAGE_PROCESS_START", ".coveragerc")
    monkeypatch.setenv("COV_CORE_SOURCE", ".")
    ran = project.flame("-o", "addopts=--junitxml=other.xml", time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out


def test_coverage_of_the_run_does_not_reach_workers(project: Project) -> None:
    pytest.importorskip("pytest_cov")
    project.plugins("pytest_cov.plugin")
    project.write("test_it.py", BARE + "\ndef test_plain(): pass\n")
    project.write("pytest.ini", "[pytest]\naddopts = --cov=. --cov-report=term\n")
    project.write(".coveragerc", "[run]\npatch = subprocess\nparallel = true\n")
    ran = project.flame(time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert "TOTAL" in ran.out


def test_an_option_workers_do_not_understand_is_named_with_the_ini_value_that_drops_it(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest, pytest_flame
        def pytest_addoption(parser):
            if not pytest_flame.in_worker():
                parser.addoption("--only-here")
            parser.addoption("--engine")
        @pytest.fixture
        def engine(request): return request.config.getoption("--engine")
        """,
    )
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(engine): assert engine == 'a b'\n")
    ini = "[pytest]\naddopts = --only-here=x\n"
    project.write("pytest.ini", ini)
    ran = project.flame(time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "ERROR"}
    assert "--only-here" in ran.out
    assert "flame_worker_drop" in ran.out
    project.write("pytest.ini", f"{ini}flame_worker_drop = --only-here\nflame_worker_args = --engine='a b'\n")
    assert project.flame(time=SHORTEST).verdicts == {"test_it.py::test_it": "NEW"}
    project.write("pytest.ini", f"{ini}flame_worker_drop = --only-here=x\n")
    assert "expected names of options" in project.flame(time=SHORTEST).out


def test_options_that_decide_how_tests_are_found_reach_workers(project: Project) -> None:
    """Config file and root elsewhere, plugins, import mode, no conftest files, from a folder below."""
    project.write("pytest.ini", "[pytest]\npython_files = nothing.py\n")
    project.write("conf/own.ini", "[pytest]\npython_files = check_*.py\npython_functions = bench_*\n")
    project.write("lib/ownplugin.py", "import pytest\n@pytest.fixture\ndef own(): return 7\n")
    project.write("sub/conftest.py", "raise RuntimeError('a conftest file')\n")
    project.write("sub/check_it.py", "import pytest\n@pytest.mark.flame\ndef bench_it(own): assert own == 7\n")
    project.monkeypatch.setenv("PYTHONPATH", str(project.path / "lib"))
    ran = project.flame(
        *("-c", "../conf/own.ini", "--rootdir=..", "-p", "ownplugin", "--import-mode=importlib", "--noconftest"),
        time=SHORTEST,
        cwd="sub",
    )
    assert ran.verdicts == {"sub/check_it.py::bench_it": "NEW"}, ran.out


def test_configuration_beside_the_test_is_not_picked_up_where_the_run_did_not(project: Project) -> None:
    (project.path / "pytest.ini").unlink()
    project.write("sub/pytest.ini", "[pytest]\npython_functions = nothing\n")
    project.write("sub/test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): sum(range(2000))\n")
    project.write("conftest.py", "import pytest\n@pytest.fixture(autouse=True)\ndef outer(): pass\n")
    ran = project.flame("--rootdir=.", time=SHORTEST)
    assert ran.verdicts == {"sub/test_it.py::test_it": "NEW"}, ran.out


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_packages_in_a_src_layout(project: Project, mode: str) -> None:
    project.write("pytest.ini", f"[pytest]\npythonpath = src\naddopts = --import-mode={mode}\nflame = true\n")
    project.write("src/shop/__init__.py", "def price(): return sum(range(2000))\n")
    project.write("tests/__init__.py", "")
    project.write("tests/unit/__init__.py", "NUMBER = 1\n")
    project.write(
        "tests/unit/test_it.py",
        "import pytest, shop\nfrom . import NUMBER\n@pytest.mark.flame\ndef test_it(): shop.price()\n",
    )
    ran = project.run(*SHORTEST, "--flame-json=result.json", "--flame-update")
    assert ran.verdicts == {"tests/unit/test_it.py::test_it": "NEW"}, ran.out
    recording = project.store.load("tests/unit/test_it.py::test_it")
    assert recording is not None
    assert "src/shop/__init__.py" in recording.source_hashes


def test_working_directory_is_importable_just_where_it_is_for_the_caller(project: Project) -> None:
    script = Path(sys.executable).with_name("pytest")
    if not script.exists():
        pytest.skip("pytest's console script is not installed beside this interpreter")
    project.write("helper.py", "")
    project.write(
        "tests/test_it.py",
        """
        import importlib.util, os, pytest
        @pytest.mark.flame
        def test_it(): assert (importlib.util.find_spec("helper") is not None) is (os.environ["EXPECTED"] == "yes")
        """,
    )
    flame = ("--flame", *SHORTEST, "--flame-json=result.json")
    project.monkeypatch.setenv("EXPECTED", "yes")
    ran = project.run(*flame)
    assert ran.verdicts == {"tests/test_it.py::test_it": "NEW"}, ran.out
    project.monkeypatch.setenv("EXPECTED", "no")
    ran = project.run(*flame, command=(str(script),))
    assert ran.verdicts == {"tests/test_it.py::test_it": "NEW"}, ran.out


def test_run_without_plugin_autoloading(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_PLUGINS")
    project.write("test_it.py", BARE)
    ran = project.flame("-p", "pytest_flame.plugin", "-p", "no:doctest", time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out


def test_worker_files_are_gone_and_the_users_own_stay(project: Project) -> None:
    temporary = project.path / "temporary"
    temporary.mkdir()
    project.monkeypatch.setenv("TMPDIR", str(temporary))
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(tmp_path): (tmp_path / 'x').touch()\n")
    assert project.flame(time=SHORTEST).verdicts == {"test_it.py::test_it": "NEW"}
    assert [path.name for path in temporary.iterdir() if path.name.startswith("pytest-flame")] == []
    assert not list(temporary.glob("pytest-of-*/*")), "workers took the numbered folders of real runs"
