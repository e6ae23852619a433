"""The verdict on a test, and the result of a run."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pytest_flame.model.acceptance import Acceptance, EntryUse
from pytest_flame.model.changed_code import DiffCoverage
from pytest_flame.model.comparison import Comparison, Limits
from pytest_flame.model.exact import ExactComparison
from pytest_flame.model.frame import Frame
from pytest_flame.model.recording import Recording, SamplerInfo
from pytest_flame.model.shard import Shard


class Verdict(enum.Enum):
    PASS = "PASS"
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    ACCEPTED = "ACCEPTED"
    """Regressed, and accepted for a while by an entry of a reviewed file."""
    INCONCLUSIVE = "INCONCLUSIVE"
    NEW = "NEW"
    INCOMPATIBLE = "INCOMPATIBLE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Objection:
    """A rule's objection against a test. It convicts if the rule raises it again on fresh pairs."""

    rule: str
    subject: Frame | None = None
    """The function; None for the whole test."""
    bound: float = field(default=0.0, compare=False)
    """The bound that was surely exceeded, as a share of the test's base cost."""
    by_alpha: bool = field(default=False, compare=False)
    """Whether its false alarm rate is at most the comparison's alpha, so that a smaller alpha makes it more certain."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one test and everything the reports show about it."""

    test_id: str
    verdict: Verdict
    reason: str
    """One line in words; always set."""
    comparison: Comparison | None = None
    base: Recording | None = None
    head: Recording | None = None
    details: str = ""
    """Several lines, if any: a traceback, a list of differing fingerprint entries."""
    notes: tuple[str, ...] = ()
    """Warnings that do not change the verdict: drift, lost samples, session variance unknown, …"""
    interleaved: bool = False
    """Whether both sides were measured together; otherwise base is stored."""
    base_commit: str | None = None
    """The commit that was measured as base."""
    objections: tuple[Objection, ...] = ()
    """The objections of all rules against the test, whichever of them gave the verdict."""
    exact: ExactComparison | None = None
    """Both sides' exact passes, if the test was counted on both."""
    measured: bool = True
    """Whether it was timed in this run; otherwise the verdict rests on ``exact``."""
    baseline_written: str | None = None
    """The baseline that this run wrote for the test, relative to the root: head's cost was accepted."""
    wall_s: float = 0.0
    """How long measuring it took."""
    accepted: tuple[Acceptance, ...] = ()
    """For ACCEPTED: the entries that accept the slowdown."""


class GateChangeKind(enum.Enum):
    """How a change affects the gate itself, as in the report; the most serious first."""

    UNMARKED = "no longer marked"
    SKIPPED = "no longer run"
    UNKNOWN = "not known"
    GONE = "gone, with its mark"
    LOOSENED = "tolerates more"
    ACCEPTED = "slowdown accepted"
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
        """Something is no longer gated, or this is not known: ``--flame-strict`` fails on it."""
        return self.kind in (GateChangeKind.UNMARKED, GateChangeKind.SKIPPED, GateChangeKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GateChanges:
    """The result of the check. ``commit`` is what the working tree was compared with; None if with nothing."""

    commit: str | None = None
    changes: tuple[GateChange, ...] = ()
    unknown: str = ""
    """Why the commit could not be checked."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One whole run, as needed by the reports."""

    judgements: tuple[Judgement, ...]
    mode: str
    """``stored``, ``interleaved``, or ``files``: nothing was measured, profiles were read."""
    seed: int
    limits: Limits
    sampler: SamplerInfo | None = None
    overhead: float | None = None
    """Observer effect: CPU of sampled rounds over unsampled ones, minus 1. None if unknown."""
    base_commit: str | None = None
    base_source: str | None = None
    """Where the base came from: the baseline directory, or a git ref."""
    head_ref: str | None = None
    """The git ref that was measured as head; None: the working tree."""
    processes: int = 0
    duration_s: float = 0.0
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    gate: GateChanges = GateChanges()
    coverage: tuple[DiffCoverage, ...] = ()
    """Changed functions that no test runs; one entry for each commit that was measured as base."""
    shard: Shard | None = None
    """Which part of the tests this is, if several runs share them."""
    accepted: tuple[EntryUse, ...] = ()
    """The entries of the file of accepted slowdowns."""
