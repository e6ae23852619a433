"""The data that flows through pytest-flame, from samples to verdicts.

Everything here is frozen, imports nothing of the package but ``errors``, and each compound type has a
``check`` that raises ``IntegrityError`` when an invariant is broken. Times inside are integers: picoseconds
(``_ps``) of CPU per iteration, nanoseconds (``_ns``) of clock readings.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median, mode
from typing import Final, NamedTuple

from pytest_flame.errors import IntegrityError

PS_PER_NS: Final = 1000
FAULT_NS: Final = 250
"""What a minor page fault costs at least; with the mapping around it or on a virtual machine, several times as much."""


_LIBRARY: Final = re.compile(r"\.so(\.\d+)*$")


class FrameKind(enum.Enum):
    PYTHON = "python"
    NATIVE = "native"
    KERNEL = "kernel"


class Frame(NamedTuple):
    """A function's identity: module and qualified name, never a line number or a checkout path.

    Written ``module:qualname``; native frames are ``library:symbol`` and kernel frames ``kernel:symbol``. A frame of
    another tool's profile may have no module and is written as it stands there.

    A named tuple because nearly all work on large profiles is hashing and comparing frames, which a tuple does
    several times as fast as a dataclass.
    """

    module: str
    qualname: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.qualname}" if self.module else self.qualname

    @property
    def kind(self) -> FrameKind:
        if self.module == "kernel":
            return FrameKind.KERNEL
        if self.module.startswith("[") or _LIBRARY.search(self.module):
            return FrameKind.NATIVE
        return FrameKind.PYTHON

    @classmethod
    def parse(cls, name: str) -> Frame:
        """Inverse of ``name`` for frames with a module: split at the first colon (module names hold none)."""
        module, _, qualname = name.partition(":")
        return cls(module, qualname)

    def __str__(self) -> str:
        return self.name


Stack = tuple[Frame, ...]
"""Root first. The root is the test body."""

KERNEL_NOT_SAMPLED: Final = Frame("kernel", "[not sampled]")
"""Kernel time of a process whose kernel side could not be sampled: the right size, no place."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where a frame is defined: ``path`` relative to the repository where it lies inside it."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Cost by stack: integer picoseconds of CPU per iteration, self cost of the stack's last frame."""

    costs: Mapping[Stack, int]

    @property
    def total_ps(self) -> int:
        return sum(self.costs.values())

    def check(self) -> None:
        for stack, cost in self.costs.items():
            if not stack:
                raise IntegrityError("a profile holds an empty stack")
            if not isinstance(cost, int) or cost < 0:
                raise IntegrityError(f"cost of {stack[-1]} is {cost!r}, not a whole number of picoseconds ≥ 0")


@dataclass(frozen=True, slots=True)
class Round:
    """One timed group of iterations. ``cpu_ns`` is exact (clock), all threads, user and kernel, children included;
    ``wall_ns`` leaves out what the process waited for a CPU."""

    iterations: int
    cpu_ns: int
    wall_ns: int
    sampled: bool
    spin_ns: int | None = None
    """CPU time of a fixed loop run just before: how fast the processor was. None in recordings without it."""
    minor_faults: int | None = None
    """Pages the kernel mapped for the process meanwhile, without reading a disk. None in recordings without it."""


ENOUGH_PLAIN: Final = 0.25
"""Part of a process's rounds. Every other round is without samples, at least one in three where a process ended early;
recordings of earlier releases have at most one in five."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What the clocks said of all rounds of a process, as far as anything is decided by it."""

    rounds: int
    iterations: int
    """Of a round, as most have them."""
    calls: int
    """Iterations of all rounds."""
    cpu_ns: int
    """Of all rounds, as ``wall_ns``."""
    wall_ns: int
    sampled_cpu_ns: int
    """Of those with samples."""
    plain_ps: int | None
    """An iteration in rounds without samples, free of what sampling costs; None where they are too few."""
    sampled_ps: int | None
    """An iteration in rounds with samples; None where there are none."""
    spin_ns: float | None = None
    """Of the fixed loop, in the median round. None where any round is without it."""
    minor_faults: float | None = None
    """An iteration's, in the median round: what is touched for the first time counts for nothing."""

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, rounds: tuple[Round, ...]) -> Timing:
        plain, sampled = ([r for r in rounds if r.sampled is kind] for kind in (False, True))
        spins = [r.spin_ns for r in rounds if r.spin_ns]
        faults = [r.minor_faults / r.iterations for r in rounds if r.minor_faults is not None]
        return cls(
            rounds=len(rounds),
            iterations=mode(r.iterations for r in rounds),
            calls=sum(r.iterations for r in rounds),
            cpu_ns=sum(r.cpu_ns for r in rounds),
            wall_ns=sum(r.wall_ns for r in rounds),
            sampled_cpu_ns=sum(r.cpu_ns for r in sampled),
            plain_ps=_cheaper_quarter_ps(plain) if len(plain) >= ENOUGH_PLAIN * len(rounds) else None,
            sampled_ps=_cheaper_quarter_ps(sampled) if sampled else None,
            spin_ns=float(median(spins)) if len(spins) == len(rounds) else None,
            minor_faults=median(faults) if faults else None,
        )

    def check(self) -> None:
        counts = (self.rounds, self.iterations, self.calls)
        amounts = (self.cpu_ns, self.wall_ns, self.sampled_cpu_ns, self.plain_ps or 0, self.sampled_ps or 0)
        if min(counts) < 1 or min(amounts) < 0 or (self.spin_ns or 0) < 0 or (self.minor_faults or 0) < 0:
            raise IntegrityError(f"impossible rounds {self}")
        if self.plain_ps is None and self.sampled_ps is None:
            raise IntegrityError("a process without a cost")


