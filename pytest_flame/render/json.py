"""The machine-readable result: times in nanoseconds, effects as head/base ratios, unknown values null."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Any, Final

from pytest_flame.model import (
    PS_PER_NS,
    Acceptance,
    Comparison,
    ExactComparison,
    FrameDelta,
    Judgement,
    Metric,
    Recording,
    RunResult,
)
from pytest_flame.render import words
from pytest_flame.stats.faults import median_faults
from pytest_flame.stats.first_calls import median_first_call

_MOST_LISTED: Final = 100
SCHEMA_ID: Final = "pytest-flame/result/1"


def result_json(result: RunResult, *, report: str | None = None) -> dict[str, Any]:
    """The whole run as plain data that ``schema()`` accepts and ``json.dumps(…, allow_nan=False)`` can write.
    ``report`` is the folder of the page and its pictures, relative to the file."""
    sampler, shard = result.sampler, result.shard
    return {
        "schema": SCHEMA_ID,
        "mode": result.mode,
        "base": {"commit": result.base_commit or None, "source": result.base_source or None},
        "head": {"ref": result.head_ref},
        "seed": result.seed,
        "sampler": sampler
        and {
            "rung": sampler.rung,
            "event": sampler.event,
            "kernel": sampler.kernel,
            "kernel_frames": sampler.kernel_frames,
            "native_frames": sampler.native_frames,
            "frequency_hz": sampler.frequency_hz,
            "reason": sampler.reason or None,
        },
        "overhead": _finite(result.overhead),
        "threshold": result.limits.threshold,
        "frame_threshold": result.limits.frame_threshold,
        "alpha": result.limits.alpha,
        "processes": result.processes,
        "duration_s": _finite(result.duration_s),
        "report": report,
        "shard": shard and {"index": shard.index, "count": shard.count, "division": shard.division},
        "interrupted": result.interrupted,
        "notes": list(result.notes),
        "gate": {
            "commit": result.gate.commit,
            "unknown": result.gate.unknown or None,
            "changes": [
                {
                    "kind": change.kind.value,
                    "subject": change.subject,
                    "was": change.was or None,
                    "now": change.now or None,
                    "lost": change.lost,
                }
                for change in result.gate.changes
            ],
        },
        "coverage": [
            {
                "commit": coverage.commit,
                "changed": coverage.changed,
                "exact": coverage.exact,
                "missed": [
                    {
                        "frame": function.frame.name,
                        "code_change": function.change.value,
                        "path": function.line.path,
                        "line": function.line.line,
                    }
                    for function in coverage.missed
                ],
                "unknown": list(coverage.unknown),
            }
            for coverage in result.coverage
        ],
        "accepted": [
            {**_entry(use.entry), "state": use.state.value, "tests": list(use.tests)} for use in result.accepted
        ],
        "tests": [_test(judgement) for judgement in result.judgements],
    }


def json_text(result: RunResult, *, report: str | None = None) -> str:
    """The document that ``--flame-json`` writes."""
    return json.dumps(result_json(result, report=report), indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The published JSON schema of ``result_json``."""
    text = files("pytest_flame.render").joinpath("result.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _test(judgement: Judgement) -> dict[str, Any]:
    comparison = judgement.comparison
    figures = _figures(comparison) if comparison else dict.fromkeys(_FIGURES)
    measured = judgement.head or comparison
    metric = measured.metric if measured is not None else None
    return {
        "id": judgement.test_id,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "mode": "interleaved" if judgement.interleaved else "stored",
        "base_commit": judgement.base_commit,
        "baseline_written": judgement.baseline_written,
        "wall_s": _finite(judgement.wall_s),
        "accepted_by": [_entry(entry) for entry in judgement.accepted],
        "evidence": None if judgement.comparison is None and judgement.measured else words.evidence(judgement),
        "exact": None if judgement.exact is None else _exact(judgement.exact),
        **figures,
        "base_minor_faults": _faults(judgement.base),
        "head_minor_faults": _faults(judgement.head),
        "metric": metric.name if metric is not None else None,
        "unit": None if metric is None else _unit(metric),
        "base_first_call_ns": _first_call_ns(judgement.base),
        "head_first_call_ns": _first_call_ns(judgement.head),
        "culprits": [_frame(delta, comparison) for delta in comparison.culprits] if comparison else [],
        "moved": [_frame(delta, comparison) for delta in comparison.moved] if comparison else [],
        "outweighed": [_frame(delta, comparison) for delta in comparison.outweighed] if comparison else [],
        "notes": [*judgement.notes, *(comparison.notes if comparison else ())],
        "details": judgement.details or None,
    }


_FIGURES: Final = (
    "base_ns",
    "head_ns",
    "ratio",
    "low",
    "high",
    "level",
    "mde",
    "processes",
    "base_processes",
    "head_processes",
    "threshold",
    "frame_threshold",
    "sessions",
    "session_sd",
    "alike",
    "blind_below_ns",
)


def _figures(comparison: Comparison) -> dict[str, Any]:
    values = (
        _ns(comparison.base),
        _ns(comparison.head),
        _finite(comparison.ratio),
        _finite(comparison.low),
        _finite(comparison.high),
        comparison.level,
        _finite(comparison.mde),
        min(comparison.base_processes, comparison.head_processes),
        comparison.base_processes,
        comparison.head_processes,
        comparison.limits.threshold,
        comparison.limits.frame_threshold,
        comparison.sessions,
        comparison.session_sd,
        comparison.alike,
        _ns(comparison.blind_below),
    )
    return dict(zip(_FIGURES, values, strict=True))


def _entry(entry: Acceptance) -> dict[str, Any]:
    return {
        "test": entry.test,
        "culprit": entry.culprit,
        "limit": entry.limit,
        "reason": entry.reason,
        "until": entry.until.isoformat(),
        "place": entry.place,
    }


def _exact(exact: ExactComparison) -> dict[str, Any]:
    head = exact.head
    return {
        "same_code": exact.same_code,
        "base_digest": exact.base.digests[0],
        "head_digest": head.digests[0],
        "functions": head.functions,
        "files": head.files,
        "libraries": head.libraries,
        "differences": list(exact.differences[:_MOST_LISTED]),
        "unknown": list(dict.fromkeys((*head.unknown, *exact.base.unknown))),
        "unstable": sorted(frame.name for frame in exact.unstable)[:_MOST_LISTED],
        "calls": [
            {"caller": c.caller and c.caller.name, "callee": c.callee.name, "base": c.base, "head": c.head}
            for c in exact.changes[:_MOST_LISTED]
        ],
    }


def _faults(recording: Recording | None) -> float | None:
    return _finite(median_faults(recording.processes)) if recording is not None else None


def _first_call_ns(recording: Recording | None) -> float | int | None:
    found = median_first_call(recording.processes) if recording is not None else None
    return None if found is None else _ns(round(found))


def _frame(delta: FrameDelta, comparison: Comparison) -> dict[str, Any]:
    return {
        "frame": delta.frame.name,
        "caller": delta.caller.name if delta.caller else None,
        "called_from": delta.called_from.name if delta.called_from else None,
        "kind": delta.frame.kind.value,
        "change": delta.change.value,
        "what": words.what_happened(delta),
        "under": delta.under.value,
        "relative": delta.relative,
        "code_change": delta.code_change.value if delta.code_change else None,
        "changed_caller": delta.changed_caller.name if delta.changed_caller else None,
        "renamed_from": delta.renamed_from.name if delta.renamed_from else None,
        "path": delta.line.path if delta.line else None,
        "line": delta.line.line if delta.line else None,
        "self_delta_ns": _ns(delta.self_delta),
        "self_low_ns": _ns(delta.self_low),
        "self_high_ns": _ns(delta.self_high),
        "base_ns": _ns(delta.base),
        "head_ns": _ns(delta.head),
        "delta_ns": _ns(delta.delta),
        "own_delta_ns": _ns(words.own_growth(delta)),
        "low_ns": _ns(delta.low),
        "high_ns": _ns(delta.high),
        "blind_ns": None if delta.blind is None else _ns(delta.blind),
        "share_of_change": words.share_of_change(comparison, delta),
        "calls_base": delta.calls and delta.calls[0],
        "calls_head": delta.calls and delta.calls[1],
        "p_adjusted": _finite(delta.p_adjusted),
    }


def _unit(metric: Metric) -> str:
    return "ns" if metric.timed else metric.unit_name


def _ns(ps: int) -> float | int:
    return ps // PS_PER_NS if ps % PS_PER_NS == 0 else ps / PS_PER_NS


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
