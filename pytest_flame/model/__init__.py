"""The data that flow through pytest-flame, from samples to verdicts.

Everything here is frozen, imports nothing of the package but ``errors``, and each compound type has a
``check`` that raises ``IntegrityError`` when an invariant is broken. Costs are whole numbers in the terms of their
``Metric`` (of CPU time: picoseconds), readings of clocks are nanoseconds (``_ns``).
"""

from __future__ import annotations

from pytest_flame.model.acceptance import Acceptance, EntryState, EntryUse
from pytest_flame.model.changed_code import ChangedCode, ChangedFunction, CodeChange, DiffCoverage
from pytest_flame.model.comparison import Change, Comparison, FrameDelta, Limits, Under
from pytest_flame.model.exact import (
    CallChange,
    Calls,
    Counted,
    Exact,
    ExactComparison,
    Footprint,
    combined,
    differences,
)
from pytest_flame.model.frame import IGNORED, KERNEL_NOT_SAMPLED, Frame, FrameKind, SourceLine, Stack
from pytest_flame.model.judgement import (
    GateChange,
    GateChangeKind,
    GateChanges,
    Judgement,
    Objection,
    RunResult,
    Verdict,
)
from pytest_flame.model.metric import (
    CALLS,
    CPU,
    FIRST_CALL,
    GATED,
    PROGRAM_CPU,
    SAMPLE_COUNT,
    SAMPLES,
    TIMES,
    Better,
    Metric,
    gated,
    metric_of,
)
from pytest_flame.model.profile import Costs, Profile, added, check_costs, earliest_lines
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
from pytest_flame.model.shard import Shard

__all__ = [
    "CALLS",
    "CPU",
    "ENOUGH_PLAIN",
    "FAULT_NS",
    "FIRST_CALL",
    "GATED",
    "IGNORED",
    "KERNEL_NOT_SAMPLED",
    "PROGRAM_CPU",
    "PS_PER_NS",
    "SAMPLES",
    "SAMPLE_COUNT",
    "TIMES",
    "Acceptance",
    "Better",
    "CallChange",
    "Calls",
    "Change",
    "ChangedCode",
    "ChangedFunction",
    "CodeChange",
    "Comparison",
    "Costs",
    "Counted",
    "DiffCoverage",
    "EntryState",
    "EntryUse",
    "Exact",
    "ExactComparison",
    "Footprint",
    "Frame",
    "FrameDelta",
    "FrameKind",
    "GateChange",
    "GateChangeKind",
    "GateChanges",
    "Judgement",
    "Limits",
    "Metric",
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
    "Shard",
    "SourceLine",
    "Stack",
    "StackSample",
    "Timing",
    "Under",
    "Verdict",
    "added",
    "check_costs",
    "combined",
    "differences",
    "earliest_lines",
    "gated",
    "metric_of",
]
