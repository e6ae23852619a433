"""A worker is the run itself, narrowed to one test; where the two disagree about it, that is an ERROR."""

from __future__ import annotations

import sys

import pytest

from .conftest import SHORTEST, Project

RUNSLOW = """
import pytest
def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true")
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "slow" in item.keywords and not config.getoption("--runslow"):
            item.add_marker(pytest.mark.skip(reason="need --runslow"))
@pytest.fixture
def engine(request): return request.config.getoption("--engine")
"""
SLOW = """
import pytest
@pytest.mark.flame
@pytest.mark.slow
def test_it(engine):
    assert engine == "a b"
    sum(range(2000))
"""
INI = "[pytest]\naddopts = --engine='a b' --strict-markers -q --maxfail=1\nmarkers = slow\n"


def test_options_of_conftest_files_and_plugins_reach_workers(project: Project) -> None:
    """From the command line, addopts and the environment; and in conftest files that only other paths lead to."""
    project.write("pytest.ini", INI)
    project.write("options/conftest.py", "def pytest_addoption(parser): parser.addoption('--engine', required=True)")
    project.write("tests/conftest.py", RUNSLOW)
    project.write("tests/test_it.py", SLOW)
    project.write("ownplugin.py", "def pytest_addoption(parser): parser.addoption('--own', required=True)")
    project.monkeypatch.setenv("PYTHONPATH", str(project.path))
    project.monkeypatch.setenv("PYTEST_ADDOPTS", "--runslow -k 'it or other'")
    ran = project.flame("-pownplugin", "--own", "x", "options", "tests", "-m", "slow", "-x", time=SHORTEST)
    assert ran.verdicts == {"tests/test_it.py::test_it": "NEW"}, ran.out


def test_what_the_run_does_and_its_workers_do_not_is_an_error(project: Project) -> None:
    project.write("pytest.ini", INI + "flame_worker_drop = --runslow --sizes --bare\n")
    project.write(
        "conftest.py",
        RUNSLOW
        + """
def pytest_addoption(parser):
    for name in ("--runslow", "--bare"):
        parser.addoption(name, action="store_true")
    parser.addoption("--sizes", default="1")
    parser.addoption("--engine")
def pytest_generate_tests(metafunc):
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", metafunc.config.getoption("--sizes").split(","))
def pytest_configure(config):
    if config.getoption("--bare"):
        class Bare:
            @pytest.fixture(autouse=True)
            def bare(self): pass
        config.pluginmanager.register(Bare(), "bareness")
""",
    )
    project.write("test_skipped.py", SLOW)
    project.write("test_sizes.py", "import pytest\n@pytest.mark.flame\ndef test_it(size): sum(range(2000))\n")
    project.write(
        "test_gone.py",
        """
        import pytest, pytest_flame
        if pytest_flame.in_worker():
            pytest.skip("not in workers", allow_module_level=True)
        @pytest.mark.flame
        def test_it(): sum(range(2000))
        """,
    )
    project.write(
        "test_running.py",
        """
        import pytest, pytest_flame
        @pytest.mark.flame
        def test_only_there():
            if pytest_flame.in_worker():
                pytest.skip("not in workers")
        @pytest.mark.flame
        def test_both():
            pytest.skip("not today")
        @pytest.mark.flame
        @pytest.mark.skipif(True, reason="never")
        def test_mark():
            pass
        """,
    )
    ran = project.flame("--runslow", "--sizes=2,3", "--maxfail=9", time=SHORTEST)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert ran.outcomes == {"failed": 5, "skipped": 2}, ran.out
    assert set(ran.verdicts.values()) == {"ERROR"}
    reasons = {test["id"]: test["reason"] for test in ran.document["tests"]} if ran.document else {}
    slow = reasons["test_skipped.py::test_it"]
    assert "skipped there: need --runslow" in slow
    assert "(what differs: --runslow: True here, False there; --sizes: '2,3' here, '1' there; --maxfail: 9" in slow
    assert "it has different parameters there: [1] (what differs:" in reasons["test_sizes.py::test_it[2]"]
    assert "--sizes: '2,3' here, '1' there" in reasons["test_sizes.py::test_it[2]"]
    assert "its file is skipped there: not in workers" in reasons["test_gone.py::test_it"]
    only_there = reasons["test_running.py::test_only_there"]
    assert only_there == "skipped in its worker process but not in the run: not in workers"

    project.replace("test_gone.py", "in_worker()", "in_worker() and False")
    ran = project.flame("--bare", "test_gone.py", time=SHORTEST)
    reason = str(ran.test("test_it")["reason"])
    assert "different fixtures: bare only here" in reason
    assert "plugin bareness: only here" in reason


def test_selection_of_the_run_is_kept_whatever_plugins_deselect_in_its_workers(project: Project) -> None:
    """A plugin that keeps every second test of a session drops the only one of a worker."""
    project.write(
        "conftest.py",
        """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=items[::2])
            items[:] = items[1::2]
        """,
    )
    test = "import pytest\n@pytest.mark.flame\ndef test_it(): sum(range(2000))\n"
    project.write("test_a.py", test)
    project.write("test_b.py", test)
    ran = project.flame(time=SHORTEST)
    assert ran.verdicts == {"test_b.py::test_it": "NEW"}, ran.out


