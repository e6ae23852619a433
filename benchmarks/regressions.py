"""Does the gate give the answers that ``example_project/regressions/expected.toml`` expects?

    python -m benchmarks.regressions --repeats 20 --keep build/regressions

Baselines are recorded once per session in a copy of the example. Then each patch is applied to another copy, on a
path of the same length, and its tests are gated together with one test it does not touch. Every run is appended to
``results.jsonl`` in the kept directory; started again, the script does only what is missing there. Nothing that was
measured is left out of the table: a run that broke counts as a miss.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks import trial
from benchmarks.intervals import shown
from benchmarks.trial import (
    ROOT,
    Outcome,
    aligned,
    append_result,
    copy_project,
    pytest,
    read_results,
    record_baselines,
    source_hash,
    working_folder,
)

EXAMPLE = ROOT / "example_project"
REGRESSIONS = EXAMPLE / "regressions"


@dataclass(frozen=True, slots=True)
class Expected:
    """One patch of ``expected.toml``."""

    file: str
    verdicts: dict[str, str]
    culprit: str | None = None
    caller: str | None = None
    ungated: frozenset[str] = frozenset()
    """Affected tests that are not gated: they are never controls."""

    @property
    def name(self) -> str:
        return Path(self.file).stem


@dataclass(frozen=True, slots=True)
class Run:
    """One patch gated once."""

    patch: str
    repeat: int
    mode: str
    source: str
    """Hash of everything that was under test: runs of another version are not mixed in."""
    control: str | None
    seconds: float
    tests: dict[str, Outcome] = field(default_factory=dict)
    broken: str | None = None
    """Why there is no result, if there is none."""

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


def primary(patch: Expected) -> Expected:
    """Only the first of the tests a patch affects."""
    first, *others = patch.verdicts
    return replace(patch, verdicts={first: patch.verdicts[first]}, ungated=frozenset(others))


def apply_patch(project: Path, patch: Expected) -> None:
    command = ["patch", "-p1", "--fuzz=0", "--silent", "--no-backup-if-mismatch", "-i", str(REGRESSIONS / patch.file)]
    subprocess.run(command, cwd=project, check=True)


def marked_tests(project: Path) -> list[str]:
    done = pytest(project, ["--collect-only", "-m", "flame"], timeout=120)
    found = [line for line in done.stdout.splitlines() if "::" in line]
    if not found:
        raise SystemExit(f"no marked test in {project}:\n{done.stdout}{done.stderr}")
    return found


# --- one session -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """Where the copies are kept, how they are gated and where results go."""

    folder: Path
    mode: str
    timeout: float
    source: str

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def head(self) -> Path:
        """A path as long as ``base``: path lengths affect the timing."""
        return self.folder / "head"

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    def prepare(self) -> list[str]:
        """Copy the example, record what it is compared with, and give the ids of its marked tests."""
        copy_project(EXAMPLE, self.base)
        shutil.rmtree(self.base / "flame-baselines", ignore_errors=True)
        print("recording baselines", flush=True)
        record_baselines(self.base, [f"--flame-sampler={self.mode}"], timeout=10 * self.timeout)
        return marked_tests(self.base)

    def gate(self, patch: Expected, repeat: int, control: str | None, seed: int) -> Run:
        copy_project(self.base, self.head)
        apply_patch(self.head, patch)
        options = [f"--flame-sampler={self.mode}", f"--flame-seed={seed}"]
        tests = [*patch.verdicts, *([control] if control else [])]
        gated = trial.gate(self.head, options, tests, self.folder / "result.json", self.timeout)
        return Run(patch.name, repeat, self.mode, self.source, control, gated.seconds, gated.tests, gated.broken)

    def finished(self) -> list[Run]:
        return read_results(self.results, Run.from_json, self.mode, self.source)

    def append(self, run: Run) -> None:
        append_result(self.results, run)


def run_missing(
    session: Session, patches: Sequence[Expected], repeats: Sequence[int], control_every: int = 1
) -> list[Run]:
    """All runs, old and new. Repeats are the outer loop, so that an interrupted series covers every patch."""
    runs = session.finished()
    done = {(run.patch, run.repeat) for run in runs}
    missing = [(r, i, p) for r in repeats for i, p in enumerate(patches) if (p.name, r) not in done]
    marked = session.prepare() if missing else []
    for number, (repeat, place, patch) in enumerate(missing, start=1):
        untouched = [test_id for test_id in marked if test_id not in patch.verdicts.keys() | patch.ungated]
        control = untouched[(repeat + place) % len(untouched)] if (repeat + place) % control_every == 0 else None
        run = session.gate(patch, repeat, control, seed=1000 * repeat + place)
        session.append(run)
        runs.append(run)
        said = ", ".join(f"{test_id.rpartition('::')[2]} {run.outcome(test_id).verdict}" for test_id in patch.verdicts)
        print(f"{number}/{len(missing)} {patch.name} #{repeat} ({run.seconds} s): {said}", flush=True)
    names = {patch.name for patch in patches}
    return [run for run in runs if run.patch in names and run.repeat in repeats]


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
        """The culprit of a test that failed, as it should; if nothing may fail, nothing may be named."""
        return self.verdict_right and self.outcome.culprit == self.patch.culprit

    @property
    def caller_right(self) -> bool:
        return self.culprit_first and self.outcome.caller == self.patch.caller

    @property
    def right(self) -> bool:
        return self.culprit_first if self.patch.caller is None else self.caller_right


def judge(runs: Iterable[Run], patches: Sequence[Expected]) -> list[Judged]:
    """Every affected test of every run; the controls are counted separately."""
    by_name = {patch.name: patch for patch in patches}
    judged = []
    for run in runs:
        patch = by_name[run.patch]
        for test_id, verdict in patch.verdicts.items():
            judged.append(Judged(run, test_id, verdict, run.outcome(test_id), patch))
    return judged


def controls(runs: Iterable[Run]) -> list[tuple[Run, Outcome]]:
    """The verdicts on the untouched test, in runs that had one."""
    return [(run, run.outcome(run.control)) for run in runs if run.control is not None]


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
    return aligned(rows)


def totals(runs: Sequence[Run], patches: Sequence[Expected]) -> str:
    judged = judge(runs, patches)
    failing = [j for j in judged if j.patch.culprit]
    others = [j for j in judged if not j.patch.culprit]
    untouched = Counter(outcome.verdict for _, outcome in controls(runs))
    lines = [
        f"regressions found      {shown(sum(j.verdict_right for j in failing), len(failing))}",
        f"culprit named first    {shown(sum(j.culprit_first for j in failing), len(failing))}",
        f"harmless and improved  {shown(sum(j.verdict_right for j in others), len(others))}",
        f"controls passed        {shown(untouched['PASS'], untouched.total())}",
        f"controls alarmed       {shown(untouched['REGRESSED'], untouched.total())}",
    ]
    return "\n".join(lines)


def misses(runs: Sequence[Run], patches: Sequence[Expected]) -> str:
    """Every outcome that was not as expected, one per line."""
    lines = []
    for j in judge(runs, patches):
        if not j.right:
            named = f"{j.outcome.culprit or 'nobody'}, caller {j.outcome.caller or '–'}"
            lines.append(
                f"{j.patch.name} #{j.run.repeat} {j.test_id}: {j.outcome.verdict} ({named}): {j.outcome.reason}"
            )
    for run, outcome in controls(runs):
        if outcome.verdict != "PASS":
            lines.append(f"{run.patch} #{run.repeat} control {run.control}: {outcome.verdict}: {outcome.reason}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20, help="runs of each patch (default: 20)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="patches whose name contains NAME")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep copies and results here, and resume from them")
    parser.add_argument("--first", type=int, default=0, help="number of the first repeat (default: 0)")
    parser.add_argument(
        "--control-every",
        type=int,
        default=1,
        metavar="N",
        help="gate an untouched test with every Nth run (default: 1)",
    )
    parser.add_argument("--primary", action="store_true", help="gate only the first test each patch affects")
    parser.add_argument("--sampler", choices=["auto", "perf", "timer"], default="auto", help="the sampler's rung")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="of one gated run (default: 900)")
    options = parser.parse_args(arguments)
    patches = read_expectations(options.only)
    if options.primary:
        patches = [primary(p) for p in patches]
    with working_folder(options.keep, "regressions-") as folder:
        session = Session(folder, options.sampler, options.timeout, source_hash(EXAMPLE))
        runs = run_missing(
            session, patches, range(options.first, options.first + options.repeats), options.control_every
        )
    print(
        f"\nsampler {options.sampler}, {len(runs)} runs, 95 % Wilson intervals in percent\n\n{table(runs, patches)}\n"
    )
    print(f"{totals(runs, patches)}\n\nmisses:\n{misses(runs, patches) or 'none'}")


if __name__ == "__main__":
    main()
