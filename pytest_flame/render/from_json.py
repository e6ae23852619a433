"""The inverse of ``json.py``: a run's result as the reports need it, without its profiles and exact passes.

The document may come from a job that ran a stranger's code: every value is checked, and none becomes more than a number
or text that the reports escape.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from pytest_flame.baseline.fields import Field, Malformed
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
    metric_of,
)
from pytest_flame.render.json import SCHEMA_ID

MOST_BYTES: Final = 256 << 20
E = TypeVar("E", bound=Enum)
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_UNIT: Final = re.compile(r"[A-Za-z][\w ]{0,30}")
_FIX: Final = "give a file that --flame-json or flame merge wrote with this version"


def read_document(path: Path) -> dict[str, Any]:
    """What ``--flame-json`` wrote. Raises ``UsageError``."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UsageError(f"{path} is no result of a run", why=f"it is larger than {MOST_BYTES >> 20} MiB")
        text = data.decode("utf-8")
    except OSError as e:
        raise UsageError(f"{path} can't be read", why=e.strerror or str(e), fix=_FIX) from e
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
        return _run(Field(document, ""))
    except Malformed as e:
        raise UsageError(f"{name} is no complete result of a run", why=str(e), fix=_FIX) from e


def _run(run: Field) -> RunResult:
    base, shard = run.member("base"), run.member("shard")
    return RunResult(
        judgements=tuple(map(_judgement, run.member("tests").items())),
        mode=run.member("mode").text(),
        seed=run.member("seed").integer(None),
        limits=_limits(run, run.member("alpha").number()),
        sampler=run.member("sampler").optional(_sampler),
        overhead=run.member("overhead").optional(Field.number),
        base_commit=base.member("commit").optional(_commit),
        base_source=base.member("source").optional(Field.text),
        processes=run.member("processes").integer(),
        duration_s=run.member("duration_s").optional(Field.number) or 0.0,
        interrupted=run.member("interrupted").flag(),
        notes=_texts(run.member("notes")),
        gate=_gate(run.member("gate")),
        coverage=tuple(map(_coverage, run.member("coverage").items())),
        accepted=tuple(map(_entry, run.member("accepted").items())),
        head_ref=run.member("head").member("ref").optional(Field.text),
        shard=shard.optional(_shard),
    )


def _entry(entry: Field) -> EntryUse:
    return EntryUse(_acceptance(entry), _one_of(EntryState, entry.member("state")), _texts(entry.member("tests")))


def _acceptance(entry: Field) -> Acceptance:
    try:
        until = datetime.date.fromisoformat(entry.member("until").text())
    except ValueError:
        entry.member("until").fail("is not a date")
    return Acceptance(
        entry.member("test").text(),
        entry.member("limit").number(),
        entry.member("reason").text(),
        until,
        entry.member("culprit").optional(Field.text),
        entry.member("place").text(),
    )


def _sampler(sampler: Field) -> SamplerInfo:
    return SamplerInfo(
        rung=sampler.member("rung").text(),
        event=sampler.member("event").text(),
        kernel=sampler.member("kernel").flag(),
        frequency_hz=sampler.member("frequency_hz").integer(),
        reason=sampler.member("reason").optional(Field.text) or "",
        kernel_frames=sampler.member("kernel_frames").flag(),
        native_frames=sampler.member("native_frames").flag(),
    )


def _shard(shard: Field) -> Shard:
    return Shard(shard.member("index").integer(), shard.member("count").integer(), shard.member("division").text())


def _limits(holder: Field, alpha: float) -> Limits:
    return Limits(holder.member("threshold").number(), holder.member("frame_threshold").number(), alpha)


def _judgement(test: Field) -> Judgement:
    compared = test.member("base_ns").value is not None and test.member("head_ns").value is not None
    return Judgement(
        test_id=test.member("id").text(),
        verdict=_one_of(Verdict, test.member("verdict")),
        reason=test.member("reason").text(),
        comparison=_comparison(test) if compared else None,
        details=test.member("details").optional(Field.text) or "",
        notes=_texts(test.member("notes")),
        interleaved=test.member("mode").text() == "interleaved",
        base_commit=test.member("base_commit").optional(_commit),
        measured=test.member("evidence").value != "same code",
        baseline_written=test.member("baseline_written").optional(Field.text),
        accepted=tuple(map(_acceptance, test.member("accepted_by").items())),
        wall_s=test.member("wall_s").optional(Field.number) or 0.0,
    )


