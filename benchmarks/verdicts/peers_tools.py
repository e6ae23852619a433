"""How each tool is run on two commits, as its own documentation shows.

All except asv, PyxTrace and pytest-flame check out ``base``, measure, check out ``head``, measure and compare, as a
continuous integration job does. The other three get both commits. Every tool gets the same CPU seconds per side, as far
as its options allow; what it really used is measured and kept.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.trial import children_cpu_s, git, source_hash
from benchmarks.verdicts import peers_answers as answers
from benchmarks.verdicts.peers_answers import Answer, Unreadable
from benchmarks.verdicts.peers_project import BUDGET, ITERATIONS, asv_rounds

TIMEOUT_S = 1200
STACKGATE_RUNS = 8
STACKGATE_THRESHOLDS = ("2", "5")
PYPERF_SECONDS = 0.5
"""A process of pyperf: calibrated loops of 0.1 s, one to warm up and three values, and its start."""
PYTEST_BENCHMARK_START = 0.5


@dataclass(slots=True)
class Trial:
    """One decision of one tool: where it happens, and what it used."""

    project: Path
    """A repository with tags ``base`` and ``head``, used by this tool alone."""
    raw: Path
    """Folder for outputs."""
    venv: Path | None
    budget: float
    """CPU seconds for each side."""
    iteration: float
    """CPU seconds of one call of the workload."""
    environments: Path
    """For tools that build their own environments."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds used: for ``base``, ``head`` or ``both`` (one command for both sides), for ``judging``, for
    ``building`` the two sides' packages and for ``preparing`` what is kept for all trials."""

    @property
    def python(self) -> str:
        return sys.executable if self.venv is None else str(self.venv / "bin" / "python")

    def checkout(self, tag: str) -> None:
        git(self.project, "checkout", "--quiet", "--detach", tag)

    def run(self, used_for: str, name: str, command: Sequence[str], allowed: Sequence[int] = (0,)) -> tuple[str, int]:
        """Its standard output and exit status. All output is kept; a status that isn't allowed is an error."""
        environment = os.environ | {
            BUDGET: str(self.budget),
            ITERATIONS: str(max(1, round(self.budget / (STACKGATE_RUNS + 1) / self.iteration))),
            "COLUMNS": "200",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{Path(self.python).parent}{os.pathsep}{os.environ['PATH']}",
        }
        environment.pop("PYTHONPATH", None)
        before = children_cpu_s()
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        self.cpu[used_for] = self.cpu.get(used_for, 0.0) + children_cpu_s() - before
        log = f"$ {' '.join(command)}\n{done.stdout}\n--- stderr\n{done.stderr}\n--- status {done.returncode}\n"
        (self.raw / f"{name}.txt").write_text(log, encoding="utf-8")
        if done.returncode not in allowed:
            raise Unreadable(f"{name} ended with status {done.returncode}", done.stdout + done.stderr)
        return done.stdout, done.returncode


# --- the tools ------------------------------------------------------------------------------------------------


def pytest_benchmark(trial: Trial) -> Mapping[str, Answer]:
    """``--benchmark-save`` on base, ``--benchmark-compare --benchmark-compare-fail`` on head; one process per side."""
    storage = trial.raw / "storage"
    seconds = max(0.2, trial.budget - PYTEST_BENCHMARK_START)
    common = [
        *(trial.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "benches/bench_work.py"),
        *(f"--benchmark-storage={storage}", f"--benchmark-max-time={seconds}"),
    ]
    trial.checkout("base")
    trial.run("base", "base", [*common, "--benchmark-save=base"])
    trial.checkout("head")
    checks = [
        "--benchmark-compare-fail",
        *(f"{name}:5%" for name in answers.FIELDS),
    ]  # given twice, the last one counts
    head = [*common, "--benchmark-compare", f"--benchmark-json={trial.raw / 'head.json'}", *checks]
    trial.run("head", "head", head, allowed=range(256))
    written = (trial.raw / "head.json").exists()
    return answers.pytest_benchmark((trial.raw / "head.txt").read_text(encoding="utf-8"), compared=written)


def pyperf(trial: Trial) -> Mapping[str, Answer]:
    """A ``Runner`` script writes ``base.json`` and ``head.json``; ``compare_to`` judges. Its default: 20 processes."""
    processes = max(2, round(trial.budget / PYPERF_SECONDS))
    files = {side: trial.raw / f"{side}.json" for side in ("base", "head")}
    for side, file in files.items():
        trial.checkout(side)
        trial.run(side, side, [trial.python, "benches_pyperf.py", f"--processes={processes}", "-o", str(file)])
    compare = [trial.python, "-m", "pyperf", "compare_to", "--group-by-speed", str(files["base"]), str(files["head"])]
    plain, _ = trial.run("judging", "compare", compare)
    tolerant, _ = trial.run("judging", "compare-min-speed", [*compare, "--min-speed=5"])
    return {"significant": answers.pyperf(plain), "min-speed 5": answers.pyperf(tolerant)}


