"""The project all peers are tried on: one workload, a commit ``base`` and a commit ``head`` that changes it.

``shop/work.py`` does the workload. Two of its leaves do nothing but loop: ``weigh`` takes a tenth of the whole and
``stamp`` a fifth. A change is another number of rounds in one of them, so that bytecode and layout stay the same.
"""

from __future__ import annotations

import enum
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Self

SUBJECTS = Path(__file__).parent / "peers_subjects"
WORKLOADS = ("recursion", "records", "objects")
WEIGH_SHARE = 0.1
STAMP_SHARE = 0.2
PROBE_ROUNDS = 200
CULPRIT = "weigh"
BUDGET = "PEER_SECONDS"
"""Environment variable: CPU seconds a side is given, for the tools that are told in code."""
ASV_ROUND_SECONDS = 2.5
ITERATIONS = "PEER_ITERATIONS"
"""Environment variable: how often the script calls the workload."""

TIMING = """
import sys, time
sys.path.insert(0, sys.argv[1])
from shop.work import work
seconds = []
until = time.process_time() + float(sys.argv[2])
while time.process_time() < until or len(seconds) < 5:
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
seconds.sort()
print(seconds[len(seconds) // 4])
"""
"""Lower quartile: what others do meanwhile only adds time."""

FILES: dict[str, str] = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "shop"
version = "1.0"

