"""The project for all tools: one workload, a commit ``base`` and a commit ``head`` that changes it.

``shop/work.py`` does the workload, with the leaves ``weigh`` and ``stamp``. A change is a different number of rounds in
them, or moves code that contains no leaf.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.verdicts import shop
from benchmarks.verdicts.shop import Calibration, seconds, write_tree

LEAVES = ("weigh", "stamp")
CULPRIT = "weigh"
BUDGET = "PEER_SECONDS"
"""Environment variable: CPU seconds per side, for the tools that are configured in code."""
ASV_ROUND_SECONDS = 2.5
ITERATIONS = "PEER_ITERATIONS"
"""Environment variable: how often the script calls the workload."""

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
    """Fresh processes that asv starts for each side; its default is 2."""
    return max(2, round(budget / ASV_ROUND_SECONDS))


class Change(enum.Enum):
    """What ``head`` does to ``base``; costs are shares of the base's whole."""

    IDENTICAL = "identical"
    SLOWER_5 = "+5 %"
    SLOWER_10 = "+10 %"
    SLOWER_20 = "+20 %"
    MASKED = "masked"
    """``weigh`` grows by half of itself, ``stamp`` shrinks by the same amount: the whole does not change."""
    NEUTRAL = "neutral"
    """Part of ``work`` becomes a separate function, called once."""

    def __str__(self) -> str:
        return self.value

    @property
    def slug(self) -> str:
        return self.name.lower().replace("_", "-")

    @property
    def sizes(self) -> Mapping[str, float]:
        """The new shares of leaves, as parts of the base's whole."""
        return {
            Change.SLOWER_5: {"weigh": 0.15},
            Change.SLOWER_10: {"weigh": 0.20},
            Change.SLOWER_20: {"weigh": 0.30},
            Change.MASKED: {"weigh": 0.15, "stamp": 0.15},
        }.get(self, {})

    @property
    def is_regression(self) -> bool:
        """Whether ``weigh`` got slower, so that it should be named."""
        return self not in (Change.IDENTICAL, Change.NEUTRAL)


# --- sources -----------------------------------------------------------------------------------------------


def source(workload: str, rounds: Mapping[str, int], change: Change) -> str:
    """``shop/work.py`` with this many rounds in the leaves."""
    text = shop.source(workload, rounds)
    return shop.extracted(text, workload) if change is Change.NEUTRAL else text


def write_repository(project: Path, workload: str, calibration: Calibration, change: Change) -> None:
    """A repository with tags ``base`` and ``head`` on branch ``main``; ``head`` is checked out."""
    base = source(workload, calibration.rounds({}), Change.IDENTICAL)
    head = source(workload, calibration.rounds(change.sizes), change)
    shop.write_repository(project, FILES | {"shop/work.py": base}, {"shop/work.py": head}, f"head: {change}")


# --- measured plainly --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verified:
    """Head over base, measured in many interleaved fresh processes."""

    expected: float
    ratio: float
    """Median of the pairs."""
    fastest: float
    """Fastest process of head over fastest of base."""
    pairs: int
    base: Mapping[str, int]
    """Rounds of each leaf."""
    head: Mapping[str, int]


def verify(scratch: Path, workload: str, calibration: Calibration, change: Change, pairs: int) -> Verified:
    base, head = calibration.rounds({}), calibration.rounds(change.sizes)
    write_tree(scratch / "base", {"shop/__init__.py": "", "shop/work.py": source(workload, base, Change.IDENTICAL)})
    write_tree(scratch / "head", {"shop/__init__.py": "", "shop/work.py": source(workload, head, change)})
    taken = []
    for number in range(pairs):
        order = ("base", "head") if number % 2 else ("head", "base")
        pair = {side: seconds(scratch / side, "shop.work", 0.5) for side in order}
        taken.append((pair["base"], pair["head"]))
    return Verified(
        expected=calibration.ratio(change.sizes),
        ratio=median(h / b for b, h in taken),
        fastest=min(h for _, h in taken) / min(b for b, _ in taken),
        pairs=pairs,
        base=base,
        head=head,
    )
