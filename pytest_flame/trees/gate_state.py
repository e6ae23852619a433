"""The state of a checkout's gate: which tests are marked, by how much each may grow, the gate's settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_flame import atomic


@dataclass(frozen=True, slots=True)
class GatedTest:
    """One collected test, marked or not."""

    marked: bool
    skipped: str = ""
    """Why its marks keep it from running; empty if they do not."""
    threshold: float | None = None
    """The run's if the mark gives none; None without a mark."""
    frame_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class GateState:
    settings: Mapping[str, str] = field(default_factory=dict)
    """Name of each setting of the gate → its value as text."""
    tests: Mapping[str, GatedTest] = field(default_factory=dict)
    """Test id → the test, including deselected ones."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """File or test → why nothing is known about it."""

    def write(self, path: Path) -> None:
        atomic.write_text(path, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, path: Path) -> GateState:
        """Raises ``OSError`` or ``ValueError`` if there is none."""
        document = json.loads(path.read_text(encoding="utf-8"))
        tests = {test_id: GatedTest(**fields) for test_id, fields in document["tests"].items()}
        return cls(document["settings"], tests, document["unknown"])
