"""How many native stacks reach the thread's first frame from OpenBLAS's kernels, which have no unwind information?

    python -m benchmarks.sampler.openblas [--samples 3000] [--repeats 5] [--results build/openblas.jsonl]

Matrix products and decompositions with ``OPENBLAS_CORETYPE=Haswell``, alternately under pytest-flame with native frames
and under ``perf record --call-graph dwarf``. A stack counts if it is complete from OpenBLAS to the thread's first
frame. ``guessed``: stacks with a caller that was found without unwind information, each marked as such. Exit status 1
if fewer than 98 % of pytest-flame's reach the root.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.sampler.perf_record import PerfRecord
from benchmarks.sampler.series import MS, ROOT, Series, machine
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame

ENOUGH = 0.98
BEGINNINGS = ("_start", "__libc_start", "clone", "start_thread", "thread_start")
GUESSED = "_[g]"


def products(seconds: float) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    square, tall = rng.random((180, 180)), rng.random((300, 40))
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        square @ square
        np.linalg.solve(square, tall[:180])
        np.linalg.svd(tall[:80])
        tall.T @ tall


def begins(symbol: str) -> bool:
    return symbol.removesuffix(GUESSED).startswith(BEGINNINGS)


def of_flame(seconds: float) -> dict[str, int]:
    info = SamplerInfo("perf-sigtrap", "task-clock", False, 1000, native_frames=True)
    with NativeSampler(info) as sampler:
        sampler.start(MS)
        sampler.resume()
        products(seconds)
        sampler.pause()
        sampler.stop()
        stacks = sampler.samples().stacks

    def in_openblas(frames: tuple[RawFrame, ...]) -> bool:
        return any("openblas" in frame.library for frame in frames)

    inside = [stack for stack in stacks if in_openblas(stack.frames)]
    return {
        "stacks": sum(stack.count for stack in inside),
        "at_root": sum(stack.count for stack in inside if begins(stack.frames[0].qualname)),
        "guessed": sum(s.count for s in inside if any(f.qualname.endswith(GUESSED) for f in s.frames)),
    }


def of_perf(seconds: float) -> dict[str, int]:
    with PerfRecord("task-clock:u", MS, call_graph="dwarf,32768") as perf:
        perf.enable()
        products(seconds)
        perf.disable()
        chains = [chain for chain in perf.chains() if any("openblas" in file for _, file in chain)]
    return {"stacks": len(chains), "at_root": sum(begins(chain[-1][0]) for chain in chains)}


def in_one_process(samples: int, seed: int) -> dict[str, Any]:
    products(0.2)
    sides = {"flame": of_flame, "perf": of_perf}
    return {side: sides[side](samples / 1000) for side in random.Random(seed).sample(list(sides), len(sides))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=3000, help="for each side and repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "openblas.jsonl")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seed is not None:
        print(json.dumps(in_one_process(options.samples, options.seed)))
        return 0
    print(machine())
    series = Series(options.results)
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "1"}
    for repeat in range(options.repeats):
        key = {"asked": options.samples, "repeat": repeat}
        if not series.having(**key):
            command = [sys.executable, "-m", "benchmarks.sampler.openblas"]
            command += [f"--samples={options.samples}", f"--seed={repeat}"]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            series.add(key | json.loads(done.stdout))
    rows = series.having(asked=options.samples)
    reached = {}
    for side, label in (("flame", "pytest-flame, native frames"), ("perf", "perf record --call-graph dwarf")):
        sums = {name: sum(row[side][name] for row in rows) for name in rows[0][side]}
        reached[side] = sums["at_root"] / sums["stacks"]
        guessed = f", {sums['guessed'] / sums['stacks']:.1%} with a guessed frame, marked" if "guessed" in sums else ""
        of_all = f"{sums['at_root']:>6} of {sums['stacks']:>6} stacks reach the root ({reached[side]:.1%})"
        print(f"{label:<32}{of_all}{guessed}")
    print(f"limit {ENOUGH:.0%}")
    return 0 if reached["flame"] >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