def asv(trial: Trial) -> Mapping[str, Answer]:
    """``asv continuous --interleave-rounds --factor 1.1 base head``; its results are judged at 1.05 by ``compare``.

    Its environment is made once for all. It builds and installs both commits in each run: that is counted separately.
    """
    config = {
        "version": 1,
        "project": "shop",
        "repo": ".",
        "branches": ["main"],
        "environment_type": "virtualenv",
        "pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
        "benchmark_dir": "benchmarks",
        "env_dir": str(trial.environments / "asv"),
        "results_dir": str(trial.raw / "results"),
        "html_dir": str(trial.raw / "html"),
    }
    (trial.project / "asv.conf.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    program = [trial.python, "-m", "asv"]
    machine = ["--machine", "peers"]
    trial.run("preparing", "machine", [*program, "machine", "--yes", *machine])
    trial.run("preparing", "setup", [*program, "setup"], allowed=(0, 1))  # 1 in any case
    continuous = [*program, "continuous", "--interleave-rounds", "--factor", "1.1", *machine, "base", "head"]
    text, _ = trial.run("both", "continuous", continuous, allowed=(0, 1))
    files = [path for path in (trial.raw / "results" / "peers").glob("*.json") if path.name != "machine.json"]
    last_round = sum(answers.asv_seconds(path.read_text(encoding="utf-8")) for path in files)
    measuring = asv_rounds(trial.budget) * last_round
    trial.cpu["building"] = max(0.0, trial.cpu["both"] - measuring)
    trial.cpu["both"] -= trial.cpu["building"]
    compare = [*program, "compare", "--factor", "1.05", "--only-changed", *machine, "base", "head"]
    tight, _ = trial.run("judging", "compare", compare)
    return {"factor 1.1": answers.asv_continuous(text), "factor 1.05": answers.asv_compare(tight)}


def stackgate(trial: Trial) -> Mapping[str, Answer]:
    """``record --runs 8`` on base and head, ``compare``. One more run of each side warms up and is discarded."""
    for side in ("base", "head"):
        trial.checkout(side)
        record = ["stackgate", "record", "--runs", str(STACKGATE_RUNS), "--out", str(trial.raw / side)]
        trial.run(side, f"record-{side}", [*record, "--", "python", "speed.py"])
    given = {}
    for threshold in STACKGATE_THRESHOLDS:
        sides = [str(trial.raw / "base"), str(trial.raw / "head")]
        compare = ["stackgate", "compare", *sides, "--threshold", threshold, "--format", "json"]
        text, _ = trial.run("judging", f"compare-{threshold}", compare, allowed=(0, 1))
        given[f"threshold {threshold}"] = answers.stackgate(text)
    return given


def pyxtrace(trial: Trial) -> Mapping[str, Answer]:
    """``pyxtrace diff base head`` counts the test suite on both; exact, so no budget applies."""
    text, status = trial.run("both", "diff", ["pyxtrace", "diff", "base", "head"], allowed=(0, 1))
    return {"threshold 10": answers.pyxtrace(text, status)}


def flame(trial: Trial) -> Mapping[str, Answer]:
    """``pytest --flame-against=base`` with the interpreter this script runs in."""
    trial.checkout("head")
    result = trial.raw / "result.json"
    command = [
        *(trial.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_speed.py", "--flame"),
        *("--flame-against=base", f"--flame-time={trial.budget}", f"--flame-json={result}"),
    ]
    text, _ = trial.run("both", "gate", command, allowed=(0, 1))
    if not result.exists():
        raise Unreadable("pytest-flame wrote no result", text)
    return {"against": answers.flame(result.read_text(encoding="utf-8"))}


@dataclass(frozen=True, slots=True)
class Tool:
    """Another tool: what to install and how to run it."""

    name: str
    decide: Callable[[Trial], Mapping[str, Answer]]
    rules: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    """Nothing: it runs in this script's interpreter."""
    distribution: str = ""
    """Whose version is printed."""
    names_functions: bool = False


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("pytest-flame", flame, ("against",), (), "pytest-flame", names_functions=True),
        Tool(
            "pytest-benchmark",
            pytest_benchmark,
            tuple(f"{name}:5%" for name in answers.FIELDS),
            ("pytest", "pytest-benchmark"),
            "pytest-benchmark",
        ),
        Tool("pyperf", pyperf, ("significant", "min-speed 5"), ("pyperf",), "pyperf"),
        Tool("asv", asv, ("factor 1.1", "factor 1.05"), ("asv", "virtualenv"), "asv"),
        Tool(
            "stackgate",
            stackgate,
            tuple(f"threshold {threshold}" for threshold in STACKGATE_THRESHOLDS),
            ("stackgate==0.1.1",),
            "stackgate",
            names_functions=True,
        ),
        Tool("pyxtrace", pyxtrace, ("threshold 10",), ("pyxtrace==4.0.0", "pytest"), "pyxtrace", names_functions=True),
    )
}


def install(tool: Tool, environments: Path) -> Path | None:
    """The tool's own environment, made if it is missing."""
    if not tool.requirements:
        return None
    venv = environments / tool.name
    done = venv / "installed.txt"
    wanted = "\n".join(tool.requirements)
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        subprocess.run([*pip, *tool.requirements], check=True)
        done.write_text(wanted, encoding="utf-8")
    return venv


def version(tool: Tool, venv: Path | None) -> str:
    """Of its distribution; with a hash of the sources for the one that is developed here."""
    if venv is None:
        return f"{importlib.metadata.version(tool.distribution)} ({source_hash()})"
    asks = f"import importlib.metadata as m; print(m.version({tool.distribution!r}))"
    command = [str(venv / "bin" / "python"), "-c", asks]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class Decided:
    """What a tool answered, by rule, or why it did not answer."""

    answers: Mapping[str, Answer]
    broken: str | None
    cpu: Mapping[str, float]
    seconds: float


def decide(tool: Tool, trial: Trial) -> Decided:
    """Never raises because of the tool: for a tool that cannot decide, the answer says why."""
    started = time.monotonic()
    given: Mapping[str, Answer] = {}
    broken = None
    try:
        given = tool.decide(trial)
    except Unreadable as e:
        broken = str(e)
    except subprocess.TimeoutExpired:
        broken = f"not finished after {TIMEOUT_S} s"
    cpu = {used_for: round(seconds, 2) for used_for, seconds in trial.cpu.items()}
    return Decided(given, broken, cpu, round(time.monotonic() - started, 1))
