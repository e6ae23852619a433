"""A small project to test the plugin on, each run in its own processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.baseline.store import Store
from pytest_flame.measure.deadline import Patience
from pytest_flame.measure.job import Job, Plan, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.workers import Prepared

SHORT = ("--flame-time=0.6", "--flame-processes=3")
"""Long enough to tell ×16 from ×1, on a busy machine too."""
SHORTEST = ("--flame-time=0.06", "--flame-processes=3")
"""Where no comparison is asserted."""
SHORT_PLAN = Plan(iterations=3, rounds=5)

WORK = """
def spin(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def churn(n):
    total = 0
    for i in range(n):
        total ^= i + n
    return total
"""
TESTS = """
import pytest
import work


@pytest.mark.flame(threshold="300%", frame_threshold="300%")
def test_spin():
    work.spin(3000)


@pytest.mark.flame(threshold="60%", frame_threshold="25%", processes=5)
def test_both():
    work.spin(1000)
    work.churn(3000)


def test_plain():
    pass
"""


@dataclass(frozen=True)
class Ran:
    """One finished run."""

    ret: int
    out: str
    document: Mapping[str, Any] | None
    """What ``--flame-json`` wrote."""

    def test(self, name: str) -> Mapping[str, Any]:
        assert self.document is not None, self.out
        found: list[Mapping[str, Any]] = [test for test in self.document["tests"] if test["id"].endswith(name)]
        assert len(found) == 1, f"{name} is not once in {self.document['tests']}\n{self.out}"
        return found[0]

    def verdict(self, name: str) -> str:
        return str(self.test(name)["verdict"])

    @property
    def verdicts(self) -> dict[str, str]:
        assert self.document is not None, self.out
        return {test["id"]: test["verdict"] for test in self.document["tests"]}

    @property
    def outcomes(self) -> dict[str, int]:
        """``{"passed": 1, "failed": 2}`` from the last line."""
        outcomes = pytest.RunResult(self.ret, self.out.splitlines(), [], 0).parseoutcomes()
        return {name: n for name, n in outcomes.items() if not name.startswith("warning")}


class Project:
    """A folder with tests. Other plugins are left out unless requested: each process starts in half the time."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.monkeypatch = monkeypatch
        for variable in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS"):
            monkeypatch.delenv(variable, raising=False)
        self.plugins()

    def plugins(self, *names: str) -> None:
        """The plugins that are loaded in addition to this one."""
        self.monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        self.monkeypatch.setenv("PYTEST_PLUGINS", ",".join(("pytest_flame.plugin", *names)))

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.path / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *args: str, cwd: str = ".", command: Sequence[str] = (sys.executable, "-m", "pytest")) -> Ran:
        """Runs pytest as it is."""
        report = self.path / cwd / "result.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [*command, *args], cwd=self.path / cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
        )
        document = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
        return Ran(done.returncode, done.stdout.decode(), document)

    def flame(self, *args: str, time: Sequence[str] = SHORT, cwd: str = ".") -> Ran:
        """Runs the gate; without an exact pass, which decides most comparisons, unless it is asked for."""
        measure = () if any(a.startswith("--flame-measure") for a in args) else ("--flame-measure=all",)
        return self.run("--flame", *time, "--flame-json=result.json", *measure, *args, cwd=cwd)

    def worker(
        self,
        test_id: str,
        *args: str,
        plan: Plan | None = SHORT_PLAN,
        fresh: bool = False,
        cpus: tuple[int, ...] = (),
        hash_seed: int = 1,
        metric: str = "cpu",
        time_s: float = 0.1,
        prepared: Prepared | None = None,
        before_s: float = 60.0,
    ) -> WorkerResult:
        """One measured process, without the rest of a run; forked, if there is something ``prepared``."""
        scratch = self.path / ".scratch"
        scratch.mkdir(exist_ok=True)
        job = Job(
            node_id=test_id,
            root=str(self.path),
            seed=1,
            hash_seed=hash_seed,
            frequency_hz=997,
            sampler="auto",
            time_s=time_s,
            fresh=fresh,
            metric=metric,
            cpus=cpus,
            plan=plan,
            patience=Patience(before_s, before_s),
        )
        pytest_args = ("-q", f"--rootdir={self.path}", "-o", "addopts=", "-p", "no:cacheprovider", *args)
        launcher = Launcher(self.path, self.path, scratch, pytest_args)
        return launcher.run(job, self.path / test_id.split("::")[0], 60, prepared)

    @property
    def store(self) -> Store:
        return Store(self.path / "flame-baselines")

    def baseline_bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.store.directory.iterdir())}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Empty, with a configuration file that makes it the root."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder, monkeypatch)
    made.write("pytest.ini", "[pytest]\n")
    return made


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tests have baselines; made once, to be copied."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("recording")
        made = Project(folder, monkeypatch)
        made.write("pytest.ini", "[pytest]\n")
        made.write("work.py", WORK)
        made.write("test_work.py", TESTS)
        ran = made.flame("--flame-update", time=("--flame-time=0.9", "--flame-processes=3"))
        assert ran.ret == 0, ran.out
        assert set(ran.verdicts.values()) == {"NEW"}
        for name in ("flame-report", ".pytest_cache", "__pycache__"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "result.json").unlink()
        return folder


@pytest.fixture
def recorded(recording: Path, project: Project) -> Project:
    shutil.copytree(recording, project.path, dirs_exist_ok=True)
    return project
