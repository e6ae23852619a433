"""The same function below 0, 7, 14, … 140 more frames, in every way the gate calls a body, and in a bare loop.

    python benchmarks/cost/depth.py [--modes plain,async] [--step 7] [--processes 3] [--limit 1.02]
    sh ci/pythons.sh run 3.14 python benchmarks/cost/depth.py

Prints for each mode the smallest and the largest cost (of so many fresh processes the cheapest, all depths and modes in
turn and in random order), their ratio, and the most page faults an iteration meets at any depth. The bare loop, in one
large frame, says how much of the ratio is this machine's noise. ``unguarded`` is the bare loop without the large frame:
what a depth costs where nobody sees to it. Exit status 1 where a mode of the gate is beyond the limit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from processes import Cost, calibrated, in_bare_loop, in_worker

from pytest_flame.measure.job import Plan

WORK = """
import asyncio
import threading


def descend(n):
    return 1 if n == 0 else descend(n - 1) + 1


def body():
    # Often enough that the frames above it, entered once, cost nothing beside it.
    for _ in range(1000):
        descend(40)


def below(frames):
    return body() if frames == 0 else below(frames - 1)


def in_thread(frames):
    thread = threading.Thread(target=below, args=(frames,))
    thread.start()
    thread.join()
"""
TESTS = """
import pytest
from work import below, in_thread

@pytest.fixture
def anyio_backend():
    return "asyncio"

def test_plain_{n}():
    below({n})

@pytest.mark.anyio
async def test_async_{n}():
    below({n})

def test_with_{n}(flame):
    with flame:
        below({n})

def test_call_{n}(flame):
    flame(below, {n})

def test_fresh_{n}():
    below({n})

def test_thread_{n}():
    in_thread({n})
"""
BARE = "def bare_{n}():\n    below({n})\n\n\n"
MODES = ("plain", "async", "with", "call", "fresh", "thread")


def project(folder: Path, depths: list[int]) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    header, tests = TESTS.split("def test_plain", 1)
    for n in depths:
        text = header + ("def test_plain" + tests).replace("{n}", str(n))
        (folder / f"test_{n}.py").write_text(text, encoding="utf-8")
    bare = "from work import below\n\n\n" + "".join(BARE.replace("{n}", str(n)) for n in depths)
    (folder / "bare.py").write_text(bare, encoding="utf-8")


def cost(folder: Path, mode: str, depth: int, plan: Plan, seed: int) -> Cost:
    if mode in ("bare", "unguarded"):
        return in_bare_loop(folder / "bare.py", f"bare_{depth}", plan, seed, room=mode == "bare")
    return in_worker(folder, f"test_{depth}.py::test_{mode}_{depth}", plan, seed, fresh=mode == "fresh")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default=",".join(MODES), help="of the gate, separated by commas (%(default)s)")
    parser.add_argument("--step", type=int, default=7, help="frames from one depth to the next (%(default)s)")
    parser.add_argument("--processes", type=int, default=3, help="of each mode at each depth (%(default)s)")
    parser.add_argument("--limit", type=float, default=1.02, help="largest over smallest cost (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    depths = list(range(0, 141, options.step))
    modes = options.modes.split(",")
    rng = random.Random(options.seed)
    costs: dict[tuple[str, int], list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, depths)
        plan = calibrated(folder, "test_0.py::test_plain_0")
        for _ in range(options.processes):
            seed = rng.randrange(1 << 32)
            turn = [(mode, depth) for mode in [*modes, "bare", "unguarded"] for depth in depths]
            rng.shuffle(turn)
            for mode, depth in turn:
                # One seed for a turn: what it draws at random is the same at every depth.
                costs[mode, depth].append(cost(folder, mode, depth, plan, seed))
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {version}, {len(depths)} depths, the cheapest of {options.processes} processes each")
    print(f"{'mode':10}{'smallest':>12}{'largest':>12}{'at':>5}{'ratio':>8}{'faults':>8}")
    beyond = False
    for mode in [*modes, "bare", "unguarded"]:
        cheapest = {depth: min(c.ns for c in costs[mode, depth]) for depth in depths}
        most = max(statistics.median(c.faults for c in costs[mode, depth]) for depth in depths)
        worst = max(cheapest, key=lambda depth: cheapest[depth])
        ratio = cheapest[worst] / min(cheapest.values())
        beyond |= mode in modes and ratio > options.limit
        small, large = min(cheapest.values()) / 1000, cheapest[worst] / 1000
        print(f"{mode:10}{small:9.2f} µs{large:9.2f} µs{worst:5}{ratio:8.3f}{most:8.1f}")
    return int(beyond)


if __name__ == "__main__":
    raise SystemExit(main())
