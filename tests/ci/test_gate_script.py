"""The script behind the action, run step by step as GitHub runs it: in a shallow clone, with files for the summary and
the outputs, and a stand-in for the interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from forges import StandIn
from repositories import IDENTITY, Checkout

from .conftest import REPOSITORY

SCRIPT = Path(__file__).parents[2] / "ci" / "github" / "gate.sh"
WORK = """
def spin(n):
    total = 0
    for i in range(n):
        total += i * i
    return total
"""
TESTS = """
import pytest
import work


@pytest.mark.flame(threshold="60%", frame_threshold="60%")
def test_spin():
    work.spin(3000)
"""


class Step:
    """Runs one step of the script in a clone, with its own files for what a step leaves."""

    def __init__(self, folder: Path, forge: StandIn) -> None:
        self.folder = folder
        self.clone = Checkout(folder / "clone")
        self.tools = folder / "tools"
        self.tools.mkdir()
        event = folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 5}}))
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("GITHUB_", "GITLAB_", "CI", "PYTEST_"))}
        self.environment = {
            **kept,
            **IDENTITY,
            "PATH": f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_flame.plugin",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": forge.url,
            "GITHUB_BASE_REF": "main",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_TOKEN": "read-only",
        }

    def __call__(self, step: str, **variables: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", str(SCRIPT), step],
            cwd=self.clone.path,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    def outputs(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8")

    def summary(self) -> str:
        return (self.folder / "summary").read_text(encoding="utf-8")

    def tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


Checked = Callable[..., Step]


@pytest.fixture
def origin(tmp_path: Path) -> Checkout:
    """``main``, whose last commit the branch ``fix`` does not have; and the merge of both, as GitHub makes it."""
    origin = Checkout.init(tmp_path / "origin")
    origin.commit(work_py=WORK, test_work_py=TESTS, pytest__ini="")
    origin.write("pytest.ini", "[pytest]\n")
    origin.commit()
    origin.git("tag", "left")
    origin.git("checkout", "-q", "-b", "fix")
    for i in range(3):
        origin.commit(notes=str(i))
    origin.commit(work_py=WORK.replace("range(n)", "range(16 * n)"))
    origin.git("checkout", "-q", "main")
    origin.commit(other="on main")
    origin.git("checkout", "-q", "--detach", "main")
    origin.git("merge", "-q", "--no-ff", "-m", "merge", "fix")
    origin.git("update-ref", "refs/pull/5/merge", "HEAD")
    origin.git("checkout", "-q", "main")
    return origin


@pytest.fixture
def checked_out(origin: Checkout, forge: StandIn, tmp_path: Path) -> Checked:
    """As actions/checkout does it: one commit, without the history that leads to it."""

    def checked_out(ref: str, depth: int = 1) -> Step:
        clone = Checkout.init(tmp_path / "clone")
        clone.git("remote", "add", "origin", f"file://{origin.path}")
        clone.git("fetch", "-q", "--no-tags", f"--depth={depth}", "origin", f"+{origin.git('rev-parse', ref)}:refs/x")
        clone.git("checkout", "-q", "--detach", "refs/x")
        assert len(clone.git("rev-list", "HEAD").split()) <= 2 * depth + 1
        step = Step(tmp_path, forge)
        step.environment["GITHUB_SHA"] = origin.git("rev-parse", "refs/pull/5/merge")
        return step

    return checked_out


def test_a_regression_from_a_clean_clone_with_a_read_only_token(
    origin: Checkout, checked_out: Checked, forge: StandIn
) -> None:
    """Everything that a pull request from a fork gets without the second half."""
    forge.read_only = True
    step = checked_out("refs/pull/5/merge")
    assert step("base")[0] == 0
    commit = origin.git("rev-parse", "main")
    assert step.outputs() == f"base={commit}\n"
    time = "--flame-time=0.6 --flame-processes=5 --flame-measure=all -p 'no:cacheprovider'"
    status, out = step("measure", FLAME_AGAINST=commit, FLAME_ARGUMENTS=time)
    assert status == 1, out
    assert "::error file=work.py,line=2,title=test_work.py%3A%3Atest_spin regressed%2C +" in out
    assert "### Flame: 1 test: 1 regressed" in step.summary()
    assert "\nREGRESSED\n" in step.outputs() and "\nflame-report/index.html\n" in step.outputs()
    report = step.clone.path / "flame-report"
    assert {"index.html", "result.json", "comment.md", "flame.sarif"} <= {path.name for path in report.iterdir()}
    assert step("page", FLAME_NAME="py 3.13/a", RUNNER_TEMP=str(step.folder))[0] == 0
    assert (step.folder / "flame-py-3.13-a.html").read_bytes() == (report / "index.html").read_bytes()
    assert f"file={step.folder}/flame-py-3.13-a.html\n" in step.outputs()
    status, out = step("comment")
    assert status == 0
    assert "::warning title=pytest-flame::the comment was not written" in out and "403" in out
    assert forge.writes() == ["POST"] and step.summary().count("### Flame") == 1
    forge.read_only = False
    status, out = step("comment", FLAME_NAME="a b", FLAME_REPORT_URL="https://ci.example/artifact")
    assert status == 0, out
    (comment,) = forge.comments
    assert "`work:spin`" in comment["body"] and "**a b**" in comment["body"]
    assert "(https://ci.example/artifact)" in comment["body"]
    assert step.clone.git("status", "--porcelain") == "?? flame-report/"


@pytest.mark.parametrize(
    ("ref", "depth", "variables", "base"),
    [
        ("refs/pull/5/merge", 1, {}, "main"),
        ("refs/pull/5/merge", 2, {}, "main"),
        ("fix", 1, {}, "left"),
        ("main", 1, {"GITHUB_BASE_REF": "", "GITHUB_SHA": ""}, "main^"),
        ("refs/pull/5/merge", 1, {"FLAME_BASE": "{left}"}, "left"),
        ("refs/pull/5/merge", 1, {"FLAME_BASE": "fix"}, "fix"),
    ],
)
def test_the_base_is_found_and_fetched(
    ref: str, depth: int, variables: dict[str, str], base: str, origin: Checkout, checked_out: Checked
) -> None:
    step = checked_out(ref, depth)
    left = origin.git("rev-parse", "left")
    status, out = step("base", **{name: value.format(left=left) for name, value in variables.items()})
    assert status == 0, out
    commit = origin.git("rev-parse", base)
    assert step.outputs() == f"base={commit}\n"
    assert step.clone.git("cat-file", "-t", commit) == "commit"


def test_a_fetch_that_is_refused_says_what_to_set(origin: Checkout, checked_out: Checked) -> None:
    step = checked_out("refs/pull/5/merge")
    step.clone.git("remote", "set-url", "origin", "file:///nowhere")
    status, out = step("base")
    assert status == 1
    assert "::error title=pytest-flame::git fetch --depth=2 origin" in out and "fetch-depth: 2" in out


def test_nothing_is_measured_without_a_base(checked_out: Checked) -> None:
    status, out = checked_out("main")("measure", FLAME_AGAINST="")
    assert (status, out) == (1, "::error title=pytest-flame::there is no commit to compare with\n")


def test_without_a_result_there_is_nothing_to_comment(checked_out: Checked, forge: StandIn) -> None:
    status, out = checked_out("main")("comment")
    assert (status, out) == (0, "::notice title=pytest-flame::there is no comment: the run ended without a result\n")
    assert forge.asked == []


def test_a_damaged_result_fails_no_job(checked_out: Checked) -> None:
    step = checked_out("main")
    step.clone.write("flame-report/result.json", "{")
    status, out = step("comment")
    assert status == 0 and out.endswith("::notice title=pytest-flame::the comment could not be written\n")


@pytest.mark.parametrize(
    ("level", "allowed", "done"),
    [("1", "", ""), ("4", "sysctl", "set"), ("4", "sudo", "set"), ("4", "", "may not be changed"), ("", "", "no perf")],
)
def test_perf_events_are_allowed_where_that_is_possible(
    level: str, allowed: str, done: str, checked_out: Checked
) -> None:
    step = checked_out("main")
    read = f"echo {level}" if level else "exit 1"
    change = 'echo "set $*"' if allowed == "sysctl" else '[ -n "$AS_ROOT" ] && echo "set $*"'
    step.tool("sysctl", f"case $1 in -n) {read} ;; *) {change} ;; esac")
    step.tool("sudo", 'shift; AS_ROOT=1 "$@"' if allowed == "sudo" else "exit 1")
    status, out = step("perf", AS_ROOT="")
    assert status == 0
    assert done in out if done else out == ""
    assert step("perf", FLAME_PERF="keep") == (0, "")


def test_an_unknown_step_is_an_error(checked_out: Checked) -> None:
    status, out = checked_out("main")("everything")
    assert status == 1 and "usage" in out
