"""End to end: what does ``pytest --flame-against=base`` say about changed code in a real repository?

    taskset -c 0 python -m benchmarks.verdicts.changed --results build/changed --repeats 5
    python -m benchmarks.verdicts.changed --results build/changed --kind masked --first 5
    python -m benchmarks.verdicts.changed --results build/changed --table

Every run makes a repository with two commits, changes three independent workloads in one of the ways of
``changed_project.KINDS``, and gates their three tests in one run of pytest with the gate's defaults: three decisions.
Runs go to ``runs.jsonl``, the gate's results and its output to ``raw``; when started again, it does only what is
missing. Nothing that was measured is left out of the table: a run that broke counts as broken decisions.
"""

from __future__ import annotations

import argparse
import enum
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks.intervals import shown
from benchmarks.trial import aligned, append_result, children_cpu_s, ending, read_results, source_hash
from benchmarks.verdicts.changed_project import KINDS, LEAVES, Kind, write_repository
from benchmarks.verdicts.shop import SUBJECTS, WORKLOADS, load_calibrations

TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate said about one test."""

    verdict: str
    reason: str
    culprits: tuple[str, ...] = ()
    """Frames in the gate's order, ``module:qualname``."""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int | None = None
    """Of the pairs that the verdict rests on: those of the confirmation, if a suspicion was confirmed."""
    moved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_result(cls, test: Mapping[str, Any]) -> Self:
        return cls(
            test["verdict"],
            test["reason"],
            tuple(culprit["frame"] for culprit in test["culprits"]),
            test["ratio"],
            test["low"],
            test["high"],
            test["processes"],
            tuple(moved["frame"] for moved in test["moved"]),
            tuple(test["notes"]),
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        lists = {name: tuple(data[name]) for name in ("culprits", "moved", "notes")}
        return cls(**{**data, **lists})


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the gate over all workloads, changed in one way."""

    kind: str
    repeat: int
    mode: str
    """The CPUs that this script may use: runs on others are not mixed in."""
    source: str
    """Hash of the gate and of the workloads: runs of another version are not mixed in."""
    seconds: float
    cpu_seconds: float
    load: float
    """Runnable processes when it began, mean over a minute."""
    tests: dict[str, Decision] = field(default_factory=dict)
    """By workload."""
    broken: str | None = None

    @classmethod
    def from_json(cls, line: str) -> Self:
        data = json.loads(line)
        data["tests"] = {name: Decision.from_data(one) for name, one in data["tests"].items()}
        return cls(**data)

    def decision(self, workload: str) -> Decision:
        return self.tests.get(workload) or Decision("no result", self.broken or "not in the result")


class Judged(enum.Enum):
    """One decision compared with what is right."""

    RIGHT = "right"
    """Found and the first culprit accepted; passed if nothing got slower."""
    MORE_NAMED = "and others named"
    """Found, the first culprit accepted, but also a frame named that is not."""
    WRONG_CULPRIT = "wrong culprit"
    UNNAMED = "nobody named"
    UNDECIDED = "undecided"
    MISSED = "missed"
    """Passed or improved although something got slower."""
    FALSE_ALARM = "false alarm"
    """Regressed, or improved, although no cost changed."""
    BROKEN = "broken"
    """An error, or no result at all."""


def judged(kind: Kind, decision: Decision) -> Judged:
    if decision.verdict == "INCONCLUSIVE":
        return Judged.UNDECIDED
    if decision.verdict not in ("PASS", "IMPROVED", "REGRESSED"):
        return Judged.BROKEN
    if not kind.is_regression:
        return Judged.RIGHT if decision.verdict == "PASS" else Judged.FALSE_ALARM
    if decision.verdict != "REGRESSED":
        return Judged.MISSED
    if not decision.culprits:
        return Judged.UNNAMED
    if not kind.accepts(decision.culprits[0]):
        return Judged.WRONG_CULPRIT
    return Judged.RIGHT if all(map(kind.accepts, decision.culprits)) else Judged.MORE_NAMED


# --- one run ----------------------------------------------------------------------------------------------------


def gate(project: Path, result: Path, printed: Path, seed: int) -> tuple[dict[str, Decision], str | None]:
    """What was decided, by workload, or why there was no decision."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--flame-against=base"]
    command += [f"--flame-json={result}", f"--flame-seed={seed}"]
    result.unlink(missing_ok=True)
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {}, f"not finished after {TIMEOUT_S} s"
    printed.write_text(f"{done.stdout}\n--- stderr\n{done.stderr}\n--- status {done.returncode}\n", encoding="utf-8")
    if done.returncode not in (0, 1):
        return {}, f"exit status {done.returncode}: {ending(done)}"
    if not result.exists():
        return {}, f"no result file: {ending(done)}"
    tests = json.loads(result.read_text(encoding="utf-8"))["tests"]
    return {test["id"].rpartition("::test_")[2]: Decision.from_result(test) for test in tests}, None


