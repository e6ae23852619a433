"""Records a bank: many consecutive processes of the same code, from which comparisons are replayed afterwards.

    python -m benchmarks.verdicts.bank --condition quiet --processes 80
    python -m benchmarks.verdicts.bank --condition bursts --name bursts-evening --only json

Every process goes through the real worker, with a plan that is calibrated once and kept with the results. The two
processes of a pair run one after the other with the same seeds, as base and head do; one pair of every workload in
turn, in random order, so that all of them see the same conditions. Each process becomes one line of
``RESULTS/NAME/WORKLOAD.jsonl``, with all its rounds and stacks. When started again, it records only what is missing.
Pinning is left to ``taskset``; the neighbours' cores are chosen from those that this script may use.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.verdicts.conditions import Condition, neighbours, surroundings
from pytest_flame.baseline import wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.measure.job import Job, Plan, WorkerResult
from pytest_flame.measure.launch import Launcher, await_all
from pytest_flame.measure.turns import Fifos
from pytest_flame.measure.workers import Prepared
from pytest_flame.model import Process, Recording, Round

HERE = Path(__file__).parent
WORKLOADS = ("recursion", "json", "regex", "numpy", "compression", "objects", "system_calls")
RESULTS = HERE.parents[1] / "build" / "banks"
FREQUENCY_HZ = 1997
TIMEOUT_S = 60
_SURROUNDED = (Condition.ENVIRONMENT, Condition.HASH_SEED, Condition.PATH, Condition.SURROUNDINGS)
"""What differs in every process: the sides of a pair cannot share it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One process of a bank. ``pair`` counts from 0; ``second`` is its place in the pair."""

    workload: str
    condition: str
    pair: int
    second: bool
    began: float
    """Unix time."""
    seconds: float
    """From the start of the process to its end."""
    stolen: float
    """CPU seconds that the machine's host took for others meanwhile, all cores together."""
    busy: float
    """CPU seconds that all programs of the machine used meanwhile, including this one."""
    recording: Recording

    @property
    def process(self) -> Process:
        return self.recording.processes[0]

    def to_json(self) -> str:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps(fields | {"recording": wire.encode(self.recording)})

    @classmethod
    def from_json(cls, line: str) -> Entry:
        fields = json.loads(line)
        return cls(**fields | {"recording": wire.decode(parse(fields["recording"]))})


# --- a bank on disk ----------------------------------------------------------------------------------------


def read_bank(folder: Path, workload: str) -> list[Entry]:
    """All complete pairs of one workload, in the order they ran."""
    path = folder / f"{workload}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # An interrupted run may leave half a line or half a pair at the end.
    entries = [Entry.from_json(line) for line in lines if line.endswith("}")]
    kept = {(entry.pair, entry.second): entry for entry in entries}
    whole = sorted(pair for pair, second in kept if second and (pair, False) in kept)
    return [kept[pair, second] for pair in whole for second in (False, True)]


def banks(results: Path) -> Iterator[tuple[str, str, list[Entry]]]:
    """Name of the bank, workload, processes: everything in ``results``."""
    for path in sorted(results.glob("*/*.jsonl")):
        yield path.parent.name, path.stem, read_bank(path.parent, path.stem)


def merged(entry: Entry, number: int) -> Entry:
    """Merges this many neighbouring rounds into one, sampled ones with sampled ones; the rest at the end is left
    out."""
    if number == 1:
        return entry
    joined = []
    for sampled in (True, False):
        rounds = [r for r in entry.process.rounds if r.sampled == sampled]
        for start in range(0, len(rounds) - number + 1, number):
            part = rounds[start : start + number]
            iterations, cpu, wall = (
                sum(x) for x in zip(*((r.iterations, r.cpu_ns, r.wall_ns) for r in part), strict=True)
            )
            joined.append(Round(iterations, cpu, wall, sampled))
    process = dataclasses.replace(entry.process, rounds=tuple(joined))
    return dataclasses.replace(entry, recording=dataclasses.replace(entry.recording, processes=(process,)))