[tool.setuptools]
packages = ["shop"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
markers = ["flame: measured by pytest-flame"]
""",
    ".gitignore": "__pycache__/\n.pytest_cache/\n*.egg-info/\nbuild/\n",
    "shop/__init__.py": "",
    "tests/test_speed.py": """\
import pytest

from shop.work import work


@pytest.mark.flame
def test_work():
    assert work() > 0
""",
    "benches/bench_work.py": """\
from shop.work import work


def test_work(benchmark):
    assert benchmark(work) > 0
""",
    "benches_pyperf.py": """\
import pyperf

from shop.work import work

pyperf.Runner().bench_func("work", work)
""",
    "speed.py": f"""\
import os

from shop.work import work


def main():
    for _ in range(int(os.environ["{ITERATIONS}"])):
        work()


main()
""",
    "benchmarks/__init__.py": "",
    "benchmarks/benchmarks.py": f"""\
import os

from shop.work import work

SECONDS = float(os.environ["{BUDGET}"])


class Suite:
    rounds = max(2, round(SECONDS / {ASV_ROUND_SECONDS}))
    repeat = (2, 10_000, SECONDS / rounds)
    timeout = 600

    def time_work(self):
        work()
""",
}


def asv_rounds(budget: float) -> int:
    """Fresh processes asv starts for each side; its default is 2."""
    return max(2, round(budget / ASV_ROUND_SECONDS))


class Change(enum.Enum):
    """What ``head`` does to ``base``; costs are shares of the base's whole."""

    IDENTICAL = "identical"
    SLOWER_5 = "+5 %"
    SLOWER_10 = "+10 %"
    SLOWER_20 = "+20 %"
    MASKED = "masked"
    """``weigh`` grows by half of itself, ``stamp`` shrinks by as much: the whole stays what it was."""
    NEUTRAL = "neutral"
    """Part of ``work`` becomes a function of its own, called once."""

    def __str__(self) -> str:
        return self.value

    @property
    def slug(self) -> str:
        return self.name.lower().replace("_", "-")

    @property
    def growth(self) -> float:
        """Of the whole."""
        return {Change.SLOWER_5: 0.05, Change.SLOWER_10: 0.10, Change.SLOWER_20: 0.20}.get(self, 0.0)

    @property
    def is_regression(self) -> bool:
        """Whether ``weigh`` got slower, so that it ought to be named."""
        return self not in (Change.IDENTICAL, Change.NEUTRAL)


@dataclass(frozen=True, slots=True)
class Rounds:
    weigh: int
    stamp: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one call of a workload costs, in CPU seconds on this machine."""

    rest: float
    """Everything but the rounds of both leaves."""
    weigh_round: float
    """One round of ``weigh``, in all its calls together."""
    stamp_round: float

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def whole(self) -> float:
        return self.rest / (1 - WEIGH_SHARE - STAMP_SHARE)

    def rounds(self, change: Change) -> Rounds:
        """Of the side ``change`` leads to; ``IDENTICAL`` gives those of the base."""
        weigh, stamp = WEIGH_SHARE, STAMP_SHARE
        if change is Change.MASKED:
            weigh, stamp = weigh + WEIGH_SHARE / 2, stamp - WEIGH_SHARE / 2
        return Rounds(
            weigh=round((weigh + change.growth) * self.whole / self.weigh_round),
            stamp=round(stamp * self.whole / self.stamp_round),
        )

    def expected_ratio(self, change: Change) -> float:
        """Head over base after rounding."""
        base, head = self.rounds(Change.IDENTICAL), self.rounds(change)
        return self._seconds(head) / self._seconds(base)

    def _seconds(self, rounds: Rounds) -> float:
        return self.rest + rounds.weigh * self.weigh_round + rounds.stamp * self.stamp_round


# --- sources -----------------------------------------------------------------------------------------------

EXTRACTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "recursion": (
        (
            "    return fibonacci(18)\n",
            "    return answer(18)\n\n\ndef answer(n: int) -> int:\n    return fibonacci(n)\n",
        ),
    ),
    "records": (
        (
            "    records = json.loads(json.dumps(RECORDS))\n",
            "    records = copied()\n",
        ),
        ("def by_tag", "def copied() -> list:\n    return json.loads(json.dumps(RECORDS))\n\n\ndef by_tag"),
    ),
    "objects": (
        ("    return summed(ordered).whole + summed(amounts).whole\n", "    return both(ordered, amounts)\n"),
        (
            "def priced",
            "def both(first: list, second: list) -> int:\n"
            "    return summed(first).whole + summed(second).whole\n\n\ndef priced",
        ),
    ),
}


def source(workload: str, rounds: Rounds, change: Change) -> str:
    """``shop/work.py`` with so many rounds in the leaves."""
    text = (SUBJECTS / f"{workload}.py").read_text(encoding="utf-8")
    replacements = [("bytes(1001)", f"bytes({rounds.weigh})"), ("bytes(1002)", f"bytes({rounds.stamp})")]
    if change is Change.NEUTRAL:
        replacements += EXTRACTIONS[workload]
    for old, new in replacements:
        if text.count(old) != 1:
            raise ValueError(f"{workload}: {old!r} stands {text.count(old)} times in the source, not once")
        text = text.replace(old, new)
    return text


def write_tree(folder: Path, work: str) -> None:
    for name, text in (FILES | {"shop/work.py": work}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def git(project: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=peers", "-c", "user.email=peers@example.org", *arguments]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


def write_repository(project: Path, workload: str, calibration: Calibration, change: Change) -> None:
    """A repository with tags ``base`` and ``head`` on branch ``main``; ``head`` is checked out."""
    write_tree(project, source(workload, calibration.rounds(Change.IDENTICAL), Change.IDENTICAL))
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=base")
    git(project, "tag", "base")
    (project / "shop/work.py").write_text(source(workload, calibration.rounds(change), change), encoding="utf-8")
    git(project, "commit", "--quiet", "--all", "--allow-empty", f"--message=head: {change}")
    git(project, "tag", "head")


# --- measured plainly --------------------------------------------------------------------------------------


def seconds(folder: Path, budget: float) -> float:
    """CPU seconds of one call of the workload in ``folder``, in one fresh process."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", TIMING, str(folder), str(budget)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def calibrate(
    scratch: Path, workload: str, processes: int = 5, measure: Callable[[Path, float], float] = seconds
) -> Calibration:
    """Three sources that differ only in rounds, by turns in fresh processes; the fastest of each counts."""
    sources = {"none": Rounds(0, 0), "weigh": Rounds(PROBE_ROUNDS, 0), "stamp": Rounds(0, PROBE_ROUNDS)}
    for name, rounds in sources.items():
        write_tree(scratch / name, source(workload, rounds, Change.IDENTICAL))
    taken: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(processes):
        for name in sources:
            taken[name].append(measure(scratch / name, 0.3))
    rest = min(taken["none"])
    return Calibration(
        rest=rest,
        weigh_round=(min(taken["weigh"]) - rest) / PROBE_ROUNDS,
        stamp_round=(min(taken["stamp"]) - rest) / PROBE_ROUNDS,
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """Head over base, measured at length in interleaved fresh processes."""

    expected: float
    ratio: float
    """Median of the pairs."""
    fastest: float
    """Fastest process of head over fastest of base."""
    pairs: int
    base: Rounds
    head: Rounds


def verify(scratch: Path, workload: str, calibration: Calibration, change: Change, pairs: int) -> Verified:
    base, head = calibration.rounds(Change.IDENTICAL), calibration.rounds(change)
    write_tree(scratch / "base", source(workload, base, Change.IDENTICAL))
    write_tree(scratch / "head", source(workload, head, change))
    taken = []
    for number in range(pairs):
        order = ("base", "head") if number % 2 else ("head", "base")
        pair = {side: seconds(scratch / side, 0.5) for side in order}
        taken.append((pair["base"], pair["head"]))
    return Verified(
        expected=calibration.expected_ratio(change),
        ratio=median(h / b for b, h in taken),
        fastest=min(h for _, h in taken) / min(b for b, _ in taken),
        pairs=pairs,
        base=base,
        head=head,
    )
