"""The cost of a function in a bare loop: no pytest, no sampler, and room for its frames.

    python benchmarks/cost/bare.py FILE FUNCTION ITERATIONS ROUNDS [--no-room]

Prints nanoseconds of CPU and page faults of one iteration as JSON: the mean of the cheaper quarter of the rounds.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

ROOM = (32 << 20) // 8 - 999
"""Stack slots of a frame for which CPython maps a chunk of 64 MiB; half of the chunk is left for what the loop
calls."""


def loop(function: Callable[[], object], iterations: int) -> tuple[int, int]:
    turns = range(iterations)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time_ns()
    for _ in turns:
        function()
    spent = time.process_time_ns() - began
    return spent, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def nothing() -> None:
    pass


def rounds(function: Callable[[], object], iterations: int, count: int) -> tuple[float, float]:
    """One round to warm up, then those that count, without the cost of the empty loop and its call."""
    loop(function, iterations)
    measured = [loop(function, iterations) for _ in range(count)]
    empty = min(loop(nothing, iterations)[0] for _ in range(5)) / iterations
    cheaper = sorted(spent / iterations for spent, _ in measured)[: (count + 3) // 4]
    return statistics.fmean(cheaper) - empty, statistics.median(found / iterations for _, found in measured)


def main() -> None:
    path, name, iterations, count, *without = sys.argv[1:]
    if not without:
        rounds.__code__ = rounds.__code__.replace(co_stacksize=ROOM)
    spec = importlib.util.spec_from_file_location("bodies", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bodies"] = module
    spec.loader.exec_module(module)
    ns, faults = rounds(getattr(module, name), int(iterations), int(count))
    print(json.dumps({"ns": ns, "faults": faults}))


if __name__ == "__main__":
    main()