def next_pair(folder: Path, workload: str) -> int:
    entries = read_bank(folder, workload)
    return entries[-1].pair + 1 if entries else 0


# --- recording ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorder:
    """Where the checkouts, the results and the plans of one bank are, and the conditions it is recorded in."""

    scratch: Path
    folder: Path
    condition: Condition
    time_s: float
    apart: bool
    """The processes of a pair run one after the other, each an interpreter of its own."""

    def run(self, workload: str, checkout: Path, seeds: tuple[int, int], plan: Plan | None) -> WorkerResult:
        launcher, job = self.launcher(checkout, self.scratch), self.job(workload, checkout, seeds, plan)
        return _usable(workload, launcher.run(job, checkout / "test_workloads.py", TIMEOUT_S))

    def run_in_turn(self, workload: str, checkout: Path, seeds: tuple[int, int], plan: Plan) -> list[WorkerResult]:
        """Both processes of a pair, the first one's first."""
        sides = [self.launcher(checkout, self.scratch / name) for name in ("one", "two")]
        job, file = self.job(workload, checkout, seeds, plan), checkout / "test_workloads.py"
        prepared = [Prepared(seeds[1]) for _ in sides]
        with contextlib.ExitStack() as ends:
            fifos = Fifos(self.scratch)
            ends.callback(fifos.close)
            for one in prepared:
                ends.callback(one.close)
            turns = (fifos.first, fifos.second)
            running = [
                ends.enter_context(side.begin(dataclasses.replace(job, turns=turn), file, TIMEOUT_S, one))
                for side, turn, one in zip(sides, turns, prepared, strict=True)
            ]
            await_all(running, lambda ended: fifos.leave_alone(turns[1 - running.index(ended)]))
            return [_usable(workload, s.checked(r, TIMEOUT_S)) for s, r in zip(sides, running, strict=True)]

    def launcher(self, checkout: Path, scratch: Path) -> Launcher:
        scratch.mkdir(exist_ok=True)
        arguments = ("-q", "-p", "no:cacheprovider", f"--rootdir={checkout}", "-c", str(checkout / "pyproject.toml"))
        return Launcher(checkout, checkout, scratch, arguments)

    def job(self, workload: str, checkout: Path, seeds: tuple[int, int], plan: Plan | None) -> Job:
        return Job(
            node_id=f"test_workloads.py::test_{workload}",
            root=str(checkout),
            seed=seeds[0],
            hash_seed=seeds[1],
            frequency_hz=FREQUENCY_HZ,
            sampler=self.condition.sampler,
            time_s=self.time_s,
            plan=plan,
        )

    def plan(self, workload: str) -> Plan:
        """Calibrated once for all banks in the same folder, so that they can be compared with each other."""
        path = self.folder.parent / "plans" / f"{workload}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            found = self.run(workload, self.checkout("checkout"), (0, 0), None).plan
            assert found is not None
            path.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
        return Plan(**json.loads(path.read_text(encoding="utf-8")))

    def checkout(self, name: str) -> Path:
        """A copy of the workloads in a folder of this name; nothing else is left in the parent folder."""
        folder = self.scratch / "trees" / name
        if not folder.exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            shutil.copytree(HERE / "workloads", folder, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    def record(self, workload: str, pair: int, split: int) -> None:
        """Both processes of a pair, appended to the bank."""
        whole = self.plan(workload)
        plan = Plan(max(1, whole.iterations // split), whole.rounds * split)
        path = self.folder / f"{workload}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.apart:
            self._record_in_turn(workload, pair, plan, path)
            return
        for second in (False, True):
            draw = random.Random(f"{self.condition}/{workload}/{pair}/{second}")
            shared = draw if self.condition.changes(Condition.HASH_SEED) else random.Random(f"{workload}/{pair}")
            seeds = shared.randrange(1 << 32), shared.randrange(1 << 32)
            with surroundings(self.condition, draw) as name:
                checkout = self.checkout(name)
                began, before = time.time(), machine_seconds()
                recording = self.run(workload, checkout, seeds, plan).recording
                seconds, after = time.time() - began, machine_seconds()
            assert recording is not None
            stolen, busy = after[0] - before[0], after[1] - before[1]
            condition = self.condition.value
            entry = Entry(workload, condition, pair, second, began, seconds, stolen, busy, recording)
            with path.open("a", encoding="utf-8") as file:
                file.write(entry.to_json() + "\n")

    def _record_in_turn(self, workload: str, pair: int, plan: Plan, path: Path) -> None:
        draw = random.Random(f"{workload}/{pair}")
        seeds = draw.randrange(1 << 32), draw.randrange(1 << 32)
        began, before = time.time(), machine_seconds()
        results = self.run_in_turn(workload, self.checkout("checkout"), seeds, plan)
        seconds, after = time.time() - began, machine_seconds()
        stolen, busy = after[0] - before[0], after[1] - before[1]
        with path.open("a", encoding="utf-8") as file:
            for second, result in zip((False, True), results, strict=True):
                assert result.recording is not None
                common = (began, seconds, stolen, busy, result.recording)
                file.write(Entry(workload, self.condition.value, pair, second, *common).to_json() + "\n")


def _usable(workload: str, result: WorkerResult) -> WorkerResult:
    if result.recording is None and result.plan is None:
        raise SystemExit(f"{workload}: {result.status.value}: {result.message}\n{result.details}")
    return result


def machine_seconds() -> tuple[float, float]:
    """CPU seconds stolen and used since the machine started (proc(5), /proc/stat)."""
    ticks = list(map(int, Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]))
    user, nice, system, _idle, _waiting, interrupts, soft, steal = ticks
    per_second = os.sysconf("SC_CLK_TCK")
    return steal / per_second, (user + nice + system + interrupts + soft) / per_second


def record_bank(recorder: Recorder, workloads: Sequence[str], pairs: int, split: int) -> None:
    first = {workload: next_pair(recorder.folder, workload) for workload in workloads}
    with neighbours(recorder.condition):
        for pair in range(min(first.values()), pairs):
            turn = [workload for workload in workloads if first[workload] <= pair]
            random.shuffle(turn)
            for workload in turn:
                recorder.record(workload, pair, split)
            print(f"{recorder.folder.name}: pair {pair + 1} of {pairs} of {', '.join(turn)}", flush=True)


def shown(results: Path) -> str:
    lines = []
    for name, workload, entries in banks(results):
        if entries:
            hours = (entries[-1].began - entries[0].began) / 3600
            lines.append(f"{name:24} {workload:14} {len(entries):4} processes over {hours:.1f} h")
    return "\n".join(lines) or f"no bank in {results}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--condition", type=Condition, choices=list(Condition), help="without it: show what is there")
    parser.add_argument("--name", help="of the bank (default: the condition's)")
    parser.add_argument("--processes", type=int, default=80, help="of each workload in total (default: 80)")
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="this workload (may be repeated)")
    parser.add_argument("--time", type=float, default=0.5, help="seconds of rounds in a process (default: 0.5)")
    parser.add_argument("--apart", action="store_true", help="the processes of a pair one after the other")
    parser.add_argument("--split", type=int, default=1, help="split each calibrated round into this many (default: 1)")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of all banks (default: {RESULTS})")
    options = parser.parse_args(arguments)
    if options.condition is not None:
        folder = options.results.resolve() / (options.name or options.condition.value)
        with tempfile.TemporaryDirectory(prefix="bank-") as scratch:
            surrounded = options.condition in _SURROUNDED
            recorder = Recorder(Path(scratch), folder, options.condition, options.time, options.apart or surrounded)
            record_bank(recorder, options.only or WORKLOADS, options.processes // 2, options.split)
    print(shown(options.results))


if __name__ == "__main__":
    main()
