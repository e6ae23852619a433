"""The inverse of ``json.py``: a run's result as the reports need it, without its profiles and exact passes."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_flame.errors import UsageError
from pytest_flame.model import (
    CPU,
    GATED,
    PS_PER_NS,
    Acceptance,
    Change,
    ChangedFunction,
    CodeChange,
    Comparison,
    DiffCoverage,
    EntryState,
    EntryUse,
    Frame,
    FrameDelta,
    GateChange,
    GateChangeKind,
    GateChanges,
    Judgement,
    Limits,
    Metric,
    RunResult,
    SamplerInfo,
    Shard,
    SourceLine,
    Under,
    Verdict,
)
from pytest_flame.render.json import SCHEMA_ID

_FIX: Final = "give a file that --flame-json or flame merge wrote with this version"


def read_document(path: Path) -> dict[str, Any]:
    """What ``--flame-json`` wrote. Raises ``UsageError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise UsageError(f"{path} can't be read", why=e.strerror or str(e)) from e
    except ValueError as e:
        raise UsageError(f"{path} is no JSON document", why=str(e), fix=_FIX) from e
    return read_text(text, str(path))


def read_text(text: str, name: str) -> dict[str, Any]:
    """``name`` is the file's, for errors. Raises ``UsageError``."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{name} is no JSON document", why=str(e), fix=_FIX) from e
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA_ID:
        raise UsageError(f"{name} is no result of a run", why=f"its schema is {found!r}, not {SCHEMA_ID!r}", fix=_FIX)
    checked: dict[str, Any] = document
    return checked


def result_of(document: Mapping[str, Any], name: str) -> RunResult:
    """``name`` is the file's, for errors. Raises ``UsageError``."""
    try:
        return _result(document)
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        why = f"it has no {e}" if isinstance(e, KeyError) else str(e)
        raise UsageError(f"{name} is no complete result of a run", why=why) from e


def _result(document: Mapping[str, Any]) -> RunResult:
    sampler, shard, gate = document["sampler"], document["shard"], document["gate"]
    limits = Limits(document["threshold"], document["frame_threshold"], document["alpha"])
    return RunResult(
        judgements=tuple(_judgement(test, limits.alpha) for test in document["tests"]),
        mode=document["mode"],
        seed=document["seed"],
        limits=limits,
        sampler=sampler and SamplerInfo(**{**sampler, "reason": sampler["reason"] or ""}),
        overhead=document["overhead"],
        base_commit=document["base"]["commit"],
        base_source=document["base"]["source"],
        processes=document["processes"],
        duration_s=document["duration_s"] or 0.0,
        interrupted=document["interrupted"],
        notes=tuple(document["notes"]),
        gate=GateChanges(
            gate["commit"],
            tuple(
                GateChange(GateChangeKind(c["kind"]), c["subject"], c["was"] or "", c["now"] or "")
                for c in gate["changes"]
            ),
            gate["unknown"] or "",
        ),
        coverage=tuple(map(_coverage, document["coverage"])),
        accepted=tuple(
            EntryUse(_acceptance(one), EntryState(one["state"]), tuple(one["tests"])) for one in document["accepted"]
        ),
        head_ref=document["head"]["ref"],
        shard=shard and Shard(shard["index"], shard["count"], shard["division"]),
    )


def _acceptance(one: Mapping[str, Any]) -> Acceptance:
    until = datetime.date.fromisoformat(one["until"])
    return Acceptance(one["test"], one["limit"], one["reason"], until, one["culprit"], one["place"])


def _coverage(document: Mapping[str, Any]) -> DiffCoverage:
    missed = tuple(
        ChangedFunction(Frame.parse(one["frame"]), CodeChange(one["code_change"]), SourceLine(one["path"], one["line"]))
        for one in document["missed"]
    )
    unknown = tuple(document["unknown"])
    return DiffCoverage(document["commit"], document["changed"], missed, document["exact"], unknown)


def _judgement(test: Mapping[str, Any], alpha: float) -> Judgement:
    return Judgement(
        test["id"],
        Verdict(test["verdict"]),
        test["reason"],
        comparison=_comparison(test, alpha) if test["base_ns"] is not None else None,
        details=test["details"] or "",
        notes=tuple(test["notes"]),
        interleaved=test["mode"] == "interleaved",
        base_commit=test["base_commit"],
        measured=test["evidence"] != "same code",
        baseline_written=test["baseline_written"],
        accepted=tuple(map(_acceptance, test["accepted_by"])),
        wall_s=test["wall_s"] or 0.0,
    )


def _comparison(test: Mapping[str, Any], alpha: float) -> Comparison:
    metric, base = GATED.get(test["metric"], CPU), _ps(test["base_ns"])
    culprits, moved, outweighed = (
        tuple(_delta(one, base, metric) for one in test[name]) for name in ("culprits", "moved", "outweighed")
    )
    return Comparison(
        test["id"],
        base,
        _ps(test["head_ns"]),
        _number(test["ratio"]),
        _number(test["low"]),
        _number(test["high"]),
        test["level"],
        _number(test["mde"]),
        test["base_processes"],
        test["head_processes"],
        Limits(test["threshold"], test["frame_threshold"], alpha),
        metric,
        culprits=culprits,
        moved=moved,
        outweighed=outweighed,
        alike=test["alike"],
        blind_below=_ps(test["blind_below_ns"]),
        session_sd=test["session_sd"],
        sessions=test["sessions"],
    )


def _delta(one: Mapping[str, Any], base: int, metric: Metric) -> FrameDelta:
    before = 0 if Change(one["change"]) is Change.NEW else base
    own = _ps(one["self_delta_ns"])
    return FrameDelta(
        Frame.parse(one["frame"]),
        base_self=before,
        head_self=before + own,
        base=before,
        head=before + _ps(one["delta_ns"]),
        low=_ps(one["low_ns"]),
        high=_ps(one["high_ns"]),
        p_adjusted=_number(one["p_adjusted"]),
        significant=True,
        over_threshold=True,
        change=Change(one["change"]),
        caller=_frame(one["caller"]),
        own_delta=_ps(one["own_delta_ns"]),
        line=SourceLine(one["path"], one["line"]) if one["path"] is not None else None,
        self_low=_ps(one["self_low_ns"]),
        self_high=_ps(one["self_high_ns"]),
        blind=None if one["blind_ns"] is None else _ps(one["blind_ns"]),
        under=Under(one["under"]),
        relative=one["relative"],
        called_from=_frame(one["called_from"]),
        calls=None if one["calls_base"] is None else (one["calls_base"], one["calls_head"]),
        renamed_from=_frame(one["renamed_from"]),
        code_change=one["code_change"] and CodeChange(one["code_change"]),
        changed_caller=_frame(one["changed_caller"]),
    )


def _frame(name: str | None) -> Frame | None:
    return None if name is None else Frame.parse(name)


def _ps(ns: float | None) -> int:
    return 0 if ns is None else round(ns * PS_PER_NS)


def _number(value: float | None) -> float:
    """``json.py`` writes null for what is not finite."""
    return math.inf if value is None else value
