"""CPython 3.15's own flame graph of a folded file, for compare.py. Runs on CPython 3.15 and imports nothing else.

    python3.15 benchmarks/render/cpython_flamegraph.py OUT.html HEAD.folded [BASE.folded]

``profiling.sampling`` draws only what it sampled: here its collector gets the stacks of the file, a million samples in
proportion to the file's counts, since it counts samples, not time.
"""

from __future__ import annotations

import sys
from typing import Any

from profiling.sampling import stack_collector  # type: ignore[import-not-found]

SAMPLES = 1_000_000
INTERVAL_US = 1000


def feed(collector: Any, path: str, per_sample: float) -> float:
    stacks: list[tuple[str, int]] = []
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            text, _, number = line.rpartition(" ")
            stacks.append((text, int(number)))
    per_sample = per_sample or sum(count for _, count in stacks) / SAMPLES
    frames: dict[str, tuple[str, tuple[int, int, int, int], str, None]] = {}
    for names, count in stacks:
        stack = []
        for name in names.split(";"):
            if name not in frames:
                module, _, function = name.partition(":")
                frames[name] = (module, (1, 1, -1, -1), function, None)
            stack.append(frames[name])
        stack.reverse()  # leaf first
        collector.process_frames(stack, 1, weight=max(1, round(count / per_sample)))
    return per_sample


def main() -> None:
    result, head, *base = sys.argv[1:]
    if base:
        collector = stack_collector.DiffFlamegraphCollector(
            INTERVAL_US, baseline_binary_path=base[0]
        )  # never read: its contents are passed below
        collector._baseline_collector = stack_collector.FlamegraphCollector(INTERVAL_US)
        per_sample = feed(collector._baseline_collector, base[0], 0.0)
    else:
        collector, per_sample = stack_collector.FlamegraphCollector(INTERVAL_US), 0.0
    feed(collector, head, per_sample)
    collector.set_stats(INTERVAL_US, SAMPLES * INTERVAL_US / 1e6, 1e6 / INTERVAL_US)
    if not collector.export(result):
        sys.exit("nothing was drawn")


if __name__ == "__main__":
    main()