def test_plugins_given_to_pytest_main(project: Project) -> None:
    project.write("tools/plugged.py", "import pytest\n@pytest.fixture\ndef of_a_module(): return 1\n")
    project.write(
        "tools/extras.py",
        """
        import pytest
        class Extras:
            def pytest_addoption(self, parser): parser.addoption("--extra")
            @pytest.fixture
            def of_an_object(self, request): return request.config.getoption("--extra")
        extras = Extras()
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest
        @pytest.mark.flame
        def test_it(of_a_module, of_an_object):
            assert (of_a_module, of_an_object) == (1, "x")
            sum(range(2000))
        """,
    )
    project.write(
        "tools/run.py",
        """
        import sys, pytest, plugged
        from extras import extras
        class Listener:
            seen = []
            def pytest_runtest_logreport(self, report): self.seen.append(report.outcome)
        class Changing(Listener):
            def pytest_runtest_setup(self, item): pass
        if __name__ == "__main__":
            ret = pytest.main(["--extra=x", *sys.argv[2:]], plugins=[plugged, extras, globals()[sys.argv[1]]()])
            print(Listener.seen)
            sys.exit(ret)
        """,
    )
    flame = ("--flame", *SHORTEST, "--flame-json=result.json")
    ran = project.run("Listener", *flame, command=(sys.executable, "tools/run.py"))
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert "['passed', 'skipped', 'passed']" in ran.out
    ran = project.run("Changing", *flame, command=(sys.executable, "tools/run.py"))
    assert ran.ret == pytest.ExitCode.USAGE_ERROR, ran.out
    assert "and has pytest_runtest_setup" in ran.out


def test_workers_have_a_cache_and_write_none_of_the_reports(project: Project) -> None:
    pytest.importorskip("pytest_html")
    pytest.importorskip("pytest_cov")
    project.plugins("pytest_metadata.plugin", "pytest_html.plugin", "pytest_cov.plugin")
    project.write(
        "pytest.ini",
        """
        [pytest]
        addopts = --junitxml=junit.xml --html=page.html --self-contained-html --cov=work --cov-fail-under=100
        log_file = run.log
        log_file_level = INFO
        log_cli = true
        faulthandler_timeout = 1
        """,
    )
    project.write("work.py", "def work(): return sum(range(2000))\n")
    project.write(
        "conftest.py",
        """
        import os, pathlib, pytest_flame
        def pytest_sessionstart(session):
            if pytest_flame.in_worker():
                assert os.environ["PYTEST_FLAME_WORKER"] == "1"
            else:
                session.config.cache.set("own/run", 1)
            name = "workers" if pytest_flame.in_worker() else "runs"
            with pathlib.Path(__file__).with_name(name).open("a") as file:
                file.write("x")
        """,
    )
    project.write(
        "test_it.py",
        """
        import logging, pytest, work
        @pytest.mark.flame
        def test_it(request, cache):
            assert cache.get("own/run", None) is None
            assert request.config.cache is cache
            if not cache.get("own/worker", 0):
                logging.getLogger().info("from a body")
            cache.set("own/worker", 1)
            work.work()
        """,
    )
    ran = project.flame(time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
    assert (project.path / "runs").read_text() == "x"
    assert len((project.path / "workers").read_text()) > 1
    junit = (project.path / "junit.xml").read_text(encoding="utf-8")
    assert junit.count("<testcase") == 1
    assert "flame_verdict" in junit
    assert "NEW" in (project.path / "page.html").read_text(encoding="utf-8")
    assert "from a body" not in (project.path / "run.log").read_text(encoding="utf-8")
    cached = project.path / ".pytest_cache/v/own"
    assert [path.name for path in cached.iterdir()] == ["run"]
    assert not list(project.path.glob(".coverage.*"))


def test_workers_of_a_django_project_keep_its_database(project: Project) -> None:
    pytest.importorskip("pytest_django")
    project.plugins("pytest_django.plugin")
    project.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --ds=settings --reuse-db --create-db\n")
    project.write(
        "settings.py",
        """
        from pathlib import Path
        FOLDER = Path(__file__).parent
        DATABASES = {"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db", "TEST": {"NAME": str(FOLDER / "test_db")},
        }}
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
        USE_TZ = True
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest
        from django.contrib.auth.models import User
        from django.db import connection
        @pytest.mark.flame
        @pytest.mark.django_db
        def test_it():
            with connection.cursor() as cursor:
                assert cursor.execute("select count(*) from sqlite_master where name = 'kept'").fetchone() == (1,)
            User.objects.count()
        @pytest.mark.django_db
        def test_plain():
            with connection.cursor() as cursor:
                cursor.execute("create table if not exists kept (n)")
        """,
    )
    assert project.run("-k", "plain").ret == 0
    assert (project.path / "test_db").exists()
    import sqlite3

    with sqlite3.connect(project.path / "test_db") as database:
        database.execute("create table if not exists kept (n)")
    database.close()
    ran = project.flame("-k", "not plain", time=SHORTEST)
    assert ran.verdicts == {"test_it.py::test_it": "NEW"}, ran.out
