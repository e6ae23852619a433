"""What a format of profiles is: how it is recognised, read and written. ``registry`` has them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_flame.formats.content import Bounds, Content
from pytest_flame.formats.labels import Naming
from pytest_flame.model import Metric, Profile


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """``metric`` selects one of a file that counts several things: perf's event, speedscope's profile or unit."""

    naming: Naming = field(default_factory=Naming)
    bounds: Bounds = field(default_factory=Bounds)
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What shows which format a file is in."""

    lines: Sequence[str]
    """The first ones, of a file of any length."""
    document: Any = None
    """All of a file in JSON, numbers as ``int`` or ``Decimal``; None where it is none."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """The content of one written file: a profile, or two, before and after, of one metric."""

    name: str
    profiles: Sequence[Profile]

    @property
    def metric(self) -> Metric:
        return self.profiles[0].metric


@dataclass(frozen=True, slots=True)
class Format:
    """``recognises`` is called before ``read``; a format that is only written has neither."""

    name: str
    suffixes: tuple[str, ...]
    """Suffixes of its files, the usual one first."""
    recognises: Callable[[Beginning], bool] | None = None
    read: Callable[[Content, ReadOptions, Beginning], Profile] | None = None
    write: Callable[[Profiles], str] | None = None
    several_metrics: bool = False
    """Whether a file may count several things, of which ``ReadOptions.metric`` selects one."""
