"""Does pytest-flame give functions the shares that ``perf record`` gives them? As near as two runs of perf are.

    python -m benchmarks.sampler.agreement [--repeats 10] [--results build/agreement.jsonl]
    sh ci/pythons.sh run 3.15 python -m benchmarks.sampler.agreement --load python

In one process the same load runs under perf, pytest-flame and perf again, in random order: task-clock of user mode, 4
kHz both. ``c`` and ``numpy`` compare the innermost native functions (all of the eval loop counts as one), ``python``
the innermost Python functions, which perf knows through Python's perf trampoline if Python is built with frame pointers
(3.15). For the five functions that are largest in perf, the largest difference of shares is taken between the two runs
of perf and between pytest-flame and one of them. Exit status 1 if the second is larger than the first: if the 95 %
interval of the median difference of the two is above 0.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.intervals import median_interval
from benchmarks.sampler.perf_record import PerfRecord
from benchmarks.sampler.series import MS, ROOT, Series, machine
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

FREQUENCY = 4000
PERIOD_NS = 1000 * MS // FREQUENCY
TOP = 5
EVAL = "[eval loop]"
Shares = dict[str, float]


# --- loads ----------------------------------------------------------------------------------------------------------


def sieve(n: int = 4000) -> int:
    prime = bytearray([1]) * n
    for i in range(2, int(n**0.5) + 1):
        if prime[i]:
            prime[i * i :: i] = bytes(len(range(i * i, n, i)))
    return sum(prime)


def collatz(n: int = 97) -> int:
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


def matrix(n: int = 12) -> int:
    rows = [[i * j for j in range(n)] for i in range(n)]
    total = 0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                total += rows[i][k] * rows[k][j]
    return total


def words(n: int = 300) -> int:
    seen: dict[str, int] = {}
    for i in range(n):
        word = str(i * 7919 % 97)
        seen[word] = seen.get(word, 0) + 1
    return len(seen)


def recursion(n: int = 12) -> int:
    return n if n < 2 else recursion(n - 1) + recursion(n - 2)


def python_load() -> None:
    for piece in (sieve, collatz, matrix, words, recursion):
        for _ in range(3):
            piece()


TEXT = json.dumps([{"name": f"n{i}", "values": list(range(i % 40))} for i in range(300)])


def c_load() -> None:
    zlib.compress(TEXT.encode(), 6)
    hashlib.sha256(TEXT.encode() * 20).digest()
    json.loads(TEXT)
    sorted(TEXT)
    re.findall(r"[a-z]+\d+", TEXT)


def numpy_load() -> None:
    import numpy as np

    values = np.random.default_rng(1).random(40_000)
    square = values.reshape(200, 200)
    np.sort(values)
    np.exp(values)
    np.cumsum(values)
    square @ square
    np.linalg.svd(square[:60, :60])


LOADS: dict[str, Callable[[], None]] = {"python": python_load, "c": c_load, "numpy": numpy_load}


# --- what each sampler found ----------------------------------------------------------------------------------------


def repeated(load: Callable[[], None], seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        load()


def as_shares(counts: Counter[str]) -> Shares:
    total = counts.total()
    return {name: count / total for name, count in counts.items()}


def of_perf(chains: list[list[tuple[str, str]]], python: bool) -> Shares:
    """Chains leaf first, as (symbol, file)."""
    counts: Counter[str] = Counter()
    for chain in chains:
        if python:
            names = [re.split(r"::|:", symbol, maxsplit=2)[1] for symbol, _ in chain if symbol.startswith("py::")]
            counts[names[0] if names else "[none]"] += 1
        else:
            counts[native_name(chain[0][0])] += 1
    return as_shares(counts)


def native_name(symbol: str) -> str:
    """One name for the parts that compilers split functions into, and for what has no name; without what the two write
    differently: C++ parameters and types, the mark of a guessed frame."""
    if symbol.startswith("["):
        return "[unknown]"
    plain = re.sub(r"\.(cold|part|isra|constprop|llvm|lto_priv)\b.*", "", symbol.partition("@")[0]).removesuffix("_[g]")
    plain = re.split(r"[<(]", plain)[0].rpartition(" ")[2]
    return EVAL if plain.startswith("_PyEval_EvalFrameDefault") or plain.startswith("py::") else plain


def with_perf(load: Callable[[], None], seconds: float, python: bool) -> Shares:
    with PerfRecord("task-clock:u", PERIOD_NS) as perf:
        perf.enable()
        repeated(load, seconds)
        perf.disable()
        return of_perf(perf.chains(), python)


def with_flame(load: Callable[[], None], seconds: float, python: bool) -> Shares:
    counts: Counter[str] = Counter()
    with NativeSampler(
        SamplerInfo("perf-sigtrap", "task-clock", False, FREQUENCY, native_frames=not python)
    ) as sampler:
        sampler.start(PERIOD_NS)
        sampler.resume()
        repeated(load, seconds)
        sampler.pause()
        sampler.stop()
        for stack in sampler.samples().stacks:
            leaf = stack.frames[-1]
            if python:
                counts[leaf.qualname] += stack.count
            else:
                counts[native_name(leaf.qualname) if leaf.library else EVAL] += stack.count
    return as_shares(counts)


def in_one_process(name: str, seconds: float, seed: int) -> dict[str, Any]:
    load, python = LOADS[name], name == "python"
    if python:
        if sys.version_info < (3, 12):
            sys.exit("perf knows Python functions from CPython 3.12 on")
        sys.activate_stack_trampoline("perf")
    load()
    sides: dict[str, Callable[[], Shares]] = {
        "perf": lambda: with_perf(load, seconds, python),
        "again": lambda: with_perf(load, seconds, python),
        "flame": lambda: with_flame(load, seconds, python),
    }
    order = random.Random(seed).sample(list(sides), len(sides))
    return {side: sides[side]() for side in order}


def largest_difference(one: Shares, other: Shares, names: list[str]) -> float:
    return max(abs(one.get(name, 0) - other.get(name, 0)) for name in names)


def judged(rows: list[dict[str, Any]], name: str) -> bool:
    between_perf, to_flame, excess = [], [], []
    for i, row in enumerate(rows):
        names = [n for n, _ in (Counter(row["perf"]) + Counter(row["again"])).most_common(TOP)]
        between_perf.append(largest_difference(row["perf"], row["again"], names))
        to_flame.append(largest_difference(row["flame"], row["perf" if i % 2 else "again"], names))
        excess.append(to_flame[-1] - between_perf[-1])
    interval = median_interval([100 * value for value in excess])
    good = interval.low <= 0
    ratio = median_interval(to_flame).middle / median_interval(between_perf).middle
    print(
        f"\n{name}, CPython {rows[0]['python']}: {len(rows)} repeats; largest difference of a top-5 share, median: "
        f"perf to perf {100 * median_interval(between_perf).middle:.2f} points, flame to perf "
        f"{100 * median_interval(to_flame).middle:.2f} (ratio {ratio:.2f}); the difference of the two "
        f"{interval.middle:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}] points{'' if good else '  APART'}"
    )
    means = {side: Counter[str]() for side in ("perf", "again", "flame")}
    for row in rows:
        for side, mean in means.items():
            mean.update({key: share / len(rows) for key, share in row[side].items()})
    for key, _ in (means["perf"] + means["again"]).most_common(TOP):
        shares = "   ".join(f"{side} {means[side][key]:6.2%}" for side in means)
        print(f"    {key[:50]:<50} {shares}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.5, help="of CPU, for each of the three runs")
    parser.add_argument("--load", action="append", choices=LOADS)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "agreement.jsonl")
    parser.add_argument("--process", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        print(json.dumps(in_one_process(options.process, options.seconds, options.seed)))
        return 0
    print(machine())
    series, good, python = Series(options.results), True, platform.python_version()
    loads = options.load or ["c", "numpy"]
    for repeat in range(options.repeats):
        for name in loads:
            key = {"load": name, "repeat": repeat, "seconds": options.seconds}
            if series.having(**key, python=python):
                continue
            command = [sys.executable, "-m", "benchmarks.sampler.agreement", f"--process={name}", f"--seed={repeat}"]
            command.append(f"--seconds={options.seconds}")
            # Threads of OpenBLAS that wait for work spin, for a different time each time.
            alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=alone)
            series.add(key | json.loads(done.stdout))
    for name in loads:
        good &= judged(series.having(load=name, seconds=options.seconds, python=python), name)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
