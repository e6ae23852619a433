"""Decisions of other tools and what they judged, kept in one folder to resume from."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.verdicts.peers_answers import Answer
from benchmarks.verdicts.peers_project import LEAVES, Change, verify
from benchmarks.verdicts.shop import Calibration, load_calibrations

MEASURING = ("base", "head", "both")


@dataclass(frozen=True, slots=True)
class Cell:
    """One question to one tool."""

    tool: str
    workload: str
    change: str
    condition: str
    budget: float
    repeat: int

    @property
    def slug(self) -> str:
        change = Change(self.change).slug
        return f"{self.workload}-{change}-{self.condition}-{self.budget:g}s-{self.repeat}"


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of ``decisions.jsonl``."""

    cell: Cell
    version: str
    answers: dict[str, Answer]
    broken: str | None
    cpu: dict[str, float]
    """CPU seconds by what they were used for; see ``Trial.cpu``."""
    seconds: float

    @classmethod
    def from_json(cls, line: str) -> Self:
        data = json.loads(line)
        given = {rule: Answer(a["alarmed"], a["said"], tuple(a["named"])) for rule, a in data.pop("answers").items()}
        return cls(cell=Cell(**data.pop("cell")), answers=given, **data)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def measuring(self) -> float:
        """CPU seconds per side, of the commands that measure."""
        return sum(seconds for name, seconds in self.cpu.items() if name in MEASURING) / 2

    @property
    def everything(self) -> float:
        """CPU seconds per side, including building and judging, without an environment that is made once for all."""
        return sum(seconds for name, seconds in self.cpu.items() if name != "preparing") / 2


@dataclass(frozen=True, slots=True)
class Results:
    folder: Path

    @property
    def decisions(self) -> Path:
        return self.folder / "decisions.jsonl"

    def read(self) -> list[Decision]:
        if not self.decisions.exists():
            return []
        found = []
        for number, line in enumerate(self.decisions.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                found.append(Decision.from_json(line))
            except (ValueError, KeyError, TypeError) as e:
                raise SystemExit(f"{self.decisions}:{number} is not a decision ({e}): remove that line") from e
        return found

    def append(self, decision: Decision) -> None:
        with self.decisions.open("a", encoding="utf-8") as file:
            file.write(decision.to_json() + "\n")

    def calibration(self, workload: str) -> Calibration:
        """Measured once and then kept: all repeats use the same commits."""
        with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
            return load_calibrations(self.folder / "calibration.json", Path(scratch), LEAVES)[workload]

    @property
    def verified(self) -> Path:
        return self.folder / "verified.json"

    def read_verified(self) -> dict[str, dict[str, float]]:
        if not self.verified.exists():
            return {}
        found: dict[str, dict[str, float]] = json.loads(self.verified.read_text(encoding="utf-8"))
        return found

    def verify(self, workloads: Iterable[str], changes: Iterable[Change], pairs: int) -> None:
        known: dict[str, object] = dict(self.read_verified())
        for workload, change in itertools.product(workloads, changes):
            with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
                result = verify(Path(scratch), workload, self.calibration(workload), change, pairs)
            known[f"{workload} {change}"] = asdict(result)
            print(f"{workload} {change}: expected {result.expected:.4f}, median {result.ratio:.4f}", flush=True)
            self.verified.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
