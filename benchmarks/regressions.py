"""Does the gate say what ``example_project/regressions/expected.toml`` says it must?

    python benchmarks/regressions.py --repeats 20 --keep build/regressions

Baselines are recorded once per session in a copy of the example. Then each patch is applied to another copy, on a
path of the same length, and its tests are gated together with one test it does not touch. Every run is appended to
``results.jsonl`` in the kept directory; started again, the script does only what is missing there. Nothing that was
measured is left out of the table: a run that broke counts as a miss.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

from wilson import shown

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "example_project"
REGRESSIONS = EXAMPLE / "regressions"
TESTS_FAILED = 1
ENDING = 300


@dataclass(frozen=True, slots=True)
class Expected:
    """One patch of ``expected.toml``."""

    file: str
    verdicts: dict[str, str]
    culprit: str | None = None
    caller: str | None = None

    @property
    def name(self) -> str:
        return Path(self.file).stem


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
class Run:
    """One patch gated once."""

    patch: str
    repeat: int
    mode: str
    source: str
    """Hash of everything that was under test: runs of another version are not mixed in."""
    control: str
    seconds: float
    tests: dict[str, Outcome] = field(default_factory=dict)
    broken: str | None = None
    """Why there is no result, where there is none."""

    @classmethod
    def from_json(cls, line: str) -> Self:
        data = json.loads(line)
        data["tests"] = {test_id: Outcome(**outcome) for test_id, outcome in data["tests"].items()}
        return cls(**data)

    def outcome(self, test_id: str) -> Outcome:
        return self.tests.get(test_id) or Outcome("no result", self.broken or "not in the result file")


# --- the example, copied and patched -----------------------------------------------------------------------


def read_expectations(only: Sequence[str]) -> list[Expected]:
    """All patches, or those whose name contains one of ``only``; their order is the file's."""
    fields = Expected.__dataclass_fields__
    entries = tomllib.loads((REGRESSIONS / "expected.toml").read_text(encoding="utf-8"))["patch"]
    patches = [Expected(**{key: value for key, value in entry.items() if key in fields}) for entry in entries]
    chosen = [patch for patch in patches if not only or any(part in patch.name for part in only)]
    if not chosen:
        raise SystemExit(f"no patch is named {', '.join(only)}; there are {', '.join(p.name for p in patches)}")
    return chosen


def source_hash() -> str:
    """One hash of the example and of the installed gate, wherever it was imported from."""
    digest = hashlib.sha256()
    for path in sorted([*source_files(EXAMPLE), *source_files(ROOT / "pytest_flame"), *source_files(ROOT / "native")]):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def source_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in {".py", ".c", ".h", ".html", ".toml", ".patch"}:
            yield path


