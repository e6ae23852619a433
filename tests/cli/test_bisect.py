"""``flame bisect``: its answers on a real history with known results of the gate, and a real search."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from repositories import Checkout

from pytest_flame.cli import bisect
from pytest_flame.cli.gate_runs import Compared, NotMeasured

from .conftest import Flame, Said

NOTHING: Mapping[str, Any] = {
    **{"id": "test_it.py::test_it", "reason": "so it is", "details": None, "exact": None, "culprits": []},
    **{"base_ns": None, "head_ns": None, "ratio": None, "low": None, "high": None},
}
CULPRIT = {
    **{"frame": "work:spin", "path": "work.py", "line": 3, "code_change": "changed", "changed_caller": None},
    "own_delta_ns": 2_000_000,
}


@dataclass
class Gate:
    """Replaces the runs. ``costs``: of each commit by its subject; None where the test fails."""

    checkout: Checkout
    costs: Mapping[str, float | None]
    unclear: frozenset[str] = frozenset()
    """Commits that no measurement decides."""
    unknown: Sequence[str] = ()
    """What no execution can account for: nothing is proved."""
    timed: list[tuple[str, str]] = field(default_factory=list)
    alphas: list[float] = field(default_factory=list)

    def __call__(self, scratch: object, directory: Path, arguments: Sequence[str]) -> Gate:
        assert (directory, arguments) == (self.checkout.path, ["test_it.py", "--flame-time=1"])
        return self

    def compare(self, base: str, head: str, *, timed: bool, alpha: float | None = None) -> Compared:
        names = [self.checkout.git("show", "-s", "--format=%s", oid) for oid in (base, head)]
        before, after = (self.costs[name] for name in names)
        if after is None:
            raise NotMeasured("pytest measured nothing", why="no compiler")
        if before is None:
            return Compared({**NOTHING, "verdict": "ERROR"}, 0.03)
        same = before == after and not self.unknown
        digests = {"base_digest": str(before), "head_digest": str(after)}
        exact = {"same_code": same, "unknown": self.unknown, "calls": [], **digests}
        if timed:
            assert alpha is not None
            self.timed.append((names[0], names[1]))
            self.alphas.append(alpha)
        if not timed or same:
            return Compared({**NOTHING, "verdict": "PASS" if same else "INCONCLUSIVE", "exact": exact}, 0.03)
        verdict = "INCONCLUSIVE" if names[1] in self.unclear else "REGRESSED" if after / before > 1.05 else "PASS"
        ratio = after / before
        figures = {"base_ns": before, "head_ns": after, "ratio": ratio, "low": ratio * 0.99, "high": ratio * 1.01}
        culprits = [CULPRIT] if verdict == "REGRESSED" else []
        return Compared({**NOTHING, **figures, "verdict": verdict, "exact": exact, "culprits": culprits}, 0.03)


Search = Callable[..., tuple[Said, Gate]]


@pytest.fixture
def find(flame: Flame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Searches in a history with these costs, one commit each."""

    def find(
        *costs: float | None,
        unclear: Sequence[int] = (),
        unknown: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> tuple[Said, Gate]:
        checkout = Checkout.init(tmp_path / "project")
        for number in range(len(costs)):
            checkout.git("commit", "-q", "--allow-empty", "-m", f"commit {number}")
        monkeypatch.chdir(checkout.path)
        named = {f"commit {number}": cost for number, cost in enumerate(costs)}
        gate = Gate(checkout, named, frozenset(f"commit {number}" for number in unclear), unknown)
        monkeypatch.setattr(bisect, "GateRuns", gate)
        first = f"HEAD~{len(costs) - 1}"
        return flame("bisect", first, "HEAD", *options, "--", "test_it.py", "--flame-time=1"), gate

    return find


def test_one_change_takes_one_measurement(find: Search, tmp_path: Path) -> None:
    said, gate = find(10, 10, None, 10, 10, 20, 20, options=("--json", str(tmp_path / "found.json")))
    assert said.status == 0, said.err
    oid = gate.checkout.git("rev-parse", "HEAD~1")
    assert f"{oid} is the first slow commit" in said.out
    assert "author  Author" in said.out
    assert "subject commit 5" in said.out
    assert "REGRESSED +100 % [98.0, 102]" in said.out
    assert "culprit work:spin · +2 ms per iteration · changed in this step · work.py:3" in said.out
    assert gate.timed == [("commit 0", "commit 6")]
    assert gate.alphas == [0.01]
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["schema"] == bisect.SCHEMA
    assert (document["outcome"], document["alpha"], document["commits"]) == ("found", 0.03, 6)
    assert [commit["oid"] for commit in document["candidates"]] == [oid]
    assert document["step"]["culprits"] == [CULPRIT]
    good = gate.checkout.git("rev-parse", "HEAD~2")
    against = f"--flame-against={good[:12]} --flame-head={oid[:12]}"
    assert document["reproduce"][0] == f"python -m pytest --flame-only {against} test_it.py --flame-time=1"
    assert document["reproduce"][0] in said.out
    assert {look["answer"] for look in document["looks"]} <= {"good", "bad", "skipped"}
    assert all(look["measured"] is None for look in document["looks"])


def test_the_error_is_shared_by_all_decisions(find: Search) -> None:
    said, gate = find(10, 10.1, 10.2, 20, 20.1)
    assert said.status == 0
    assert "error of the whole search: 3 %" in said.out
    assert gate.timed[0] == ("commit 0", "commit 4")
    assert gate.timed[-1] == ("commit 2", "commit 3")
    assert sum(gate.alphas) <= 0.03
    assert gate.alphas[0] == gate.alphas[-1] == 0.01


def test_without_proofs_everything_is_measured(find: Search) -> None:
    said, gate = find(10, 10, 10, 20, 20, unknown=("the network",))
    assert said.status == 0
    assert f"{gate.checkout.git('rev-parse', 'HEAD~1')} is the first slow commit" in said.out
    assert "same code" not in said.out
    names = [f"commit {number}" for number in range(5)]
    assert gate.timed == [(names[0], names[4]), (names[0], names[2]), (names[0], names[3]), (names[2], names[3])]


def test_not_slower(find: Search, tmp_path: Path) -> None:
    said, gate = find(10, 20, 10.1, options=("--json", str(tmp_path / "found.json")))
    assert said.status == 1
    assert "is not shown to be slower" in said.out
    assert gate.timed == [("commit 0", "commit 2")]
    assert json.loads((tmp_path / "found.json").read_text())["outcome"] == "not slower"


def test_same_code_is_not_timed(find: Search) -> None:
    said, gate = find(10, 20, 10)
    assert said.status == 1
    assert gate.timed == []


def test_unclear_ends(find: Search) -> None:
    said, _ = find(10, 20, unclear=(1,))
    assert said.status == 1
    assert "INCONCLUSIVE" in said.out


def test_skipped_commits_leave_several(find: Search) -> None:
    said, gate = find(10, 10, None, 15, 20, unclear=(3,))
    assert said.status == 3
    shown = said.out.partition("The first slow commit could be any of:\n")[2].split("There are only")[0]
    assert shown.split() == [gate.checkout.git("rev-parse", f"HEAD~{n}") for n in (2, 1, 0)]
    assert "skipped: no compiler" in said.out


def test_small_slowdowns_that_add_up(find: Search) -> None:
    said, gate = find(10, 10.3, 10.6, 10.9)
    assert said.status == 0
    assert f"{gate.checkout.git('rev-parse', 'HEAD~1')} is the first slow commit" in said.out
    assert "small slowdowns add up" in said.out


def test_later_slowdowns_are_pointed_out(find: Search) -> None:
    said, gate = find(10, 12, 12, 30)
    assert said.status == 0
    first, last = (gate.checkout.git("rev-parse", f"HEAD~{n}")[:12] for n in (2, 0))
    assert f"flame bisect {first} {last} -- test_it.py --flame-time=1" in said.out


@pytest.mark.parametrize("costs", [(10.0, None), (None, 10.0)])
def test_a_test_that_cannot_be_executed_at_an_end(find: Search, costs: tuple[float | None, ...]) -> None:
    said, _ = find(*costs)
    assert said.status == 2
    assert "no compiler" in said.err or "cannot be executed both at GOOD" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("HEAD", "HEAD"), "are the same commit"),
        (("HEAD", "HEAD~1"), "HEAD~1 comes before HEAD"),
        (("other", "HEAD"), "other is not an ancestor of HEAD"),
        (("nowhere", "HEAD"), "there is no commit 'nowhere'"),
        (("HEAD~1", "HEAD", "--json", "no/such/folder.json"), "there is no such folder"),
    ],
)
def test_refused(flame: Flame, tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    checkout = Checkout(tmp_path)
    checkout.git("init", "-q", "-b", "main")
    checkout.commit()
    checkout.git("branch", "other")
    checkout.git("commit", "-q", "--amend", "--allow-empty", "-m", "again", "--date=2000-01-01T00:00:00")
    checkout.commit()
    said = flame("bisect", *arguments, "--", "test_it.py")
    assert said.status == 2
    assert what in said.err


def test_a_merge_is_one_commit(find: Search, flame: Flame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Checkout.init(tmp_path / "merged")
    for name in ("commit 0", "commit 1"):
        checkout.git("commit", "-q", "--allow-empty", "-m", name)
    checkout.git("checkout", "-q", "-b", "side", "HEAD~1")
    checkout.git("commit", "-q", "--allow-empty", "-m", "of the side")
    checkout.git("checkout", "-q", "main")
    checkout.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    gate = Gate(checkout, {"commit 0": 10, "commit 1": 10, "merge": 20})
    monkeypatch.setattr(bisect, "GateRuns", gate)
    monkeypatch.chdir(checkout.path)
    said = flame("bisect", "HEAD~2", "HEAD", "--", "test_it.py", "--flame-time=1")
    assert said.status == 0, said.err
    assert "subject merge" in said.out


# --- real runs --------------------------------------------------------------------------------------------------------

WORK = """
def spin(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def both(n):
    return spin(n)
"""
TEST = """
import pytest
import work


@pytest.mark.flame(threshold="20%", frame_threshold="20%")
def test_both():
    work.both(6000)
"""


@dataclass(frozen=True)
class Project:
    checkout: Checkout
    temporary: Path

    def bisect(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest_flame.cli", "bisect", *arguments],
            cwd=self.checkout.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Whatever happens, the checkout and git's files are untouched, and nothing is left elsewhere."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_flame.plugin")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    checkout = Checkout.init(tmp_path / "project")
    for name, text in (("pytest.ini", "[pytest]\n"), ("work.py", WORK), ("test_work.py", TEST)):
        checkout.write(name, text)
    checkout.commit()
    yield Project(checkout, temporary)


def test_the_commit_that_made_a_test_slower_is_found(project: Project, tmp_path: Path) -> None:
    checkout = project.checkout
    slow = WORK.replace("range(n)", "range(n + n // 2)")
    at = {
        "comment": {"work.py": f"# more\n{WORK}"},
        "unrelated": {"README": "how to"},
        "not executed": {"work.py": WORK, "more.py": "X = 1\n"},
        "broken": {"work.py": f"{WORK}\nthis is broken(\n"},
        "mended": {"work.py": WORK},
        "slow": {"work.py": slow},
        "another comment": {"work.py": f"# slow\n{slow}", "test_work.py": "def test_both(): raise ValueError\n"},
    }
    oids = {}
    for message, files in at.items():
        for name, text in files.items():
            checkout.write(name, text)
        oids[message] = checkout.commit()
    checkout.write("test_work.py", TEST)  # the checkout's, not BAD's
    before = checkout.state()
    result = tmp_path / "found.json"
    running = project.bisect(
        *("HEAD~7", "HEAD", "--json", str(result), "--", "test_work.py::test_both"),
        *("--flame-time=2", "--flame-processes=8"),
    )
    out, _ = running.communicate(timeout=600)
    assert running.returncode == 0, out
    assert f"{oids['slow']} is the first slow commit" in out
    document = json.loads(result.read_text())
    answers = {look["commit"]["oid"]: look for look in document["looks"]}
    broken, proved = (answers[oids[message]] for message in ("broken", "mended"))
    assert broken["answer"] == "skipped"
    assert "SyntaxError" in broken["reason"]
    assert proved["answer"] == "good"
    assert all(look["measured"] is None for look in answers.values())
    assert answers[oids["slow"]]["same_code_as"] == oids["another comment"]
    assert 1.2 < document["step"]["ratio"] < 2
    assert [culprit["frame"] for culprit in document["step"]["culprits"]] == ["work:spin"]
    assert checkout.state() == before
    assert list(project.temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("test", "arguments", "what"),
    [
        ("def test_both(): pass", (), "none of 1 collected tests is marked"),
        (TEST, ("--flame-base-install=false",), "pytest measured nothing"),
        (TEST + TEST.replace("test_both", "test_more"), (), "2 tests are measured: test_work.py::test_both, test_work"),
        (f"{TEST}    assert not work.NAME", (), "cannot be executed both at GOOD"),
    ],
)
def test_what_cannot_be_measured_is_explained(
    project: Project, test: str, arguments: tuple[str, ...], what: str
) -> None:
    project.checkout.write("work.py", f"{WORK}\nNAME = 1\n")
    project.checkout.commit()
    project.checkout.write("test_work.py", test)
    running = project.bisect("HEAD~1", "HEAD", "--", "test_work.py", *arguments)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 2, out
    assert what in out
    assert "Traceback" not in out.partition("why:")[0]
    assert list(project.temporary.iterdir()) == []


def test_ctrl_c_leaves_nothing(project: Project, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    project.checkout.write(
        "test_work.py",
        f"""
        import pytest, time
        @pytest.mark.flame
        def test_both():
            with open({str(started)!r}, "w") as file:
                file.write("yes")
            time.sleep(1000)
        """,
    )
    project.checkout.commit()
    before = project.checkout.state()
    running = project.bisect("HEAD~1", "HEAD", "--", "test_work.py")
    assert started.read_text().startswith("yes")  # from one side or both
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130, out
    assert "Traceback" not in out
    assert list(project.temporary.iterdir()) == []
    assert project.checkout.state() == before
