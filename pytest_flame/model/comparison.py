"""Two recordings compared: the whole test, and each function of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pytest_flame.errors import IntegrityError
from pytest_flame.model.changed_code import CodeChange
from pytest_flame.model.frame import Frame, SourceLine
from pytest_flame.model.metric import CPU, Metric


class Change(enum.Enum):
    """What happened to a frame, as in the report."""

    UNCHANGED = "unchanged"
    SLOWER = "slower"
    FASTER = "faster"
    MORE_CALLS = "called more often"
    NEW = "new"
    GONE = "gone"
    MOVED = "moved"


class Under(enum.Enum):
    """Under which of its callers a frame grew, as far as shown."""

    UNKNOWN = "unknown"
    EVERY = "every"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class FrameDelta:
    """Growth of one frame between two recordings; per iteration, picoseconds.

    ``delta`` is inclusive, ``self_delta`` is self cost. ``low`` and ``high`` bound ``delta``
    simultaneously over the test's frames. ``growth`` says which of the two tests gave ``p_adjusted``.
    """

    frame: Frame
    base_self: int
    head_self: int
    base: int
    head: int
    low: int
    high: int
    p_adjusted: float
    """Family-wise adjusted p of "grew by more than the frame threshold" (the smaller of self and inclusive)."""
    significant: bool
    """The change, up or down, is significant at the stated level (against zero, family-wise)."""
    over_threshold: bool
    """Grew by more than the frame threshold, family-wise."""
    change: Change = Change.UNCHANGED
    caller: Frame | None = None
    """The caller that calls it more, for ``MORE_CALLS``; the only caller under which it grew, if there is one."""
    own_delta: int = 0
    """For a culprit: growth left after its culprit descendants are subtracted."""
    line: SourceLine | None = None
    self_low: int = 0
    self_high: int = 0
    """Bounds of ``self_delta``, as those of ``delta``."""
    blind: int | None = None
    """Smallest growth of this frame that this run would have named with 95 % probability; None if none would."""
    under: Under = Under.UNKNOWN
    """``ONE``: under ``caller`` only."""
    relative: float | None = None
    """For a culprit: its growth relative to its base cost where it grew (under ``caller`` only for ``ONE``)."""
    called_from: Frame | None = None
    """For a culprit of a library: the project's function, or the test's body, under which most of its growth is."""
    calls: tuple[int, int] | None = None
    """How often an execution of the body calls it on base and head; None if it was not counted, or varies."""
    renamed_from: Frame | None = None
    """The vanished frame this new one seems to be."""
    code_change: CodeChange | None = None
    """For a culprit: how its code differs from the base's; None if it does not, or if no commit was compared."""
    changed_caller: Frame | None = None
    """For a culprit whose own code is the same: the nearest function above it that changed, with most of its growth."""

    @property
    def delta(self) -> int:
        return self.head - self.base

    @property
    def self_delta(self) -> int:
        return self.head_self - self.base_self


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
    base: int
    head: int
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
    metric: Metric = CPU
    """What costs are costs of."""
    frames: tuple[FrameDelta, ...] = ()
    """Every frame of the union of both sides, largest absolute inclusive delta first."""
    culprits: tuple[FrameDelta, ...] = ()
    """Largest growth of self cost first; never contains MOVED frames."""
    moved: tuple[FrameDelta, ...] = ()
    blind_below: int = 0
    """Smallest growth of self cost of a typical frame that this run would have named with 95 % probability."""
    notes: tuple[str, ...] = ()
    unclear: tuple[FrameDelta, ...] = ()
    """Grew while others lost cost to them, without an unchanged sum being shown; neither culprit nor moved."""
    alike: bool = False
    """Everything is slower by the same factor: the whole test regressed and no function stands out."""
    unresolved: tuple[Frame, ...] = ()
    """Frames that may still turn out to be over their thresholds once the budget's remaining processes are measured."""
    session_sd: float = 0.0
    """Sd (log scale) between recordings of the same code that the interval allows for; 0 if measured together."""
    sessions: int = 0
    """Recordings of base that ``session_sd`` was estimated from; 0 if it is assumed."""
    tested: bool = True
    """False if there are too few profiles to estimate their noise: costs and deltas are valid, intervals and p are
    not."""
    outweighed: tuple[FrameDelta, ...] = ()
    """Grew by more than the frame threshold, but by no more than the whole test may, in a test that improved."""

    @property
    def improved(self) -> bool:
        """The whole test is faster by more than its threshold."""
        return self.high < 1 - self.limits.threshold

    @property
    def frame_threshold(self) -> float:
        """How much a function may grow, as a share of the test: in a test that improved, as much as the test itself."""
        return self.limits.frame_threshold_of(improved=self.improved)

    def check(self) -> None:
        if not self.low <= self.ratio <= self.high:
            raise IntegrityError(
                f"{self.test_id}: ratio {self.ratio} outside its own interval [{self.low}, {self.high}]"
            )
        if self.mde < 1 + self.limits.threshold:
            raise IntegrityError(f"{self.test_id}: detectable effect {self.mde} below the threshold")
