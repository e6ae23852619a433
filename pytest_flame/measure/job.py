"""What the controller passes to a worker and gets back: two small JSON files."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_flame.atomic import write_bytes
from pytest_flame.baseline import exact_wire, wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.measure.agreement import Seen
from pytest_flame.measure.deadline import Hang, Patience
from pytest_flame.measure.turns import Places
from pytest_flame.model import CPU, Exact, Recording
from pytest_flame.trees.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Plan:
    """How one process of a test runs; the same for every process of both sides."""

    iterations: int
    """Per round."""
    rounds: int

    @property
    def warm_up(self) -> bool:
        """One round that does not count; omitted if a round takes most of the process's time."""
        return self.rounds >= 3

    def shortened(self, share: float) -> Plan:
        """With this share of the rounds, in pairs of a sampled one and another one, but not fewer than a few."""
        rounds = max(LEAST_ROUNDS, 2 * math.ceil(self.rounds * share / 2))
        return Plan(self.iterations, min(self.rounds, rounds))


LEAST_ROUNDS: Final = 8
"""Of a process that is shortened."""

ONCE: Final = Plan(1, 1)
"""The plan of a process of which only the first call counts."""


@dataclass(frozen=True, slots=True)
class Job:
    """One process of one test. ``plan`` is None for the process that calibrates."""

    node_id: str
    root: str
    seed: int
    hash_seed: int
    """PYTHONHASHSEED, and the seed of what the test draws at random."""
    frequency_hz: int
    sampler: str
    time_s: float
    """The time for this process."""
    fresh: bool = False
    metric: str = CPU.name
    cpus: tuple[int, ...] = ()
    plan: Plan | None = None
    kernel_frames: bool = False
    native_frames: bool = False
    file: str = ""
    """The test's; the launcher sets it."""
    place: str = ""
    """What is collected: the file itself, or for a file outside ``root`` the folder given on the command line."""
    seen: Seen | None = None
    """The test as the run collected it; None: not compared."""
    conditions: str = ""
    """The file with the ``Conditions`` of the run."""
    counts: bool = False
    """The test is executed once under the exact pass instead of being measured."""
    twice: bool = False
    """An exact pass executes the body a second time."""
    note_started: bool = False
    """Records what the test starts; its cost is not used."""
    provenance: Provenance | None = None
    """Where the code has to come from; None: anywhere. The launcher sets it."""
    patience: Patience = field(default_factory=Patience)
    result: str = ""
    """Where the result is written; the launcher sets it."""
    watch: str = ""
    """Folder of the files that the worker shares with the launcher, which sets it."""
    turns: Places | None = None
    """Where to wait for the other side of the pair; None: there is none, or it runs before or after."""
    kept: str = ""
    """The report of a forked worker's keeper; the launcher sets it, as ``watched``, the files that it watches."""
    watched: str = ""

    @property
    def output(self) -> Path:
        """The process's uncaptured output."""
        return Path(self.result).with_name("output.txt")

    def write(self, path: Path) -> None:
        write_bytes(path, json.dumps(dataclasses.asdict(self)).encode("utf-8"), durable=False)

    @classmethod
    def read(cls, path: Path) -> Job:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["cpus"] = tuple(fields["cpus"])
        fields["plan"] = Plan(**fields["plan"]) if fields["plan"] else None
        fields["seen"] = Seen.from_json(fields["seen"]) if fields["seen"] else None
        fields["patience"] = Patience(**fields["patience"])
        fields["turns"] = Places(**fields["turns"]) if fields["turns"] else None
        if fields["provenance"]:
            fields["provenance"] = Provenance.from_json(fields["provenance"])
        return cls(**fields)


def shared_footprint(folder: str, digest: str) -> Path:
    """The file with what all tests of a file rest on, in the folder that a worker shares with its launcher."""
    return Path(folder, f"footprint-{digest}.json")


class Status(enum.Enum):
    """How a worker ended."""

    MEASURED = "measured"
    CALIBRATED = "calibrated"
    COUNTED = "counted"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    FAILED = "failed"
    """The body, or a fixture, failed the first time."""
    UNREPEATABLE = "unrepeatable"
    """The body passed once and failed when it was called again."""
    UNUSABLE = "unusable"
    """Nothing could be measured: no sampler, the fixture ``flame`` misused, the test not found, …"""
    MISSING = "missing"
    """The worker did not collect the test."""
    DIFFERENT = "different"
    """The worker collected a different test than the run, or skips what the run does not."""
    NO_SAMPLER = "no sampler"
    """No rung of the ladder works, so no other test can be measured either."""
    ABSENT = "absent"
    """The base does not have the module or symbol of the project that the test needs."""
    WRONG_SIDE = "wrong side"
    """Files of the project came from elsewhere than the side's own tree."""
    UNSEEN = "unseen"
    """Measured, but part of the cost, or of what ran, could not be seen."""
    OUT_OF_TIME = "out of time"
    HUNG = "hung"
    """Not done in time (``Patience``), and killed."""
    DIED = "died"
    """No result: crashed, killed or left by the test."""


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """``recording`` holds the one measured process; ``plan`` the result of calibration."""

    status: Status
    message: str = ""
    """One line."""
    details: str = ""
    """A traceback or the worker's last output."""
    plan: Plan | None = None
    round_wall_ns: int = 0
    recording: Recording | None = None
    exact: Exact | None = None
    body_ns: int = 0
    """CPU of the body's last execution under the exact pass, which makes it up to a few times as expensive."""
    left: tuple[str, ...] = ()
    """Commands of processes that the worker left running, and that were killed. The launcher adds them."""
    started_others: bool = False
    """The worker had child processes."""
    started: tuple[str, ...] = ()
    """Their commands, as far as it started them itself; only if the job requested them."""
    own_process: str | None = None
    """Why the worker was an interpreter of its own instead of a fork. The launcher adds it."""
    hang: Hang | None = None
    """For ``HUNG``, which the launcher detects and no worker writes."""

    def write(self, path: Path) -> None:
        document: dict[str, Any] = {
            "status": self.status.value,
            "message": self.message,
            "details": self.details,
            "plan": dataclasses.asdict(self.plan) if self.plan else None,
            "round_wall_ns": self.round_wall_ns,
            "recording": wire.encode(self.recording) if self.recording else None,
            "exact": exact_wire.encode(self.exact) if self.exact else None,
            "body_ns": self.body_ns,
            "started_others": self.started_others,
            "started": self.started,
        }
        write_bytes(path, json.dumps(document).encode("utf-8"), durable=False)

    @classmethod
    def read(cls, path: Path) -> WorkerResult:
        """Raises ``OSError`` or ``ValueError`` if the worker left no complete result."""
        document = json.loads(path.read_text(encoding="utf-8"))
        recording = document["recording"]
        return cls(
            status=Status(document["status"]),
            message=document["message"],
            details=document["details"],
            plan=Plan(**document["plan"]) if document["plan"] else None,
            round_wall_ns=document["round_wall_ns"],
            recording=wire.decode(parse(recording)) if recording else None,
            exact=exact_wire.decode(parse(exact)) if (exact := document["exact"]) else None,
            body_ns=document["body_ns"],
            started_others=document["started_others"],
            started=tuple(document["started"]),
        )
