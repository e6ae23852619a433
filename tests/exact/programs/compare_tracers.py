"""Counts every workload with the C tracer and with the slow one; prints the differences as JSON, workload → texts."""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections import Counter
from types import FunctionType

import slow_tracer
import workloads
from slow_tracer import Edge, Name

from pytest_flame._exact import Tracer


def count(body: FunctionType) -> Counter[Edge]:
    tracer = Tracer()
    if sys.version_info < (3, 12):
        threading.setprofile(tracer.thread)
    tracer.start()
    tracer.phase(3, body=body.__code__)
    try:
        body()
    finally:
        tracer.phase(0, False)
        assert tracer.intact
        assert tracer.unbalanced == 0
        tracer.stop()
        threading.setprofile(None)
    callables, calls = tracer.read()
    names: list[Name] = [c if isinstance(c, tuple) else slow_tracer.python_name(c) for c in callables]
    edges: Counter[Edge] = Counter()
    for caller, callee, phase, calls_made in calls:
        assert phase == 3
        edges[names[caller] if caller >= 0 else None, names[callee]] += calls_made
    return edges


def of_workloads(edges: Counter[Edge]) -> Counter[Edge]:
    """Calls made by the workloads' own functions: how threads wait for each other depends on the machine."""
    return Counter({edge: n for edge, n in edges.items() if edge[0] and edge[0][0] == workloads.__file__})


def main() -> None:
    gc.disable()
    found: dict[str, list[str]] = {}
    for body in workloads.WORKLOADS:
        for _ in range(2):
            body()
        gc.collect()
        fast = count(body)
        gc.collect()
        slow = slow_tracer.count(body)
        if "threads" in body.__name__:
            fast, slow = of_workloads(fast), of_workloads(slow)
        found[body.__name__] = [
            f"{edge}: {fast[edge]}, not {slow[edge]}" for edge in fast.keys() | slow.keys() if fast[edge] != slow[edge]
        ] + ([] if sum(slow.values()) > 5 else ["too few calls"])
    json.dump(found, sys.stdout)


main()
