"""Measured data: rounds, samples, processes; all processes of one side of a test are a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pytest_flame.errors import IntegrityError
from pytest_flame.model.exact import Counted
from pytest_flame.model.frame import Frame, SourceLine, Stack
from pytest_flame.model.metric import CPU, Metric

PS_PER_NS: Final = 1000
FAULT_NS: Final = 250
"""The least a minor page fault costs; including the mapping, or on a virtual machine, it is several times as much."""


@dataclass(frozen=True, slots=True)
class Round:
    """One timed group of iterations. ``cpu_ns`` is exact (clock), all threads, user and kernel, children included;
    ``wall_ns`` excludes the time the process waited for a CPU."""

    iterations: int
    cpu_ns: int
    wall_ns: int
    sampled: bool
    spin_ns: int | None = None
    """CPU time of a fixed loop run just before: how fast the processor was. None in recordings without it."""
    minor_faults: int | None = None
    """Pages the kernel mapped for the process during the round, without reading a disk. None in recordings without
    it."""
    amount: int | None = None
    """The recording's metric over all iterations, in its own terms; None if that is CPU time."""

    @property
    def cost(self) -> int:
        """Over all iterations, in the metric's terms."""
        return self.cpu_ns * PS_PER_NS if self.amount is None else self.amount


ENOUGH_PLAIN: Final = 0.25
"""Share of a process's rounds. Every other round is without samples, at least one in three if a process ended early;
recordings of earlier releases have at most one in five."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Summary of the clocks of all rounds of a process, as far as decisions need it."""

    rounds: int
    iterations: int
    """Iterations per round, the most common number."""
    calls: int
    """Iterations of all rounds."""
    cpu_ns: int
    """Of all rounds, as ``wall_ns``."""
    wall_ns: int
    sampled_cpu_ns: int
    """Of those with samples."""
    plain_cost: int | None
    """Cost of an iteration in rounds without samples, free of the cost of sampling; None if they are too few."""
    sampled_cost: int | None
    """Cost of an iteration in rounds with samples; None if there are none."""
    spin_ns: float | None = None
    """Time of the fixed loop in the median round. None if any round is without it."""
    minor_faults: float | None = None
    """Per iteration, in the median round, so pages touched for the first time do not count."""

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, rounds: tuple[Round, ...]) -> Timing:
        plain, sampled = ([r for r in rounds if r.sampled is kind] for kind in (False, True))
        spins = [r.spin_ns for r in rounds if r.spin_ns]
        faults = [r.minor_faults / r.iterations for r in rounds if r.minor_faults is not None]
        return cls(
            rounds=len(rounds),
            iterations=Counter(r.iterations for r in rounds).most_common(1)[0][0],
            calls=sum(r.iterations for r in rounds),
            cpu_ns=sum(r.cpu_ns for r in rounds),
            wall_ns=sum(r.wall_ns for r in rounds),
            sampled_cpu_ns=sum(r.cpu_ns for r in sampled),
            plain_cost=_cheaper_quarter(plain) if len(plain) >= ENOUGH_PLAIN * len(rounds) else None,
            sampled_cost=_cheaper_quarter(sampled) if sampled else None,
            spin_ns=_median(spins) if len(spins) == len(rounds) else None,
            minor_faults=_median(faults) if faults else None,
        )

    def check(self) -> None:
        counts = (self.rounds, self.iterations, self.calls)
        amounts = (self.cpu_ns, self.wall_ns, self.sampled_cpu_ns, self.plain_cost or 0, self.sampled_cost or 0)
        if min(counts) < 1 or min(amounts) < 0 or (self.spin_ns or 0) < 0 or (self.minor_faults or 0) < 0:
            raise IntegrityError(f"impossible rounds {self}")
        if self.plain_cost is None and self.sampled_cost is None:
            raise IntegrityError("a process without a cost")


