"""What a change did to the project's functions, whether or not a test measured them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_flame.model.frame import Frame, SourceLine


class CodeChange(enum.Enum):
    """How the code of a function differs from the base's."""

    CHANGED = "changed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class ChangedFunction:
    frame: Frame
    change: CodeChange
    line: SourceLine
    """Where head defines it."""


@dataclass(frozen=True, slots=True)
class ChangedCode:
    """The project's code that differs between ``commit`` and head, tests not included."""

    commit: str
    frames: Mapping[Frame, CodeChange]
    """All of it: functions, comprehensions, and the bodies of modules and classes."""
    functions: tuple[ChangedFunction, ...]
    """The functions among it, by file and line."""
    unknown: tuple[str, ...] = ()
    """Files that could not be compared, and why: ``orders/tax.py at base: invalid syntax (line 3)``."""


@dataclass(frozen=True, slots=True)
class DiffCoverage:
    """Which changed functions the selected tests do not run."""

    commit: str
    changed: int
    """Number of changed functions."""
    missed: tuple[ChangedFunction, ...]
    exact: bool
    """Calls were counted. Otherwise ``missed`` are not in any sample, and may be too short for one."""
    unknown: tuple[str, ...] = ()
    """As in ``ChangedCode``."""

    @property
    def complete(self) -> bool:
        """Every changed function is known to be run."""
        return not self.missed and not self.unknown
