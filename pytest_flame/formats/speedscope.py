"""Profiles as speedscope's own JSON (https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources).

Written directly: the schema is small and stable (https://www.speedscope.app/file-format-schema.json). One file may
hold several profiles, such as before and after; they share their frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_flame.errors import FormatError
from pytest_flame.model import Frame, Profile, SourceLine, Stack

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
UNITS: Final = ("none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes")
MOST: Final = 2**53
"""The reader's numbers are doubles: larger sums would not be exact."""


@dataclass(frozen=True, slots=True)
class NamedProfile:
    """A profile and what the viewer's menu calls it; its costs are in the terms of the document."""

    name: str
    costs: Mapping[Stack, int]


@dataclass(frozen=True, slots=True)
class Document:
    """What one file holds. A cost of ``per`` is one ``unit``."""

    name: str
    profiles: Sequence[NamedProfile]
    unit: str = "nanoseconds"
    per: int = 1000
    lines: Mapping[Frame, SourceLine] = field(default_factory=dict)
    exporter: str = "pytest-flame"


def dumps(document: Document) -> str:
    """The file's text. Equal profiles give equal text: frames and stacks are sorted.

    Raises ``IntegrityError`` for costs that are no whole numbers ≥ 0, ``FormatError`` where a sum exceeds 2^53 units.
    """
    for profile in document.profiles:
        Profile(profile.costs).check()
    frames = sorted({frame for profile in document.profiles for stack in profile.costs for frame in stack})
    index = {frame: i for i, frame in enumerate(frames)}
    content = {
        "$schema": SCHEMA,
        "name": _encodable(document.name),
        "exporter": document.exporter,
        "activeProfileIndex": len(document.profiles) - 1,
        "shared": {"frames": [_frame(frame, document.lines.get(frame)) for frame in frames]},
        "profiles": [_profile(profile, document, index) for profile in document.profiles],
    }
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"


def _frame(frame: Frame, line: SourceLine | None) -> dict[str, Any]:
    named: dict[str, Any] = {"name": _encodable(frame.name)}
    return named | {"file": _encodable(line.path), "line": line.line} if line else named


def _profile(profile: NamedProfile, document: Document, index: Mapping[Frame, int]) -> dict[str, Any]:
    stacks = sorted((stack, cost) for stack, cost in profile.costs.items() if cost)
    total = sum(cost for _, cost in stacks)
    if total > MOST * document.per:
        raise FormatError(
            f"{profile.name} is too long for speedscope",
            why=f"its sum, {total / document.per:.3g} {document.unit}, is above 2^53, the largest exact number there",
        )
    return {
        "type": "sampled",
        "name": _encodable(profile.name),
        "unit": document.unit,
        "startValue": 0,
        "endValue": _number(total, document.per),
        "samples": [[index[frame] for frame in stack] for stack, _ in stacks],
        "weights": [_number(cost, document.per) for _, cost in stacks],
    }


def _number(cost: int, per: int) -> int | float:
    return cost // per if cost % per == 0 else cost / per


def _encodable(text: str) -> str:
    """Lone surrogates, from names that are not UTF-8, are no text in JSON."""
    return text.encode("utf-8", "replace").decode("utf-8")
