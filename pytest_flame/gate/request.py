"""What the plugin passes to the gate, and what it gets back for each test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytest_flame.baseline.store import Store
from pytest_flame.config import Settings
from pytest_flame.judge import Rule
from pytest_flame.marker import TestSettings
from pytest_flame.measure import counting, schedule
from pytest_flame.measure.agreement import Conditions, Seen
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.measure.job import WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.schedule import RunSettings, Target
from pytest_flame.model import Acceptance, Frame, GateChanges, Judgement, Shard
from pytest_flame.sampling.rate import RATES
from pytest_flame.trees.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Selected:
    """A marked test as the plugin passes it."""

    test_id: str
    """The portable one (``trees/identity.py``)."""
    file: Path
    settings: TestSettings
    place: Path | None = None
    """What a worker collects, if not ``file``: a folder outside pytest's root that was given on the command line."""
    seen: Seen | None = None
    """As the run has collected it."""
    node_id: str = ""
    """pytest's own id, if it differs from ``test_id``."""

    @property
    def shown(self) -> str:
        """The id for users."""
        return self.node_id or self.test_id

    @property
    def target(self) -> Target:
        """What is measured, with the test's own settings."""
        s = self.settings
        return Target(
            self.test_id,
            self.file,
            s.processes,
            s.processes_given,
            s.time_s,
            s.fresh,
            s.metric,
            place=self.place,
            seen=self.seen,
        )


class Progress(schedule.Progress, counting.Progress, Protocol):
    """Of the whole run."""


@dataclass(frozen=True, slots=True)
class Request:
    """What all measurements of a run share."""

    settings: Settings
    pytest_args: tuple[str, ...]
    directory: Path
    """Where pytest was called."""
    progress: Progress
    test_patterns: Sequence[str]
    """pytest's ini value ``python_files``, and folders that belong to the tests, with ``/`` at the end."""
    conditions: Conditions | None = None
    """What tests can query, as it is in the run."""
    skips_here: Callable[[str], bool] = lambda test_id: True
    """Runs a test plainly in this process; whether it skips itself here, too."""
    frequency_hz: int = RATES[0]
    """The rate of all samplers of the run; ``gate/one_rate.py`` chooses it."""
    gate: GateChanges = field(default_factory=GateChanges)
    """Changes to the gate itself, for the reports."""
    accepted: tuple[Acceptance, ...] = ()
    """Slowdowns that do not fail a test."""
    frames: ChosenFrames = field(default_factory=ChosenFrames)
    """What the project calls its functions, and leaves out."""
    rules: Sequence[Rule] | None = None
    """What judges a comparison, in order; None: ``judge.RULES``."""
    store: Store | None = None
    """Where baselines are; None: in the folder of the settings."""
    complete: bool = False
    """The run selected all tests there are."""
    said: tuple[str, ...] = ()
    """Further notes about the run."""
    shard: Shard | None = None
    """Which part of all gated tests is selected."""

    def family(self, tests: int) -> int:
        """How many tests share the accepted error, if ``tests`` do in this run: each part of a suite gets the same
        share of it."""
        return tests * (self.shard.count if self.shard is not None else 1)

    @property
    def how(self) -> RunSettings:
        s = self.settings
        return RunSettings(
            self.frequency_hz,
            s.sampler,
            s.cpus,
            s.seed,
            s.max_time_s,
            s.kernel,
            s.native,
            s.deadline_s,
            forks=s.isolation == "fork",
            frames=self.frames,
        )

    def launcher(self, scratch: Scratch) -> Launcher:
        safe_path = not {"", str(self.directory)} & set(sys.path)
        root, directory = self.settings.root, self.directory
        path: Path | None = None
        if self.conditions is not None:
            path = scratch.path / "run.json"
            self.conditions.write(path)
        return Launcher(
            root,
            directory,
            scratch.path,
            self.pytest_args,
            safe_path=safe_path,
            script_folder=_script_folder(root, directory),
            conditions=path,
            guard=scratch,
        )


def _script_folder(root: Path, directory: Path) -> Path | None:
    """The folder of a script of the project, if it is not the working directory; pytest's own script lies elsewhere."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    folder = Path(file).absolute().parent if file else directory
    if folder in (directory, Path(sys.executable).parent) or str(folder) not in sys.path:
        return None
    return folder if folder.is_relative_to(root) or folder.is_relative_to(directory) else None


@dataclass(frozen=True, slots=True)
class Judged:
    """One test's verdict, or why it has none: it skips itself or is expected to fail."""

    judgement: Judgement | None
    unmeasured: WorkerResult | None
    wall_s: float
    ran: frozenset[Frame] = frozenset()
    """Functions that it is known to run: from all samples of either side, and of the changed ones also from its exact
    pass."""
    counted: bool = False
    """An exact pass executed it: ``ran`` has all changed functions that it runs."""
