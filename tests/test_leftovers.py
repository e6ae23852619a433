"""A run of tests that leaves something behind fails, and says what and after which test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Checkout

TIDY = """
import os, pathlib, subprocess, sys, tempfile
def test_tidy(tmp_path):
    (tmp_path / "file").touch()
    with tempfile.TemporaryFile() as file: os.close(os.dup(file.fileno()))
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    assert os.environ["XDG_CACHE_HOME"].startswith(str(pathlib.Path(tempfile.gettempdir()).parents[LEVELS]))
"""


Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs tests in their own checkout, in a child of this process or two children of that one."""
    checkout = Checkout(pytester.path)
    checkout.git("init", "-q")
    checkout.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    def run_text(text: str, *, processes: int = 0) -> pytest.RunResult:
        checkout.write("test_it.py", TIDY.replace("LEVELS", "1" if processes else "0") + text)
        plugins = ("-p", "xdist.plugin", "-p", "leftovers", "-n", str(processes))
        return pytester.runpytest_subprocess(*plugins, f"--basetemp={pytester.path.parent / 'base'}", timeout=120)

    return run_text


@pytest.mark.parametrize("processes", [0, 2])
def test_a_run_that_leaves_nothing_says_so(run: Run, processes: int) -> None:
    ran = run("", processes=processes)
    ran.stdout.fnmatch_lines("left behind: no file, no process, no descriptor")
    assert ran.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("tempfile.mkstemp('.mine')[0]", "temporary file *.mine, first seen after test_it.py::test_untidy"),
        ("os.dup(1)", "descriptor *, first seen after test_it.py::test_untidy"),
        ("pathlib.Path(__file__).with_name('mine').touch()", "file in the checkout: mine"),
    ],
)
def test_what_a_test_leaves_fails_the_run(run: Run, body: str, said: str, processes: int) -> None:
    ran = run(f"def test_untidy(): {body}\ndef test_after(): pass\n", processes=processes)
    ran.stdout.fnmatch_lines(["*= left behind =*", said])
    ran.assert_outcomes(passed=3)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("detached", [False, True])
def test_a_process_that_goes_on_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, detached: bool) -> None:
    """Including one whose parent is gone."""
    start = "KEPT.append(subprocess.Popen(['sleep', '1000']))"
    if detached:
        start = "subprocess.run(['sh', '-c', 'sleep 1000 >/dev/null 2>&1 &'], check=True)"
    ran = run(f"import leftovers\nleftovers.PATIENCE_S = 0.01\nKEPT = []\ndef test_untidy(): {start}\n")
    (line,) = [line for line in ran.outlines if line.startswith("process ")]
    os.kill(int(line.split()[1]), signal.SIGKILL)
    assert "`sleep 1000`" in line
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
