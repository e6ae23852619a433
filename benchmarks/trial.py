"""Shared by the scripts that test the gate: copies of a project, gated runs, a file of results to resume from."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

ROOT = Path(__file__).parent.parent
SOURCES = {".py", ".c", ".h", ".html", ".toml", ".patch"}
TESTS_FAILED = 1
ENDING = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate said about one test."""

    verdict: str
    reason: str
    ratio: float | None = None
    culprit: str | None = None
    """The first one named."""
    caller: str | None = None

    @classmethod
    def from_result(cls, test: dict[str, Any]) -> Self:
        first = test["culprits"][0] if test["culprits"] else {"frame": None, "caller": None}
        return cls(test["verdict"], test["reason"], test["ratio"], first["frame"], first["caller"])


@dataclass(frozen=True, slots=True)
class Gated:
    """One run of the gate over some tests."""

    seconds: float
    tests: dict[str, Outcome]
    broken: str | None = None
    """Why there is no result, if there is none."""


# --- projects ----------------------------------------------------------------------------------------------


def source_hash(*folders: Path) -> str:
    """One hash of ``folders`` and of the gate itself: results of another version are not mixed in."""
    digest = hashlib.sha256()
    paths = [path for folder in (*folders, ROOT / "pytest_flame", ROOT / "native") for path in folder.rglob("*")]
    for path in sorted(path for path in paths if path.suffix in SOURCES):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def copy_project(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", "flame-report"))


@contextmanager
def working_folder(keep: Path | None, prefix: str) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield Path(folder)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()


def git(project: Path, *arguments: str) -> str:
    """What git printed; commits have the same author whoever runs it."""
    command = ["git", "-c", "user.name=benchmarks", "-c", "user.email=benchmarks@example.org", *arguments]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


# --- runs --------------------------------------------------------------------------------------------------


def pytest(project: Path, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(project.parent)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=timeout)


def children_cpu_s() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ending(done: subprocess.CompletedProcess[str]) -> str:
    """The end of a broken run's output, on one line."""
    return " ".join((done.stdout + done.stderr).split())[-ENDING:]


def record_baselines(project: Path, options: Sequence[str], timeout: float) -> None:
    done = pytest(project, ["--flame-update=all", *options], timeout)
    if done.returncode != 0 or not (project / "flame-baselines").is_dir():
        raise SystemExit(f"no baselines were recorded:\n{done.stdout}{done.stderr}")


def gate(project: Path, options: Sequence[str], tests: Sequence[str], result: Path, timeout: float) -> Gated:
    """Gate ``tests`` of ``project`` with its baselines alone; ``result`` is the JSON file to use. Never raises: a
    broken run's result says why."""
    result.unlink(missing_ok=True)
    started = time.monotonic()
    broken = None
    outcomes = {}
    try:
        done = pytest(
            project, ["--flame", "--flame-remeasure=never", f"--flame-json={result}", *options, *tests], timeout
        )
        if done.returncode not in (0, TESTS_FAILED):
            broken = f"exit status {done.returncode}: {ending(done)}"
        elif not result.exists():
            broken = f"no result file: {ending(done)}"
        else:
            data = json.loads(result.read_text(encoding="utf-8"))
            outcomes = {test["id"]: Outcome.from_result(test) for test in data["tests"]}
    except subprocess.TimeoutExpired:
        broken = f"not finished after {timeout:.0f} s"
    return Gated(round(time.monotonic() - started, 1), outcomes, broken)


# --- results, one per line ---------------------------------------------------------------------------------


class Result(Protocol):
    """A frozen dataclass that says which mode and version of the sources it was measured with."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def mode(self) -> str: ...

    @property
    def source(self) -> str: ...


R = TypeVar("R", bound=Result)


def read_results(path: Path, parse: Callable[[str], R], mode: str, source: str) -> list[R]:
    """Results of exactly this version in this mode; others are reported and left alone."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(parse(line))
        except (ValueError, KeyError, TypeError) as e:
            raise SystemExit(f"{path}:{number} is not a result ({e}): remove that line to repeat it") from e
    current = [one for one in found if (one.mode, one.source) == (mode, source)]
    if len(current) < len(found):
        print(f"{len(found) - len(current)} runs of another version or mode in {path} are not used")
    return current


def append_result(path: Path, result: Result) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a table, columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