def copy_project(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", "flame-report"))


def apply_patch(project: Path, patch: Expected) -> None:
    command = ["patch", "-p1", "--fuzz=0", "--silent", "--no-backup-if-mismatch", "-i", str(REGRESSIONS / patch.file)]
    subprocess.run(command, cwd=project, check=True)


def commit_all(project: Path) -> None:
    """Make the copy a repository of its own with one commit: the base of an interleaved run."""
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message=base"]):
        subprocess.run(["git", *command], cwd=project, check=True)


def pytest(project: Path, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(project.parent)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=timeout)


def ending(done: subprocess.CompletedProcess[str]) -> str:
    """The last words of a run that broke, on one line."""
    return " ".join((done.stdout + done.stderr).split())[-ENDING:]


def marked_tests(project: Path) -> list[str]:
    done = pytest(project, ["--collect-only", "-m", "flame"], timeout=120)
    found = [line for line in done.stdout.splitlines() if "::" in line]
    if not found:
        raise SystemExit(f"no marked test in {project}:\n{done.stdout}{done.stderr}")
    return found


# --- one session -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """Where the copies lie, how they are gated and where results go."""

    folder: Path
    mode: str
    timeout: float
    source: str

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def head(self) -> Path:
        """A path as long as ``base``: path lengths show in the timing."""
        return self.folder / "head"

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    def prepare(self) -> list[str]:
        """Copy the example, record what it is compared with, and give the ids of its marked tests."""
        copy_project(EXAMPLE, self.base)
        shutil.rmtree(self.base / "flame-baselines", ignore_errors=True)
        if self.mode == "interleaved":
            commit_all(self.base)
        else:
            print("recording baselines", flush=True)
            done = pytest(self.base, ["--flame-update=all"], timeout=10 * self.timeout)
            if done.returncode != 0 or not (self.base / "flame-baselines").is_dir():
                raise SystemExit(f"no baselines were recorded:\n{done.stdout}{done.stderr}")
        return marked_tests(self.base)

    def gate(self, patch: Expected, repeat: int, control: str, seed: int) -> Run:
        copy_project(self.base, self.head)
        apply_patch(self.head, patch)
        result = self.folder / "result.json"
        result.unlink(missing_ok=True)
        against = ["--flame-against=HEAD"] if self.mode == "interleaved" else []
        options = ["--flame", *against, f"--flame-json={result}", f"--flame-seed={seed}"]
        started = time.monotonic()
        broken = None
        tests = {}
        try:
            done = pytest(self.head, [*options, *patch.verdicts, control], self.timeout)
            if done.returncode not in (0, TESTS_FAILED):
                broken = f"exit status {done.returncode}: {ending(done)}"
            elif not result.exists():
                broken = f"no result file: {ending(done)}"
            else:
                data = json.loads(result.read_text(encoding="utf-8"))
                tests = {test["id"]: Outcome.from_result(test) for test in data["tests"]}
        except subprocess.TimeoutExpired:
            broken = f"not finished after {self.timeout:.0f} s"
        seconds = round(time.monotonic() - started, 1)
        return Run(patch.name, repeat, self.mode, self.source, control, seconds, tests, broken)

    def finished(self) -> list[Run]:
        """Runs of this very version in this mode; others are counted aloud and left alone."""
        if not self.results.exists():
            return []
        runs = []
        for number, line in enumerate(self.results.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                runs.append(Run.from_json(line))
            except (ValueError, KeyError, TypeError) as e:
                raise SystemExit(f"{self.results}:{number} is not a result ({e}): remove that line to repeat it") from e
        current = [run for run in runs if (run.mode, run.source) == (self.mode, self.source)]
        if len(current) < len(runs):
            print(f"{len(runs) - len(current)} runs of another version or mode in {self.results} are left aside")
        return current

    def append(self, run: Run) -> None:
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")


def run_missing(session: Session, patches: Sequence[Expected], repeats: int) -> list[Run]:
    """All runs, old and new. Repeats are the outer loop, so that an interrupted series covers every patch."""
    runs = session.finished()
    done = {(run.patch, run.repeat) for run in runs}
    missing = [(r, i, p) for r in range(repeats) for i, p in enumerate(patches) if (p.name, r) not in done]
    marked = session.prepare() if missing else []
    for number, (repeat, place, patch) in enumerate(missing, start=1):
        untouched = [test_id for test_id in marked if test_id not in patch.verdicts]
        control = untouched[(repeat + place) % len(untouched)]
        run = session.gate(patch, repeat, control, seed=1000 * repeat + place)
        session.append(run)
        runs.append(run)
        said = ", ".join(f"{test_id.rpartition('::')[2]} {run.outcome(test_id).verdict}" for test_id in patch.verdicts)
        print(f"{number}/{len(missing)} {patch.name} #{repeat} ({run.seconds} s): {said}", flush=True)
    names = {patch.name for patch in patches}
    return [run for run in runs if run.patch in names and run.repeat < repeats]


# --- the table ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation against one outcome."""

    run: Run
    test_id: str
    expected: str
    outcome: Outcome
    patch: Expected

    @property
    def verdict_right(self) -> bool:
        return self.outcome.verdict == self.expected

    @property
    def culprit_first(self) -> bool:
        """Of a test that failed, as it should; where nothing may fail, nothing may be named."""
        return self.verdict_right and self.outcome.culprit == self.patch.culprit

    @property
    def caller_right(self) -> bool:
        return self.culprit_first and self.outcome.caller == self.patch.caller

    @property
    def right(self) -> bool:
        return self.culprit_first if self.patch.caller is None else self.caller_right


def judge(runs: Iterable[Run], patches: Sequence[Expected]) -> list[Judged]:
    """Every affected test of every run; the controls are counted apart."""
    by_name = {patch.name: patch for patch in patches}
    judged = []
    for run in runs:
        patch = by_name[run.patch]
        for test_id, verdict in patch.verdicts.items():
            judged.append(Judged(run, test_id, verdict, run.outcome(test_id), patch))
    return judged


def control_failures(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.outcome(run.control).verdict != "PASS"]


def table(runs: Sequence[Run], patches: Sequence[Expected]) -> str:
    judged = judge(runs, patches)
    rows = [("patch", "test", "expected", "right verdict", "culprit first", "caller", "median effect")]
    for patch in patches:
        for test_id, verdict in patch.verdicts.items():
            own = [j for j in judged if j.patch is patch and j.test_id == test_id]
            ratios = [j.outcome.ratio for j in own if j.outcome.ratio is not None]
            rows.append(
                (
                    patch.name,
                    test_id.rpartition("::")[2],
                    verdict,
                    shown(sum(j.verdict_right for j in own), len(own)),
                    shown(sum(j.culprit_first for j in own), len(own)) if patch.culprit else "–",
                    shown(sum(j.caller_right for j in own), len(own)) if patch.caller else "–",
                    f"{100 * (median(ratios) - 1):+.1f} %" if ratios else "–",
                )
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def totals(runs: Sequence[Run], patches: Sequence[Expected]) -> str:
    judged = judge(runs, patches)
    failing = [j for j in judged if j.patch.culprit]
    others = [j for j in judged if not j.patch.culprit]
    alarms = sum(run.outcome(run.control).verdict == "REGRESSED" for run in runs)
    lines = [
        f"regressions found      {shown(sum(j.verdict_right for j in failing), len(failing))}",
        f"culprit named first    {shown(sum(j.culprit_first for j in failing), len(failing))}",
        f"harmless and improved  {shown(sum(j.verdict_right for j in others), len(others))}",
        f"controls passed        {shown(len(runs) - len(control_failures(runs)), len(runs))}",
        f"controls alarmed       {shown(alarms, len(runs))}",
    ]
    return "\n".join(lines)


def misses(runs: Sequence[Run], patches: Sequence[Expected]) -> str:
    """Every outcome that was not as expected, one a line."""
    lines = []
    for j in judge(runs, patches):
        if not j.right:
            named = f"{j.outcome.culprit or 'nobody'}, caller {j.outcome.caller or '–'}"
            lines.append(
                f"{j.patch.name} #{j.run.repeat} {j.test_id}: {j.outcome.verdict} ({named}): {j.outcome.reason}"
            )
    for run in control_failures(runs):
        outcome = run.outcome(run.control)
        lines.append(f"{run.patch} #{run.repeat} control {run.control}: {outcome.verdict}: {outcome.reason}")
    return "\n".join(lines)


@contextmanager
def working_folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="regressions-") as folder:
            yield Path(folder)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20, help="runs of each patch (default: 20)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="patches whose name contains NAME")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep copies and results here, and resume from them")
    parser.add_argument(
        "--mode", choices=["stored", "interleaved"], default="stored", help="what head is compared with"
    )
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="of one gated run (default: 900)")
    options = parser.parse_args(arguments)
    patches = read_expectations(options.only)
    with working_folder(options.keep) as folder:
        session = Session(folder, options.mode, options.timeout, source_hash())
        runs = run_missing(session, patches, options.repeats)
    print(f"\n{options.mode}, {len(runs)} runs, 95 % Wilson intervals in percent\n\n{table(runs, patches)}\n")
    print(f"{totals(runs, patches)}\n\nmisses:\n{misses(runs, patches) or 'none'}")


if __name__ == "__main__":
    main()
