"""What watching child processes costs a worker that has none: at its start, and in each region.

    python -m benchmarks.children

Prints both relative to the whole: to the start of a worker (an interpreter that imports pytest), and to the shortest
region there is, which is not charged for it. Interleaved, medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from pytest_flame.measure import keeper
from pytest_flame.sampling.descendants import Descendants, Waited

STARTS: Final = 30
READINGS: Final = 20_000
WORKER: Final = [sys.executable, "-c", "import pytest"]


def start_s(command: list[str]) -> float:
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.wait()
    return time.monotonic() - began


def reading_ns(children: Descendants | Waited) -> float:
    began = time.process_time_ns()
    for _ in range(READINGS):
        children.cpu_ns()
    return (time.process_time_ns() - began) / READINGS


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = [sys.executable, "-I", "-S", keeper.__file__, str(Path(folder, "kept.json")), "", "", *WORKER]
        pairs = [(start_s(WORKER), start_s(kept)) for _ in range(STARTS)]
    alone = statistics.median(one for one, _ in pairs)
    more = statistics.median(other - one for one, other in pairs)
    print(f"a worker's start with its keeper: {alone * 1e3:.0f} ms and {more * 1e3:.0f} ms, +{more / alone:.1%}")
    waited, below = Waited(), Descendants(os.getpid())
    readings = [(reading_ns(waited), reading_ns(below)) for _ in range(9)]
    before, after = (statistics.median(column) for column in zip(*readings, strict=True))
    print(
        f"a reading without other processes: {before:.0f} ns for the children waited for alone, {after:.0f} ns for all"
    )
    print("neither is part of what is measured: readings are outside a region's clocks")


if __name__ == "__main__":
    main()