def _comparison(test: Field) -> Comparison:
    level = test.member("level").number()
    return Comparison(
        test_id=test["id"].text(),
        base=_cost(test.member("base_ns")),
        head=_cost(test.member("head_ns")),
        ratio=_figure(test.member("ratio")),
        low=_figure(test.member("low")),
        high=_figure(test.member("high")),
        level=level,
        mde=_figure(test.member("mde")),
        base_processes=test.member("base_processes").integer(),
        head_processes=test.member("head_processes").integer(),
        limits=_limits(test, (1 - level) / 2),
        metric=_metric(test),
        culprits=_deltas(test.member("culprits")),
        moved=_deltas(test.member("moved")),
        outweighed=_deltas(test.member("outweighed")),
        alike=test.member("alike").flag(),
        blind_below=_cost(test.member("blind_below_ns")),
        session_sd=test.member("session_sd").number(),
        sessions=test.member("sessions").integer(),
    )


def _metric(test: Field) -> Metric:
    if test.member("metric").value is None:
        return CPU
    name, unit = test.member("metric").text(), _matching(_UNIT, test.member("unit"))
    return GATED.get(name) or replace(metric_of(unit, PS_PER_NS), name=name)


def _deltas(frames: Field) -> tuple[FrameDelta, ...]:
    return tuple(map(_delta, frames.items()))


def _delta(frame: Field) -> FrameDelta:
    path, line = frame.member("path").value, frame.member("line").value
    calls = tuple(frame.member(f"calls_{side}").optional(Field.integer) for side in ("base", "head"))
    return FrameDelta(
        frame=_frame(frame.member("frame")),
        base_self=0,
        head_self=_cost(frame.member("self_delta_ns")),
        base=_cost(frame.member("base_ns")),
        head=_cost(frame.member("head_ns")),
        low=_cost(frame.member("low_ns")),
        high=_cost(frame.member("high_ns")),
        p_adjusted=_figure(frame.member("p_adjusted")),
        significant=True,
        over_threshold=True,
        change=_one_of(Change, frame.member("change")),
        caller=frame.member("caller").optional(_frame),
        own_delta=_cost(frame.member("own_delta_ns")),
        line=SourceLine(frame["path"].text(), frame["line"].integer())
        if path is not None and line is not None
        else None,
        self_low=_cost(frame.member("self_low_ns")),
        self_high=_cost(frame.member("self_high_ns")),
        blind=frame.member("blind_ns").optional(_cost),
        under=_one_of(Under, frame.member("under")),
        relative=frame.member("relative").optional(Field.number),
        called_from=frame.member("called_from").optional(_frame),
        calls=(calls[0], calls[1]) if calls[0] is not None and calls[1] is not None else None,
        renamed_from=frame.member("renamed_from").optional(_frame),
        code_change=frame.member("code_change").optional(lambda f: _one_of(CodeChange, f)),
        changed_caller=frame.member("changed_caller").optional(_frame),
    )


def _gate(gate: Field) -> GateChanges:
    return GateChanges(
        gate.member("commit").optional(_commit),
        tuple(
            GateChange(
                _one_of(GateChangeKind, change.member("kind")),
                change.member("subject").text(),
                change.member("was").optional(Field.text) or "",
                change.member("now").optional(Field.text) or "",
            )
            for change in gate.member("changes").items()
        ),
        gate.member("unknown").optional(Field.text) or "",
    )


def _coverage(coverage: Field) -> DiffCoverage:
    missed = tuple(
        ChangedFunction(
            _frame(function.member("frame")),
            _one_of(CodeChange, function.member("code_change")),
            SourceLine(function.member("path").text(), function.member("line").integer()),
        )
        for function in coverage.member("missed").items()
    )
    return DiffCoverage(
        _commit(coverage.member("commit")),
        coverage.member("changed").integer(),
        missed,
        coverage.member("exact").flag(),
        _texts(coverage.member("unknown")),
    )


def _frame(name: Field) -> Frame:
    return Frame.parse(name.text())


def _commit(oid: Field) -> str:
    return _matching(_COMMIT, oid)


def _matching(pattern: re.Pattern[str], field: Field) -> str:
    """Text that is shown as it is."""
    if not pattern.fullmatch(field.text()):
        field.fail(f"is {field.text()[:40]!r}, which it cannot be")
    return field.text()


def _texts(several: Field) -> tuple[str, ...]:
    return tuple(map(Field.text, several.items()))


def _figure(field: Field) -> float:
    """``json.py`` writes null for what is not finite."""
    known = field.optional(Field.number)
    return math.inf if known is None else known


def _cost(field: Field) -> int:
    return round(field.number() * PS_PER_NS)


def _one_of(kind: Callable[[str], E], field: Field) -> E:
    try:
        return kind(field.text())
    except ValueError:
        field.fail(f"is {field.text()[:40]!r}, which is not known")
