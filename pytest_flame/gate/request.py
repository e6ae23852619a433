"""What the plugin asks of the gate, and what comes back for each test."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_flame.config import Settings, TestSettings
from pytest_flame.measure.job import WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.scratch import Scratch
from pytest_flame.measure.session import How, Progress
from pytest_flame.model import GateChanges, Judgement
from pytest_flame.sampling.rate import RATES


@dataclass(frozen=True, slots=True)
class Selected:
    """A marked test as the plugin hands it over."""

    test_id: str
    file: Path
    settings: TestSettings


@dataclass(frozen=True, slots=True)
class Request:
    """What all of a run's measuring shares."""

    settings: Settings
    pytest_args: tuple[str, ...]
    directory: Path
    """Where pytest was called."""
    progress: Progress
    test_patterns: Sequence[str]
    """pytest's ini value ``python_files``."""
    frequency_hz: int = RATES[0]
    """Of all samplers of the run; ``gate/rate.py`` chooses it."""
    gate: GateChanges = field(default_factory=GateChanges)
    """Changes to the gate itself, for the reports."""
    said: tuple[str, ...] = ()
    """What else there is to say about the run."""

    @property
    def how(self) -> How:
        s = self.settings
        return How(self.frequency_hz, s.sampler, s.cpus, s.seed, s.max_time_s, s.kernel, s.native, s.deadline_s)

    def launcher(self, scratch: Scratch) -> Launcher:
        safe_path = not {"", str(self.directory)} & set(sys.path)
        root, directory = self.settings.root, self.directory
        return Launcher(root, directory, scratch.path, self.pytest_args, safe_path=safe_path, guard=scratch)


@dataclass(frozen=True, slots=True)
class Judged:
    """One test's verdict, or why it has none: it skips itself or is expected to fail."""

    judgement: Judgement | None
    unmeasured: WorkerResult | None
    wall_s: float
