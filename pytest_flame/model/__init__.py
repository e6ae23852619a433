"""The data that flow through pytest-flame, from samples to verdicts.

Everything here is frozen, imports nothing of the package but ``errors``, and each compound type has a
``check`` that raises ``IntegrityError`` when an invariant is broken. Times inside are integers: picoseconds
(``_ps``) of CPU per iteration, nanoseconds (``_ns``) of clock readings.
"""

from __future__ import annotations

from pytest_flame.model.comparison import Change, Comparison, FrameDelta, Limits, Under
from pytest_flame.model.frame import KERNEL_NOT_SAMPLED, Frame, FrameKind, SourceLine, Stack
from pytest_flame.model.judgement import (
    GateChange,
    GateChangeKind,
    GateChanges,
    Judgement,
    Objection,
    RunResult,
    Verdict,
)
from pytest_flame.model.profile import Profile
from pytest_flame.model.recording import (
    ENOUGH_PLAIN,
    FAULT_NS,
    PS_PER_NS,
    Outside,
    Process,
    Recording,
    Round,
    SampleCounts,
    SamplerInfo,
    Session,
    StackSample,
    Timing,
)

__all__ = [
    "ENOUGH_PLAIN",
    "FAULT_NS",
    "KERNEL_NOT_SAMPLED",
    "PS_PER_NS",
    "Change",
    "Comparison",
    "Frame",
    "FrameDelta",
    "FrameKind",
    "GateChange",
    "GateChangeKind",
    "GateChanges",
    "Judgement",
    "Limits",
    "Objection",
    "Outside",
    "Process",
    "Profile",
    "Recording",
    "Round",
    "RunResult",
    "SampleCounts",
    "SamplerInfo",
    "Session",
    "SourceLine",
    "Stack",
    "StackSample",
    "Timing",
    "Under",
    "Verdict",
]
