"""A program to sample: the workloads of ``stack_truth``, forever, once all their possible stacks are written.

    python -m benchmarks.sampler.torn_target POSSIBLE.json [RATE SECONDS SAMPLES.json]

With a rate it samples itself with pytest-flame for this many seconds and ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.sampler.series import MS
from benchmarks.sampler.stack_truth import PIECES, STOPS, no_automatic_gc, possible_stacks, workload
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

Names = tuple[str, ...]


def plain(qualname: str) -> str:
    """The last part of a qualified name: the only one that every sampler reports."""
    return qualname.rpartition(".")[2]


def possible_names() -> list[Names]:
    seen = possible_stacks(PIECES) | possible_stacks(PIECES) | possible_stacks(PIECES)
    return sorted({tuple(plain(f.qualname) for f in stack) for stack in seen})


def for_ever() -> None:
    while True:
        workload(PIECES)


def sampled(rate: int, seconds: float) -> dict[str, object]:
    stacks: dict[str, int] = {}
    with NativeSampler(SamplerInfo("perf-sigtrap", "task-clock", True, rate)) as sampler:
        sampler.set_stops(STOPS)
        sampler.start(1000 * MS // rate)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            sampler.resume()
            workload(PIECES)
            sampler.pause()
        sampler.stop()
        raw = sampler.samples()
    for stack in raw.stacks:
        if stack.cut:
            names = ";".join(plain(f.qualname) for f in stack.frames)
            stacks[names] = stacks.get(names, 0) + stack.count
    counts = raw.counts
    discarded = counts.unwindable + counts.lost + counts.overflowed + counts.throttled
    return {"stacks": stacks, "taken": counts.taken, "discarded": discarded}


def main() -> None:
    workload(PIECES)
    Path(sys.argv[1]).write_text(json.dumps(possible_names()), encoding="utf-8")
    with no_automatic_gc():
        if len(sys.argv) > 2:
            result = sampled(int(sys.argv[2]), float(sys.argv[3]))
            Path(sys.argv[4]).write_text(json.dumps(result), encoding="utf-8")
        else:
            print("ready", flush=True)
            for_ever()


if __name__ == "__main__":
    main()