def _median(values: Sequence[float]) -> float:
    """``statistics`` would import ``decimal`` into every measured process."""
    ordered, middle = sorted(values), len(values) // 2
    return float(ordered[middle]) if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _cheaper_quarter(rounds: Sequence[Round]) -> int:
    """The mean of the cheaper quarter: noise only adds time, and on replayed banks of real processes it gave the
    narrowest intervals of all estimators that average more than one round."""
    per_iteration = sorted(r.cost / r.iterations for r in rounds)
    cheaper = per_iteration[: (len(per_iteration) + 3) // 4]
    return round(sum(cheaper) / len(cheaper))


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What became of the samples of one process. Missing samples are shown; they never make a test look faster."""

    taken: int = 0
    unwindable: int = 0
    """Arrived where the stack could not be read safely."""
    lost: int = 0
    """Dropped inside the handler (contention between threads)."""
    overflowed: int = 0
    """Dropped because a table was full."""
    late: int = 0
    """Ticks merged into a later sample, whose weight includes them."""
    throttled: int = 0
    """Ticks that were due by the exact clock and did not come."""
    truncated: int = 0
    """So deep that frames are left out; kept, with ``[truncated]`` in their place: at the root beyond what the handler
    records, otherwise in the middle."""
    guessed: int = 0
    """With native frames: a caller was guessed, for lack of unwind information, and verified as possible."""
    incomplete: int = 0
    """With native frames: some are missing towards the root; the Python frames are all there."""

    def __add__(self, other: SampleCounts) -> SampleCounts:
        return SampleCounts(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))


@dataclass(frozen=True, slots=True)
class StackSample:
    """Samples of one stack in one process. ``weight_ns`` is the CPU time they stand for."""

    count: int
    weight_ns: int


@dataclass(frozen=True, slots=True)
class Outside:
    """What other programs and machines took while the rounds of one process ran. None: the kernel does not report
    it."""

    wall_ns: int
    cpus: int | None = None
    """CPUs of the machine: ``steal_ns`` is shared among them."""
    steal_ns: int | None = None
    """Stolen for other machines by the hypervisor, all CPUs together."""
    pressure_ns: int | None = None
    """Some task on the machine waited for a CPU, this process's or another."""
    queued_ns: int | None = None
    """The process was ready to run and had no CPU (its first thread)."""
    involuntary_switches: int | None = None
    """How often it was preempted."""


@dataclass(frozen=True, slots=True)
class Process:
    """One fresh interpreter: the replicate of every statistic."""

    rounds: tuple[Round, ...]
    """Empty if the process was not measured in this run: then ``told`` is their summary."""
    stacks: Mapping[Stack, StackSample]
    counts: SampleCounts = field(default_factory=SampleCounts)
    loop_cost: int = 0
    """Cost of one empty iteration, measured in this process; removed from every cost."""
    hash_seed: int = 0
    """PYTHONHASHSEED, and the seed of the random number generators."""
    outside: Outside | None = None
    first_call_ns: int | None = None
    """CPU of the body's first call in the process, exact; nothing is subtracted. None in recordings without it."""
    told: Timing | None = None

    @property
    def timing(self) -> Timing:
        return self.told if self.told is not None else Timing.of(self.rounds)

    def check(self) -> None:
        if bool(self.rounds) == (self.told is not None):
            raise IntegrityError("a process holds no rounds" if not self.rounds else "a process was timed twice")
        if self.told is not None:
            self.told.check()
        if (self.first_call_ns or 0) < 0:
            raise IntegrityError(f"a first call of {self.first_call_ns} ns")
        for r in self.rounds:
            if r.iterations < 1 or r.cpu_ns < 0 or r.wall_ns < 0 or min(r.minor_faults or 0, r.amount or 0) < 0:
                raise IntegrityError(f"impossible round {r}")
        for stack, s in self.stacks.items():
            if not stack or s.count < 0 or s.weight_ns < 0:
                raise IntegrityError(f"impossible sample {stack}: {s}")


@dataclass(frozen=True, slots=True)
class SamplerInfo:
    """How samples were taken. Two recordings whose ``rung``, ``event`` or ``kernel`` differ are not comparable."""

    rung: str
    """``perf-sigtrap`` or ``timer``."""
    event: str
    """``task-clock``, ``cpu-clock-looks`` (timer rung); ``cycles:u``, ``instructions:u``, with a ``p`` for each
    level of precision the processor gave (perf-list(1))."""
    kernel: bool
    """Whether kernel time is sampled in place; otherwise it is ``KERNEL_NOT_SAMPLED``."""
    frequency_hz: int
    reason: str = ""
    """Why a better rung was not used: the system's reason."""
    kernel_frames: bool = False
    """Whether kernel functions are separate frames; otherwise their time counts for the caller of the system call."""
    native_frames: bool = False
    """Whether native functions are separate frames; otherwise their cost counts for their Python caller."""


@dataclass(frozen=True, slots=True)
class Session:
    """An earlier recording of the same code: what is needed to estimate how much sessions differ."""

    costs: tuple[int, ...]
    """Exact cost of one iteration in each process (``fold.cost``)."""
    seed: int = 0
    recorded_at: str = ""

    def check(self) -> None:
        if not self.costs or min(self.costs) < 0:
            raise IntegrityError(f"a session with the costs {self.costs}")


@dataclass(frozen=True, slots=True)
class Recording:
    """All processes of one side of one test."""

    test_id: str
    processes: tuple[Process, ...]
    sampler: SamplerInfo
    fingerprint: Mapping[str, str]
    """What must match for two recordings to be comparable (CPU model, kernel, Python build, …)."""
    source_hashes: Mapping[str, str] = field(default_factory=dict)
    """Repository-relative path → SHA-256 of every project source file that was imported."""
    lines: Mapping[Frame, SourceLine] = field(default_factory=dict)
    fresh: bool = False
    metric: Metric = CPU
    """Which cost of the body was measured."""
    seed: int = 0
    recorded_at: str = ""
    """When, ISO 8601 with the offset from UTC; empty where unknown."""
    sessions: tuple[Session, ...] = ()
    """Earlier recordings of the same code on the same machine, oldest first."""
    line_weights: Mapping[Frame, Mapping[int, int]] = field(default_factory=dict)
    """Python function → source line → weight of the samples there (ns, all processes), with the C code the line calls.
    Only proportions within a function are meaningful; nothing is decided by them. Empty if unknown."""
    counted: Counted | None = None
    """Its exact passes; None if there were none. A stored one has only the calls that the project's own code makes."""
    floor: float = 0.0
    """Share of all samples. Calls with less were merged into their caller's self cost (``fold.pruned``)."""

    def check(self) -> None:
        if not self.processes:
            raise IntegrityError(f"{self.test_id}: a recording without processes")
        for p in self.processes:
            p.check()
        for session in self.sessions:
            session.check()
        if self.counted is not None:
            self.counted.calls.check()
        if not 0 <= self.floor < 1:
            raise IntegrityError(f"{self.test_id}: {self.floor} of all samples left out")
        for frame, weights in self.line_weights.items():
            if not weights or min(weights) < 0 or min(weights.values()) < 1:
                raise IntegrityError(f"impossible lines of {frame}: {weights}")