@dataclass(frozen=True, slots=True)
class Series:
    """Where results are kept, and what makes them comparable."""

    folder: Path
    mode: str
    source: str

    @property
    def path(self) -> Path:
        return self.folder / "runs.jsonl"

    def finished(self) -> list[Run]:
        return read_results(self.path, Run.from_json, self.mode, self.source)

    def run(self, kind: Kind, repeat: int) -> Run:
        raw = self.folder / "raw" / self.source
        raw.mkdir(parents=True, exist_ok=True)
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="changed-") as scratch:
            project = Path(scratch) / "shop"
            calibrations = load_calibrations(self.folder / "calibration.json", Path(scratch) / "calibration", LEAVES)
            write_repository(project, calibrations, kind)
            cpu, began = children_cpu_s(), time.monotonic()
            files = (raw / f"{kind.name}-{repeat}.json", raw / f"{kind.name}-{repeat}.txt")
            tests, broken = gate(project, *files, seed=1000 * repeat + list(KINDS).index(kind.name))
            wall, cpu = time.monotonic() - began, children_cpu_s() - cpu
        return Run(
            kind.name, repeat, self.mode, self.source, round(wall, 1), round(cpu, 1), round(load, 2), tests, broken
        )


def run_missing(series: Series, kinds: Sequence[Kind], repeats: Iterable[int]) -> None:
    """Repeats are the outer loop, so that an interrupted series has every kind."""
    done = {(run.kind, run.repeat) for run in series.finished()}
    missing = [(kind, repeat) for repeat in repeats for kind in kinds if (kind.name, repeat) not in done]
    for number, (kind, repeat) in enumerate(missing, start=1):
        run = series.run(kind, repeat)
        append_result(series.path, run)
        said = "; ".join(f"{name} {_said(kind, run.decision(name))}" for name in WORKLOADS)
        print(f"{number}/{len(missing)} {kind.name} #{repeat} ({run.seconds:.0f} s): {said}", flush=True)


def _said(kind: Kind, decision: Decision) -> str:
    effect = f" {100 * (decision.ratio - 1):+.1f} %" if decision.ratio is not None else ""
    return f"{decision.verdict}{effect} {', '.join(decision.culprits)} ({judged(kind, decision).value})"


# --- the table --------------------------------------------------------------------------------------------------


def table(runs: Sequence[Run], kinds: Sequence[Kind]) -> str:
    """A row for each kind: whether its decisions were right, and what a run took."""
    rows = [("change", "runs", "decisions", "right", "otherwise", "ratio", "pairs", "wall s", "CPU s")]
    for kind in kinds:
        of_kind = [run for run in runs if run.kind == kind.name]
        decisions = [run.decision(name) for run in of_kind for name in WORKLOADS]
        counted = Counter(judged(kind, decision) for decision in decisions)
        right = counted.pop(Judged.RIGHT, 0)
        rows.append(
            (
                kind.name,
                str(len(of_kind)),
                str(len(decisions)),
                shown(right, len(decisions)) if decisions else "-",
                ", ".join(f"{count} {what.value}" for what, count in counted.most_common()) or "-",
                _median([d.ratio for d in decisions], 3),
                _median([d.pairs for d in decisions], 0),
                _median([run.seconds for run in of_kind], 0),
                _median([run.cpu_seconds for run in of_kind], 0),
            )
        )
    return aligned(rows)


def _median(values: Iterable[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.{digits}f}" if known else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="keep everything here, and resume")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind (default: 5)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first repeat (default: 0)")
    parser.add_argument("--kind", action="append", choices=list(KINDS), metavar="NAME", help=", ".join(KINDS))
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    kinds = [kind for name, kind in KINDS.items() if not options.kind or name in options.kind]
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    series = Series(options.results.resolve(), f"CPUs {cpus}", source_hash(SUBJECTS))
    if not options.table:
        run_missing(series, kinds, range(options.first, options.first + options.repeats))
    print(f"\n{series.mode}; medians; 95 % Wilson intervals in percent\n\n{table(series.finished(), kinds)}")


if __name__ == "__main__":
    main()
