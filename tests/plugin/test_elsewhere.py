"""The measured tests of a run on another host: what comes back is as if it had been measured here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sshd import local_sshd

from .conftest import SHORTEST, Project

pytest.importorskip("execnet")
TESTS = """
    import os, pytest

    def test_plain(): assert "SSH_CONNECTION" not in os.environ

    @pytest.mark.flame
    @pytest.mark.parametrize("word", ["a b", "ü[]"])
    def test_it(word):
        assert "SSH_CONNECTION" in os.environ
        sum(range(2000))

    @pytest.mark.flame
    def test_skips_everywhere(): pytest.skip("not today")

    @pytest.mark.flame
    def test_skips_there():
        if "SSH_CONNECTION" in os.environ: pytest.skip("not there")
"""
HERE = f"popen//python={sys.executable}"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def test_measured_tests_run_on_the_other_host(
    project: Project, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> None:
    project.write("tests/test_it.py", TESTS)
    project.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    with local_sshd(tmp_path_factory.mktemp("sshd"), cache) as quiet:
        ran = project.flame(f"--flame-on={quiet}//python={sys.executable}", "--flame-markdown=f.md", time=SHORTEST)
    assert ran.ret == 1, ran.out
    ids = {name.partition("::")[2]: verdict for name, verdict in ran.verdicts.items()}
    assert ids == {r"test_it[a b]": "NEW", r"test_it[\xfc[]]": "NEW", "test_skips_there": "ERROR"}, ran.out
    assert ran.outcomes == {"passed": 1, "failed": 1, "skipped": 3}, ran.out
    assert "measured on quiet, Python 3." in ran.out
    assert "test_skips_there" in ran.out and "not measured on quiet, and does not skip itself here" in ran.out
    report = project.path / "flame-report"
    assert "test_skips_there" in (report / "index.html").read_text()
    assert len(list(report.glob("*.head.svg"))) == 2
    assert "2 without a base" in (project.path / "f.md").read_text()


def test_a_baseline_that_was_recorded_there_comes_back(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): sum(range(2000))\n")
    ran = project.flame(f"--flame-on={HERE}", "--flame-update", time=SHORTEST)
    assert ran.ret == 0 and ran.outcomes == {"passed": 1}, ran.out
    written = ran.test("test_it")["baseline_written"]
    assert (project.path / written).read_text().startswith("{")
    ran = project.flame(f"--flame-on={HERE}", "--flame-remeasure=never", time=SHORTEST)
    assert ran.verdict("test_it") in ("PASS", "INCONCLUSIVE", "IMPROVED"), ran.out


def test_a_run_that_fails_there_says_why(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import os, pytest
        if os.environ.get("THERE"): raise RuntimeError("no database there")
        @pytest.mark.flame
        def test_it(): pass
        """,
    )
    script = project.write("python", f'#!/bin/sh\nTHERE=1 exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    ran = project.flame(f"--flame-on=popen//python={script}", time=SHORTEST)
    assert ran.ret == 4, ran.out
    assert "and no result" in ran.out and "no database there" in ran.out


def test_a_host_without_the_package_is_refused_with_the_command_that_helps(project: Project) -> None:
    project.write("test_it.py", "import pytest\n@pytest.mark.flame\ndef test_it(): pass\n")
    script = project.write("python", f'#!/bin/sh\nexec {Path(sys.base_prefix)}/bin/python3 -I -S "$@"\n')
    script.chmod(0o755)
    ran = project.flame(f"--flame-on=popen//python={script}", time=SHORTEST)
    assert ran.ret == 4 and "has no pytest-flame" in ran.out and "-m pip install pytest-flame==" in ran.out, ran.out


def test_shards_are_for_several_machines_of_the_same_kind(project: Project) -> None:
    ran = project.flame(f"--flame-on={HERE}", "--flame-shard=1/2")
    assert ran.ret == 4 and "cannot be combined" in ran.out
