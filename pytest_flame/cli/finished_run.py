"""Reads what ``pytest --flame --flame-json=FILE`` wrote, as far as ``flame explain`` tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.errors import FormatError, UsageError
from pytest_flame.model import CPU, GATED, PS_PER_NS, TIMES, Metric
from pytest_flame.render.json import SCHEMA_ID

_WRITE: Final = "write one: pytest --flame --flame-json={path}"


@dataclass(frozen=True, slots=True)
class FoundCulprit:
    """One function to blame. Costs are in the terms of the test's metric."""

    frame: str
    what: str
    code_change: str | None
    place: str
    own_delta: int
    low: int
    high: int
    share_of_change: float | None
    calls: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class FoundFigures:
    """Base against head; costs are in the terms of the test's metric, effects are head/base. None: not finite."""

    base: int
    head: int
    ratio: float | None
    low: float | None
    high: float | None
    level: float
    mde: float | None
    base_processes: int
    head_processes: int
    threshold: float


@dataclass(frozen=True, slots=True)
class FoundTest:
    test_id: str
    verdict: str
    reason: str
    interleaved: bool
    base_commit: str | None
    same_code: bool
    metric: Metric
    figures: FoundFigures | None
    culprits: tuple[FoundCulprit, ...]
    accepted_by: tuple[str, ...]
    notes: tuple[str, ...]
    details: str


@dataclass(frozen=True, slots=True)
class FinishedRun:
    interleaved: bool
    base_source: str | None
    base_commit: str | None
    head_ref: str | None
    """The commit that was head; None: the working tree."""
    interrupted: bool
    gate_changes: tuple[str, ...]
    """The subjects of changes to the gate itself."""
    missed: tuple[str, ...]
    """Changed functions that no selected test runs."""
    entries: tuple[tuple[str, str], ...]
    """Place and state of each entry of the file of accepted slowdowns that says something."""
    tests: tuple[FoundTest, ...]


def read_run(path: Path) -> FinishedRun:
    """Raises ``UsageError`` if the file cannot be read, ``FormatError`` if it is not a result of this version."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as e:
        raise UsageError(f"{path} cannot be read", why=e.strerror or str(e), fix=_WRITE.format(path=path)) from e
    except UnicodeDecodeError as e:
        raise FormatError(f"{path} is not a result: it is not text", fix=_WRITE.format(path=path)) from e
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise FormatError(f"{path} is not JSON", why=str(e), fix=_WRITE.format(path=path)) from e
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA_ID:
        raise FormatError(
            f"{path} is not a result of this version of pytest-flame",
            why=f"its schema is {str(schema)[:80]!r}, not {SCHEMA_ID!r}",
            fix=_WRITE.format(path=path),
        )
    try:
        return _run(Field(document, ""))
    except KeyError as e:
        raise _damaged(path, f"{e} is missing") from e
    except (Malformed, TypeError) as e:
        raise _damaged(path, str(e)) from e


def _damaged(path: Path, why: str) -> FormatError:
    return FormatError(
        f"{path} is not a complete result", why=f"{why}; edited, or of another version", fix=_WRITE.format(path=path)
    )


def _run(run: Field) -> FinishedRun:
    base = run["base"]
    return FinishedRun(
        interleaved=run["mode"].text() == "interleaved",
        base_source=_text(base["source"]),
        base_commit=_text(base["commit"]),
        head_ref=_text(run["head"]["ref"]),
        interrupted=run["interrupted"].flag(),
        gate_changes=tuple(change["subject"].text() for change in run["gate"]["changes"].items()),
        missed=tuple(f["frame"].text() for one in run["coverage"].items() for f in one["missed"].items()),
        entries=tuple(
            (entry["place"].text(), entry["state"].text())
            for entry in run["accepted"].items()
            if entry["state"].text() != "undecided"
        ),
        tests=tuple(_test(test) for test in run["tests"].items()),
    )


def _test(test: Field) -> FoundTest:
    return FoundTest(
        test_id=test["id"].text(),
        verdict=test["verdict"].text(),
        reason=test["reason"].text(),
        interleaved=test["mode"].text() == "interleaved",
        base_commit=_text(test["base_commit"]),
        same_code=test["evidence"].value == "same code",
        metric=_metric(_text(test["metric"]), _text(test["unit"])),
        figures=None if test["base_ns"].value is None else _figures(test),
        culprits=tuple(map(_culprit, test["culprits"].items())),
        accepted_by=tuple(f"{e['until'].text()}: {e['reason'].text()}" for e in test["accepted_by"].items()),
        notes=tuple(note.text() for note in test["notes"].items()),
        details=_text(test["details"]) or "",
    )


def _figures(test: Field) -> FoundFigures:
    return FoundFigures(
        base=_cost(test["base_ns"]),
        head=_cost(test["head_ns"]),
        ratio=_maybe(test["ratio"]),
        low=_maybe(test["low"]),
        high=_maybe(test["high"]),
        level=_number(test["level"]),
        mde=_maybe(test["mde"]),
        base_processes=test["base_processes"].integer(),
        head_processes=test["head_processes"].integer(),
        threshold=_number(test["threshold"]),
    )


def _culprit(culprit: Field) -> FoundCulprit:
    path, line = _text(culprit["path"]), culprit["line"].optional_integer()
    before, after = _maybe(culprit["calls_base"]), _maybe(culprit["calls_head"])
    return FoundCulprit(
        frame=culprit["frame"].text(),
        what=culprit["what"].text(),
        code_change=_text(culprit["code_change"]),
        place=f"{path}:{line}" if path and line is not None else "",
        own_delta=_cost(culprit["own_delta_ns"]),
        low=_cost(culprit["low_ns"]),
        high=_cost(culprit["high_ns"]),
        share_of_change=_maybe(culprit["share_of_change"]),
        calls=None if before is None or after is None else (before, after),
    )


def _metric(name: str | None, unit: str | None) -> Metric:
    """The metric a test was judged by; CPU time for one that was not measured."""
    if name is None or unit is None or unit in TIMES:
        return CPU
    return GATED.get(name) or Metric(name, unit.removesuffix("s"), name, exact=True, scale=PS_PER_NS)


def _cost(field: Field) -> int:
    """Fields that end in ``_ns`` have thousandths of the metric's terms, whether they are times or counts."""
    return round(_number(field) * PS_PER_NS)


def _text(field: Field) -> str | None:
    return None if field.value is None else field.text()


def _maybe(field: Field) -> float | None:
    return None if field.value is None else _number(field)


def _number(field: Field) -> float:
    if type(field.value) not in (int, float) or abs(field.value) > 2**63:
        field.fail(f"is {str(field.value)[:40]}, not a number")
    return float(field.value)
