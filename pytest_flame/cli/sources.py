"""The profiles a command line names: files, folders of files, standard input."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_flame.cli.counted import BASELINE, SAMPLE, Unit
from pytest_flame.errors import UsageError
from pytest_flame.formats import collapsed
from pytest_flame.formats.collapsed import PER_COUNT, Collapsed
from pytest_flame.formats.labels import Naming
from pytest_flame.model import Frame, SourceLine, Stack

STDIN: Final = "-"
SUFFIXES: Final = (".folded", ".collapsed", ".txt", ".folded.gz", ".collapsed.gz", ".txt.gz")
"""What is taken from a folder."""
_NO_ACCIDENT: Final = 5
"""So many counts hardly have a common factor by chance."""
_STDIN_NAME: Final = "standard input"
_BASELINE_MARK: Final = b'"schema": "pytest-flame/baseline/'


@dataclass(frozen=True, slots=True)
class Source:
    """One profile. Costs are in the terms of ``unit``: see ``counted``."""

    name: str
    costs: Mapping[Stack, int]
    lines: Mapping[Frame, SourceLine]
    unit: Unit
    samples: Mapping[Stack, int]
    """How many samples each stack's cost is of, as far as the numbers tell."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """By module, the file that gave it its name; not of installed libraries."""
    maybe_pairs: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read. ``unit=None``: pytest-flame's own baselines as such, all else as samples."""

    naming: Naming
    unit: Unit | None = None


def expand(arguments: Sequence[str]) -> list[str]:
    """File names; of a folder all profiles in it, by name. Raises ``UsageError`` for an empty or missing one."""
    names: list[str] = []
    for argument in arguments:
        if not Path(argument).is_dir():
            names.append(argument)
            continue
        inside = sorted(str(p) for p in Path(argument).iterdir() if p.name.endswith(SUFFIXES) and p.is_file())
        if not inside:
            raise UsageError(
                f"the folder {argument} holds no profiles",
                why=f"files that end in {', '.join(SUFFIXES[:3])} were looked for",
                fix="name the files themselves",
            )
        names += inside
    if names.count(STDIN) > 1:
        raise UsageError("- stands for standard input, which can be read once")
    return names


def read(name: str, reading: Reading) -> Source:
    """One file. Raises ``FormatError`` or ``UsageError``."""
    data = _bytes(name)
    return _source(_shown(name), collapsed.loads(data, _shown(name), reading.naming), _unit(name, reading))


def read_pair(name: str, reading: Reading) -> tuple[Source, Source]:
    """One file with two counts a line. Raises as ``read`` does."""
    pair = collapsed.loads_pair(_bytes(name), _shown(name), reading.naming)
    unit = _unit(name, reading)
    before, after = (_source(f"{_shown(name)} ({s})", p, unit) for s, p in zip(("before", "after"), pair, strict=True))
    return before, after


def added(name: str, sources: Sequence[Source]) -> Source:
    """All of them as one profile."""
    costs: dict[Stack, int] = defaultdict(int)
    samples: dict[Stack, int] = defaultdict(int)
    for source in sources:
        for stack, cost in source.costs.items():
            costs[stack] += cost
            samples[stack] += source.samples[stack]
    return Source(name, costs, earliest_lines(sources), common_unit(sources), samples)


def earliest_lines(sources: Sequence[Source]) -> dict[Frame, SourceLine]:
    """Where functions were seen in any of them, the smallest line."""
    lines: dict[Frame, SourceLine] = {}
    for source in sources:
        for frame, line in source.lines.items():
            if frame not in lines or line.line < lines[frame].line:
                lines[frame] = line
    return lines


def common_unit(sources: Sequence[Source]) -> Unit:
    """What all of them count. Raises ``UsageError`` where they differ."""
    first = sources[0]
    for source in sources:
        if source.unit != first.unit:
            raise UsageError(
                f"{first.name} holds {first.unit.name} and {source.name} holds {source.unit.name}",
                why="the JSON beside a file says whether it is a baseline of pytest-flame; all else is samples",
                fix="say what all of them hold with --unit",
            )
    return first.unit


def _bytes(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as e:
        raise UsageError(f"{name} can't be read", why=e.strerror or str(e)) from e


def _shown(name: str) -> str:
    return _STDIN_NAME if name == STDIN else name


def _unit(name: str, reading: Reading) -> Unit:
    return reading.unit or (BASELINE if _is_baseline(name) else SAMPLE)


def _is_baseline(name: str) -> bool:
    """The JSON beside a baseline's folded file says so."""
    beside = Path(name).with_suffix(".json")
    if name == STDIN or not name.endswith(".folded") or not beside.is_file():
        return False
    with beside.open("rb") as stream:
        return _BASELINE_MARK in stream.read(200)


def _source(name: str, profile: Collapsed, unit: Unit) -> Source:
    costs = {stack: unit.cost(count) for stack, count in profile.counts.items()}
    sample = _one_sample(list(profile.counts.values()), unit)
    samples = {stack: max(1, round(count / sample)) for stack, count in profile.counts.items()}
    return Source(name, costs, profile.lines, unit, samples, profile.paths, profile.maybe_pairs)


def _one_sample(counts: list[int], unit: Unit) -> float:
    """What one sample counts for. A period is a common factor of all counts; where times differ from sample to sample,
    nine stacks in ten have at least as much as what is taken for one."""
    if not counts:
        return PER_COUNT
    common = max(math.gcd(*counts), PER_COUNT) if len(counts) >= _NO_ACCIDENT else PER_COUNT
    return common if unit is SAMPLE else max(common, sorted(counts)[len(counts) // 10])
