"""Checks an installed pytest-flame without its checkout: both C modules load, samples name the function that was busy,
calls are counted exactly. What every wheel has to pass: installed.py"""

from __future__ import annotations

from importlib.metadata import version

import pytest_flame
from pytest_flame._exact import Tracer

CALLS = 500


def busy() -> None:
    for _ in range(20_000):
        pass


def sampled() -> None:
    with pytest_flame.Profiler() as profiler:
        for _ in range(CALLS):
            busy()
    result = profiler.profile
    share = sum(ns for frame, ns in result.self_ns().items() if frame.qualname == "busy") / max(result.sampled_ns, 1)
    print(f"{result.counts.taken} samples ({result.sampler.rung}), {share:.0%} of them in busy()")
    assert share > 0.5, result.folded()


def counted() -> None:
    tracer = Tracer()
    tracer.start()
    tracer.phase(0)
    for _ in range(CALLS):
        busy()
    tracer.stop()
    callables, edges = tracer.read()
    calls = sum(count for _, callee, _, count in edges if callables[callee] is busy.__code__)
    print(f"{calls} calls of busy()")
    assert calls == CALLS


print(f"pytest-flame {version('pytest-flame')}, {pytest_flame.__file__}")
sampled()
counted()
