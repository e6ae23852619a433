"""How often to sample, so that it costs the program little: the cost of a tick is measured on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_flame import clocks
from pytest_flame.sampling.ladder import max_sample_rate, open_sampler
from pytest_flame.sampling.native import NativeSampler

BEARABLE: Final = 0.06
"""Share of the program's CPU that sampling may take in sampled rounds; the cost is read in the others."""
RATES: Final = (1997, 997, 499, 251, 127)
"""Samples per second of CPU time, best first. A few steps, so that runs on one machine agree; prime, so that they do
not alias."""

_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_SPAN_NS: Final = 5 * _MS
_PAIRS: Final = 9


@dataclass(frozen=True, slots=True)
class TickCost:
    """CPU nanoseconds that a sample costs the program; 0 if too little to measure."""

    ns: float

    def share(self, frequency_hz: int) -> float:
        return self.ns * frequency_hz / _NS_PER_S

    def best_rate(self, recorded_hz: int | None = None) -> int:
        """The highest acceptable rate of ``RATES``, or the lowest; a baseline's own rate while it costs no more than
        twice as much, since only recordings of the same rate can be compared."""
        if recorded_hz is not None and self.share(recorded_hz) <= 2 * BEARABLE:
            return recorded_hz
        return next((rate for rate in RATES if self.share(rate) <= BEARABLE), RATES[-1])


def tick_cost(sampler: NativeSampler) -> TickCost:
    """From the same work with and without sampling, alternating; takes a tenth of a second."""
    period_ns = max(_MS // 10, _NS_PER_S // max(1, max_sample_rate() or 10_000))
    lost_shares: list[float] = []
    ticks = 0
    for _ in range(_PAIRS):
        alone = burn(_SPAN_NS)
        sampler.clear()
        sampler.start(period_ns)
        try:
            sampler.resume()
            sampled = burn(_SPAN_NS)
            sampler.pause()
        finally:
            sampler.stop()
        ticks += sampler.samples().counts.taken
        lost_shares.append(1 - sampled / max(1, alone))
    lost_ns = max(0.0, statistics.median(lost_shares)) * _SPAN_NS
    return TickCost(lost_ns / max(1.0, ticks / _PAIRS))


def choose_rate(choice: str, recorded_hz: Sequence[int] = (), *, kernel_frames: bool, native_frames: bool) -> int:
    """The rate for a whole run with the sampler that ``choice`` opens. ``recorded_hz`` are the rates of the baselines
    to compare with. Raises ``SamplerUnavailable`` or ``UsageError``."""
    sampler = open_sampler(choice, min(RATES), kernel_frames=kernel_frames, native_frames=native_frames)
    try:
        cost = tick_cost(sampler)
    finally:
        sampler.close()
    return cost.best_rate(max(recorded_hz, default=None))


def burn(cpu_ns: int) -> int:
    """Uses that much CPU of this thread; returns the number of loops."""
    turns, end = 0, clocks.thread_time_ns() + cpu_ns
    while clocks.thread_time_ns() < end:
        for _ in range(500):
            pass
        turns += 1
    return turns
