"""The same function below 0, 7, 14, … 140 more frames, in every way the gate calls a body, and in a bare loop.

    python -m benchmarks.cost.depth [--modes plain,async] [--step 7] [--processes 16] [--limit 1.02]
    sh ci/pythons.sh run 3.14 python -m benchmarks.cost.depth

A body calls the function once at every depth, in random order, and measures the thread's CPU time and page faults of
each call. A call is compared with the median of the calls of its body: what changes while a process runs is the same at
every depth. In some processes some depths cost up to a tenth more, and other depths in the next process, in a bare loop
as well (each process has its own memory layout): the cost of a depth is the median over fresh processes of the median
of its calls. Prints, for each mode, the smallest and the largest cost, their ratio, and the largest number of page
faults of a call at any depth. The bare loop, in one large frame, shows how much of the ratio is this machine's noise.
``unguarded`` is the bare loop without the large frame: what a depth costs without any measure against it. Exit status 1
if a mode of the gate exceeds the limit.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cost.processes import calibrated, in_bare_loop, in_worker
from pytest_flame.measure.job import Plan

WORK = """
import json
import random
import resource
import threading
import time

depths = DEPTHS
turn = []


def descend(n):
    return 1 if n == 0 else descend(n - 1) + 1


def timed():
    faults, began = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt, time.thread_time_ns()
    for _ in range(100):
        descend(40)
    spent = time.thread_time_ns() - began
    return spent, resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - faults


def below(frames):
    return timed() if frames == 0 else below(frames - 1)


def at(frames):
    turn.append((frames, *below(frames)))


def at_all_depths(call=at):
    turn.clear()
    for frames in random.sample(depths, len(depths)):
        call(frames)
    with open(RESULT, "a", encoding="utf-8") as out:
        print(json.dumps(turn), file=out)


def in_threads():
    def call(frames):
        thread = threading.Thread(target=at, args=(frames,))
        thread.start()
        thread.join()

    at_all_depths(call)
"""
TESTS = """
import pytest
from work import at_all_depths, in_threads

@pytest.fixture
def anyio_backend():
    return "asyncio"

def test_plain():
    at_all_depths()

@pytest.mark.anyio
async def test_async():
    at_all_depths()

def test_with(flame):
    with flame:
        at_all_depths()

def test_call(flame):
    flame(at_all_depths)

def test_fresh():
    at_all_depths()

def test_thread():
    in_threads()
"""
MODES = ("plain", "async", "with", "call", "fresh", "thread")
CHECKS = ("bare", "unguarded")
ROUNDS = 8
"""Per process; more processes tell more than longer ones."""


@dataclass(frozen=True, slots=True)
class Depth:
    """One depth in one process: the median of its calls. ``relative`` is the ratio to the median of the calls of the
    same bodies."""

    ns: float
    relative: float
    faults: float


def project(folder: Path, depths: list[int]) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    work = WORK.replace("DEPTHS", repr(depths)).replace("RESULT", repr(str(folder / "turns.jsonl")))
    (folder / "work.py").write_text(work, encoding="utf-8")
    (folder / "test_depth.py").write_text(TESTS, encoding="utf-8")


def measure(folder: Path, mode: str, plan: Plan, seed: int) -> dict[int, Depth]:
    """One process."""
    result = folder / "turns.jsonl"
    result.unlink(missing_ok=True)
    if mode in CHECKS:
        in_bare_loop(folder / "work.py", "at_all_depths", plan, seed, room=mode == "bare")
    elif mode == "fresh":
        in_worker(folder, "test_depth.py::test_fresh", plan, seed, fresh=True)
    else:
        in_worker(folder, f"test_depth.py::test_{mode}", plan, seed)
    turns = [json.loads(line) for line in result.read_text(encoding="utf-8").splitlines()]
    calls: dict[int, list[Depth]] = defaultdict(list)
    for turn in turns:
        middle = statistics.median(ns for _, ns, _ in turn)
        for depth, ns, faults in turn:
            calls[depth].append(Depth(ns, ns / middle, faults))
    return {
        depth: Depth(*(statistics.median(getattr(call, name) for call in found) for name in Depth.__slots__))
        for depth, found in calls.items()
    }


def row(mode: str, processes: list[dict[int, Depth]]) -> tuple[str, float]:
    """The printed line, and the ratio."""
    relative = {depth: statistics.median(found[depth].relative for found in processes) for depth in processes[0]}
    faults = max(statistics.median(found[depth].faults for found in processes) for depth in relative)
    middle = statistics.median(depth.ns for found in processes for depth in found.values()) / 1000
    worst = max(relative, key=lambda depth: relative[depth])
    least = min(relative.values())
    ratio = relative[worst] / least
    costs = f"{least * middle:9.2f} µs{relative[worst] * middle:9.2f} µs"
    return f"{mode:10}{costs}{worst:5}{ratio:8.3f}{faults:8.1f}", ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default=",".join(MODES), help="of the gate, separated by commas (%(default)s)")
    parser.add_argument("--step", type=int, default=7, help="frames from one depth to the next (%(default)s)")
    parser.add_argument("--processes", type=int, default=16, help="of each mode (%(default)s)")
    parser.add_argument("--limit", type=float, default=1.02, help="largest over smallest cost (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    depths = list(range(0, 141, options.step))
    modes = [*options.modes.split(","), *CHECKS]
    rng = random.Random(options.seed)
    processes: dict[str, list[dict[int, Depth]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, depths)
        plan = replace(calibrated(folder, "test_depth.py::test_plain"), rounds=ROUNDS)
        for _ in range(options.processes):
            seed = rng.randrange(1 << 32)
            for mode in rng.sample(modes, len(modes)):
                processes[mode].append(measure(folder, mode, plan, seed))
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {version}, {len(depths)} depths, {options.processes} processes each")
    print(f"{'mode':10}{'smallest':>12}{'largest':>12}{'at':>5}{'ratio':>8}{'faults':>8}")
    beyond = False
    for mode in modes:
        line, ratio = row(mode, processes[mode])
        beyond |= mode not in CHECKS and ratio > options.limit
        print(line)
    return int(beyond)


if __name__ == "__main__":
    raise SystemExit(main())
