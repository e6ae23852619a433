"""What is said of a test, and of a run."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pytest_flame.model.comparison import Comparison, Limits
from pytest_flame.model.frame import Frame
from pytest_flame.model.recording import Recording, SamplerInfo


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
