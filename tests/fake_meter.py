"""A process with simulated time: the clocks stand still until something works, and the sampler records its calls."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from pytest_flame.measure import rounds as rounds_module
from pytest_flame.model import CPU, Metric, SampleCounts, SamplerInfo
from pytest_flame.sampling import meter as meter_module
from pytest_flame.sampling import outside
from pytest_flame.sampling.meter import Meter
from pytest_flame.sampling.profile_source import RawSamples

SPIN_NS = 31_000
PERF = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)


@dataclass
class FakeClocks:
    """What the kernel would report, nanoseconds."""

    cpu_ns: int = 0
    system_ns: int = 0
    child_ns: int = 0
    wall_ns: int = 0
    faults: int = 0
    reading_ns: int = 0
    """CPU that reading the clocks itself costs."""

    def work(self, cpu_ns: int, *, system_ns: int = 0, child_ns: int = 0, waited_ns: int = 0, faults: int = 0) -> None:
        self.cpu_ns += cpu_ns
        self.system_ns += system_ns
        self.child_ns += child_ns
        self.faults += faults
        self.wall_ns += cpu_ns + child_ns + waited_ns

    def process_time_ns(self) -> int:
        self.work(self.reading_ns)
        return self.cpu_ns

    def monotonic_ns(self) -> int:
        return self.wall_ns

    def getrusage(self, who: int) -> SimpleNamespace:
        assert who == resource.RUSAGE_SELF
        user_ns = self.cpu_ns - self.system_ns
        return SimpleNamespace(ru_utime=user_ns / 1e9, ru_stime=self.system_ns / 1e9, ru_minflt=self.faults)


@dataclass
class FakeSampler:
    """Records its calls and insists on their order, as the C sampler does."""

    info: SamplerInfo = PERF
    gives: Metric = CPU
    helper_ns: int = 0
    refuses: OSError | None = None
    calls: list[str] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    @property
    def started(self) -> bool:
        return self.calls.count("start") > self.calls.count("stop")

    def set_stops(self, codes: tuple[object, ...]) -> None:
        raise NotImplementedError

    def start(self, period_ns: int, seed: int = 0) -> None:
        assert not self.started
        if self.refuses is not None:
            raise self.refuses
        self.calls.append("start")
        self.periods.append(period_ns)
        self.seeds.append(seed)

    def resume(self) -> None:
        assert self.started
        self.calls.append("resume")

    def pause(self) -> None:
        assert self.calls[-1] == "resume"
        self.calls.append("pause")

    def stop(self) -> None:
        assert self.started
        self.calls.append("stop")

    def total(self) -> int | None:
        return None

    def helper_cpu_ns(self) -> int:
        return self.helper_ns

    def samples(self) -> RawSamples:
        return RawSamples((), SampleCounts(), 0)

    def clear(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


@dataclass
class FakeChildren:
    clocks: FakeClocks
    hidden: str | None = None
    asked: list[int] = field(default_factory=list)

    def cpu_ns(self) -> int:
        return self.clocks.child_ns

    def unseen(self, counted_ns: int) -> str | None:
        self.asked.append(counted_ns)
        return self.hidden


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> FakeClocks:
    fake = FakeClocks()
    monkeypatch.setattr(meter_module, "clocks", fake)
    monkeypatch.setattr(rounds_module, "clocks", fake)
    rusage = {"RUSAGE_SELF": resource.RUSAGE_SELF, "getrusage": fake.getrusage}
    monkeypatch.setattr(meter_module, "resource", SimpleNamespace(**rusage))
    monkeypatch.setattr(outside, "queued_ns", lambda: 0)
    monkeypatch.setattr(outside, "spin_ns", lambda: SPIN_NS)
    return fake


@pytest.fixture
def sampler() -> FakeSampler:
    return FakeSampler()


@pytest.fixture
def new_meter(sampler: FakeSampler, clocks: FakeClocks) -> Callable[..., Meter]:
    return lambda seed=1: Meter(sampler, random.Random(seed), children=FakeChildren(clocks))
