"""One function's cost in a process of the gate, and in a bare loop in a process without the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_flame import fold
from pytest_flame.measure.job import Job, Plan, Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.model import PS_PER_NS
from pytest_flame.sampling.rate import choose_rate

ROUNDS = 20
BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds of CPU, and page faults, of one iteration."""

    ns: float
    """The cost as the gate estimates it: the mean of the cheaper quarter of the rounds without samples."""
    faults: float


def in_worker(project: Path, test: str, plan: Plan, seed: int, *, fresh: bool = False, sampling: bool = True) -> Cost:
    """Without ``sampling`` the sampler is opened, started and stopped as usual, but ticks only once per second of
    CPU."""
    result = _worker(project, test, plan, seed, fresh, sampling)
    if result.status is not Status.MEASURED or result.recording is None:
        raise RuntimeError(f"{test}: {result.message}\n{result.details}")
    (process,) = result.recording.processes
    return Cost(fold.cost(process) / PS_PER_NS, process.timing.minor_faults or 0.0)


def calibrated(project: Path, test: str, *, fresh: bool = False) -> Plan:
    """The iterations per round that the gate gives the test."""
    result = _worker(project, test, None, 1, fresh)
    if result.status is not Status.CALIBRATED or result.plan is None:
        raise RuntimeError(f"{test}: {result.message}\n{result.details}")
    return Plan(result.plan.iterations, ROUNDS)


def in_bare_loop(file: Path, function: str, plan: Plan, seed: int, *, room: bool = True) -> Cost:
    command = [sys.executable, str(BARE), str(file), function, str(plan.iterations), str(plan.rounds)]
    command += [] if room else ["--no-room"]
    path = os.pathsep.join(filter(None, (str(file.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONHASHSEED": f"{seed:010d}", "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, cwd=file.parent, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout))


@cache
def _rate() -> int:
    return choose_rate("auto", kernel_frames=False, native_frames=False)


def _worker(project: Path, test: str, plan: Plan | None, seed: int, fresh: bool, sampling: bool = True) -> WorkerResult:
    scratch = project / ".scratch"
    scratch.mkdir(exist_ok=True)
    file = project / test.split("::")[0]
    job = Job(
        node_id=test,
        root=str(project),
        seed=seed,
        hash_seed=seed,
        frequency_hz=_rate() if sampling else 1,
        sampler="auto",
        time_s=(plan.rounds if plan else ROUNDS) * 0.1,
        fresh=fresh,
        plan=plan,
    )
    arguments = ("-q", f"--rootdir={project}", "-p", "no:cacheprovider")
    return Launcher(project, project, scratch, arguments).run(job, file, 300)