def _cheaper_quarter_ps(rounds: Sequence[Round]) -> int:
    """The mean of the cheaper quarter: noise only ever adds time, and replayed banks of real processes gave it the
    narrowest intervals of all that average more than one round."""
    per_iteration = sorted(r.cpu_ns * PS_PER_NS / r.iterations for r in rounds)
    cheaper = per_iteration[: (len(per_iteration) + 3) // 4]
    return round(sum(cheaper) / len(cheaper))


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What became of the samples of one process. Missing samples are shown; they never become speed."""

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
    """Ticks the exact clock says should have come and did not."""
    truncated: int = 0
    """So deep that frames are left out; kept, with ``[truncated]`` in their place: at the root beyond what the handler
    records, else in the middle."""
    guessed: int = 0
    """With native frames: some caller was guessed, for want of unwind information, and proved possible."""
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
    """What other programs and machines took while the rounds of one process ran. None: the kernel does not say."""

    wall_ns: int
    cpus: int | None = None
    """Of the machine: ``steal_ns`` is shared among them."""
    steal_ns: int | None = None
    """Given to other machines by the hypervisor, all CPUs together."""
    pressure_ns: int | None = None
    """Some task of the machine waited for a CPU, this process's or another."""
    queued_ns: int | None = None
    """The process was ready to run and had no CPU (its first thread)."""
    involuntary_switches: int | None = None
    """How often it was taken off its CPU before it was done."""


@dataclass(frozen=True, slots=True)
class Process:
    """One fresh interpreter: the replicate of every statistic."""

    rounds: tuple[Round, ...]
    """Empty where the process was not measured here and now: then ``told`` says what is known of them."""
    stacks: Mapping[Stack, StackSample]
    counts: SampleCounts = field(default_factory=SampleCounts)
    loop_ps: int = 0
    """Cost of one empty iteration, measured in this process; removed from every cost."""
    hash_seed: int = 0
    """PYTHONHASHSEED, and what the generators of random numbers were seeded with."""
    outside: Outside | None = None
    first_call_ns: int | None = None
    """CPU of the body's first call in the process, exact; nothing is taken off. None in recordings without it."""
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
            if r.iterations < 1 or r.cpu_ns < 0 or r.wall_ns < 0 or (r.minor_faults or 0) < 0:
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
    """Kernel time is sampled at its place; otherwise it is ``KERNEL_NOT_SAMPLED``."""
    frequency_hz: int
    reason: str = ""
    """Why a better rung was not used, in the system's words."""
    kernel_frames: bool = False
    """Kernel functions are frames of their own; otherwise their time is the system call's caller's."""
    native_frames: bool = False
    """Native functions are frames of their own; otherwise their cost is their Python caller's."""


@dataclass(frozen=True, slots=True)
class Session:
    """An earlier recording of the same code: what is needed of it to know how much sessions differ."""

    costs_ps: tuple[int, ...]
    """Exact cost of one iteration in each process (``fold.cost_ps``)."""
    seed: int = 0
    recorded_at: str = ""

    def check(self) -> None:
        if not self.costs_ps or min(self.costs_ps) < 0:
            raise IntegrityError(f"a session with the costs {self.costs_ps}")


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
    metric: str = "cpu"
    """What of the body was measured; of ``quantities.METRICS``."""
    seed: int = 0
    recorded_at: str = ""
    """When, ISO 8601 with the offset from UTC; empty where unknown."""
    sessions: tuple[Session, ...] = ()
    """Earlier recordings of the same code on the same machine, oldest first."""
    line_weights: Mapping[Frame, Mapping[int, int]] = field(default_factory=dict)
    """Python function → source line → weight of the samples there (ns, all processes), with the C code the line calls.
    Only proportions within a function mean something; nothing is decided by them. Empty where unknown."""

    def check(self) -> None:
        if not self.processes:
            raise IntegrityError(f"{self.test_id}: a recording without processes")
        for p in self.processes:
            p.check()
        for session in self.sessions:
            session.check()
        for frame, weights in self.line_weights.items():
            if not weights or min(weights) < 0 or min(weights.values()) < 1:
                raise IntegrityError(f"impossible lines of {frame}: {weights}")


# --- comparing ---------------------------------------------------------------------------------------------


class Change(enum.Enum):
    """What happened to a frame, in the words of the report."""

    UNCHANGED = "unchanged"
    SLOWER = "slower"
    FASTER = "faster"
    MORE_CALLS = "called more often"
    NEW = "new"
    GONE = "gone"
    MOVED = "moved"


class Under(enum.Enum):
    """Under which of its callers a frame grew, as far as it is shown."""

    UNKNOWN = "unknown"
    EVERY = "every"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class FrameDelta:
    """Growth of one frame between two recordings; per iteration, picoseconds.

    ``delta_ps`` is inclusive, ``self_delta_ps`` the frame's own. ``low_ps`` and ``high_ps`` bound ``delta_ps``
    simultaneously over the test's frames. ``growth`` says which of both tests gave ``p_adjusted``.
    """

    frame: Frame
    base_self_ps: int
    head_self_ps: int
    base_ps: int
    head_ps: int
    low_ps: int
    high_ps: int
    p_adjusted: float
    """Family-wise adjusted p of "grew by more than the frame threshold" (the smaller of self and inclusive)."""
    significant: bool
    """The change, up or down, is real at the stated level (against zero, family-wise)."""
    over_threshold: bool
    """Grew by more than the frame threshold, family-wise."""
    change: Change = Change.UNCHANGED
    caller: Frame | None = None
    """Who calls it more, for ``MORE_CALLS``; the only caller under which it grew, where there is one."""
    own_delta_ps: int = 0
    """For a culprit: growth left after its culprit descendants are subtracted."""
    line: SourceLine | None = None
    self_low_ps: int = 0
    self_high_ps: int = 0
    """Bounds of ``self_delta_ps``, as those of ``delta_ps``."""
    blind_ps: int | None = None
    """Smallest growth of this very frame this run would have named with 95 % probability; None where none would."""
    under: Under = Under.UNKNOWN
    """``ONE``: under ``caller`` only."""
    relative: float | None = None
    """For a culprit: its growth over its base cost where it grew (under ``caller`` only for ``ONE``)."""
    called_from: Frame | None = None
    """For a culprit of a library: the project's function, or the test's body, under which most of its growth is."""
    renamed_from: Frame | None = None
    """The vanished frame this new one seems to be."""

    @property
    def delta_ps(self) -> int:
        return self.head_ps - self.base_ps

    @property
    def self_delta_ps(self) -> int:
        return self.head_self_ps - self.base_self_ps


@dataclass(frozen=True, slots=True)
class Limits:
    """The policy one comparison is judged by. Ratios: ``threshold=0.05`` is +5 %."""

    threshold: float = 0.05
    frame_threshold: float = 0.02
    alpha: float = 0.01

    def frame_threshold_of(self, *, improved: bool) -> float:
        """The frame threshold of a test: one that became faster by more than ``threshold`` fails for a function only
        if the growth would have failed the whole test."""
        return max(self.frame_threshold, self.threshold) if improved else self.frame_threshold


@dataclass(frozen=True, slots=True)
class Comparison:
    """Base against head for one test. ``ratio``, ``low``, ``high`` and ``mde`` are head/base."""

    test_id: str
    base_ps: int
    head_ps: int
    ratio: float
    low: float
    high: float
    level: float
    """Two-sided level of ``[low, high]``: 1 − 2·alpha, so that the interval and the verdict agree."""
    mde: float
    """Smallest true ratio this run would have called REGRESSED with 95 % probability."""
    base_processes: int
    head_processes: int
    limits: Limits
    frames: tuple[FrameDelta, ...] = ()
    """Every frame of the union of both sides, largest absolute inclusive delta first."""
    culprits: tuple[FrameDelta, ...] = ()
    """Largest own growth first; never contains MOVED frames."""
    moved: tuple[FrameDelta, ...] = ()
    blind_below_ps: int = 0
    """Smallest own growth of a typical frame this run would have named with 95 % probability."""
    notes: tuple[str, ...] = ()
    unclear: tuple[FrameDelta, ...] = ()
    """Grew while others lost cost to them, without the sum being shown to have stayed; neither culprit nor moved."""
    alike: bool = False
    """Everything is slower by the same factor: the whole test regressed and no function stands out."""
    unresolved: tuple[Frame, ...] = ()
    """Frames that may still turn out to be over their thresholds when the budget's remaining processes are in."""
    session_sd: float = 0.0
    """Sd (log scale) between recordings of the same code that the interval allows for; 0 where measured together."""
    sessions: int = 0
    """Recordings of base that ``session_sd`` was estimated from; 0 where it is assumed."""
    tested: bool = True
    """False where there are too few profiles to know their noise: costs and deltas hold, intervals and p do not."""
    outweighed: tuple[FrameDelta, ...] = ()
    """Grew by more than the frame threshold, but by no more than the whole test may, in a test that improved."""

    @property
    def improved(self) -> bool:
        """The whole test is faster by more than its threshold."""
        return self.high < 1 - self.limits.threshold

    @property
    def frame_threshold(self) -> float:
        """What a function may grow by, as a part of the test: in a test that improved, as much as the test itself."""
        return self.limits.frame_threshold_of(improved=self.improved)

    def check(self) -> None:
        if not self.low <= self.ratio <= self.high:
            raise IntegrityError(
                f"{self.test_id}: ratio {self.ratio} outside its own interval [{self.low}, {self.high}]"
            )
        if self.mde < 1 + self.limits.threshold:
            raise IntegrityError(f"{self.test_id}: detectable effect {self.mde} below the threshold")


class Verdict(enum.Enum):
    PASS = "PASS"
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NEW = "NEW"
    INCOMPATIBLE = "INCOMPATIBLE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Objection:
    """What a rule holds against a test. It convicts where the same is held against fresh pairs again."""

    rule: str
    subject: Frame | None = None
    """The function; None where it is the whole test."""
    bound: float = field(default=0.0, compare=False)
    """What was surely exceeded, as a part of the test's base cost."""
    by_alpha: bool = field(default=False, compare=False)
    """Raised falsely at most as often as the comparison's alpha says: a smaller one makes it surer."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one test and everything the reports show of it."""

    test_id: str
    verdict: Verdict
    reason: str
    """One line in words; always set."""
    comparison: Comparison | None = None
    base: Recording | None = None
    head: Recording | None = None
    details: str = ""
    """Several lines where there are some: a traceback, a list of differing fingerprint entries."""
    notes: tuple[str, ...] = ()
    """Warnings that do not change the verdict: drift, lost samples, session variance unknown, …"""
    interleaved: bool = False
    """Both sides were measured together; otherwise base is as stored."""
    base_commit: str | None = None
    """The commit that was measured as base."""
    objections: tuple[Objection, ...] = ()
    """What all rules hold against the test, whichever of them gave the verdict."""
    baseline_written: str | None = None
    """The baseline that this run wrote for the test, relative to the root: what head costs was accepted."""


class GateChangeKind(enum.Enum):
    """How a change touches the gate itself, in the words of the report; the most serious first."""

    UNMARKED = "no longer marked"
    SKIPPED = "no longer run"
    UNKNOWN = "not known"
    GONE = "gone, with its mark"
    LOOSENED = "tolerates more"
    SETTING = "setting changed"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class GateChange:
    """One change to what is gated or tolerated. ``subject`` is a test id, a setting, or a file."""

    kind: GateChangeKind
    subject: str
    was: str = ""
    now: str = ""

    @property
    def lost(self) -> bool:
        """Something was gated and is not any more, or nobody can tell: ``--flame-strict`` fails on it."""
        return self.kind in (GateChangeKind.UNMARKED, GateChangeKind.SKIPPED, GateChangeKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GateChanges:
    """What was looked for and found. ``commit`` is what the working tree was compared with, None where with nothing."""

    commit: str | None = None
    changes: tuple[GateChange, ...] = ()
    unknown: str = ""
    """Why the commit could not be looked at."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One whole run, as the reports need it."""

    judgements: tuple[Judgement, ...]
    mode: str
    """``stored``, ``interleaved``, or ``files``: nothing was measured, profiles were read."""
    seed: int
    limits: Limits
    sampler: SamplerInfo | None = None
    overhead: float | None = None
    """Observer effect: CPU of sampled rounds over unsampled ones, minus 1. None where unknown."""
    base_commit: str | None = None
    base_source: str | None = None
    """Where the base came from: the baseline directory, or a git ref."""
    processes: int = 0
    duration_s: float = 0.0
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    gate: GateChanges = GateChanges()
