"""The profiles a command line names: files, folders of files, standard input."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

from pytest_flame import fold
from pytest_flame.baseline import store
from pytest_flame.cli.counted import BASELINE, SAMPLE, Unit, parse_unit
from pytest_flame.errors import UsageError
from pytest_flame.formats import reading, registry, sniff
from pytest_flame.formats.counts import Counts
from pytest_flame.formats.format import ReadOptions
from pytest_flame.model import Frame, SourceLine, Stack

STDIN: Final = "-"
_PLAIN: Final = tuple(dict.fromkeys(suffix for known in registry.FORMATS for suffix in known.suffixes))
SUFFIXES: Final = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
"""Suffixes of the files read from a folder."""
_NO_ACCIDENT: Final = 5
"""This many counts hardly have a common factor by chance."""
_BASELINE_MARK: Final = b'"schema": "pytest-flame/baseline/'
_HEAD: Final = 200


@dataclass(frozen=True, slots=True)
class Source:
    """One profile. Costs are in the terms of ``unit``: see ``counted``."""

    name: str
    costs: Mapping[Stack, int]
    lines: Mapping[Frame, SourceLine]
    unit: Unit
    samples: Mapping[Stack, int]
    """How many samples each stack's cost represents, as far as the numbers show."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """By module, the file that gave it its name; not for installed libraries."""
    maybe_pairs: bool = False


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How files are read. ``unit=None``: the file's own unit, that of pytest-flame's baselines, otherwise samples."""

    how: ReadOptions
    unit: Unit | None = None


def expand(arguments: Sequence[str]) -> list[str]:
    """File names; for a folder all profiles in it, by name. Raises ``UsageError`` for an empty or missing one."""
    names: list[str] = []
    for argument in arguments:
        if not Path(argument).is_dir():
            names.append(argument)
            continue
        inside = sorted(str(p) for p in Path(argument).iterdir() if p.is_file() and _is_profile(p))
        if not inside:
            raise UsageError(
                f"the folder {argument} contains no profiles",
                why=f"it has neither baselines nor files that end in {', '.join(_PLAIN)}",
                fix="name the files themselves",
            )
        names += inside
    if names.count(STDIN) > 1:
        raise UsageError("- is standard input, which can be read only once")
    return names


def _is_profile(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) or (path.suffix == ".json" and _is_marked(path))


def read(names: Sequence[str], how: InputOptions) -> list[Source]:
    """All files, in one unit. Raises ``FormatError`` or ``UsageError``."""
    return _sources([(_shown(name), *_read(name, how)) for name in names])


def _read(name: str, how: InputOptions) -> tuple[Counts, Unit]:
    with _opened(name) as stream:
        if name != STDIN and _BASELINE_MARK in stream.peek(_HEAD)[:_HEAD]:
            recording = store.read(Path(name))
            return Counts(fold.recording_profile(recording).costs, recording.lines), BASELINE
        profile = reading.read(stream, _shown(name), how.how)
    return profile, _unit(name, profile, how)


def read_pair(name: str, how: InputOptions) -> list[Source]:
    """One file with two counts per line: before, after. Raises as ``read`` does."""
    with _opened(name) as stream:
        pair = reading.read_pair(stream, _shown(name), how.how)
    unit = _unit(name, pair[0], how)
    sides = zip(("before", "after"), pair, strict=True)
    return _sources([(f"{_shown(name)} ({side})", profile, unit) for side, profile in sides])


def summed(name: str, sources: Sequence[Source]) -> Source:
    """All of them as one profile."""
    costs: dict[Stack, int] = defaultdict(int)
    samples: dict[Stack, int] = defaultdict(int)
    for source in sources:
        for stack, cost in source.costs.items():
            costs[stack] += cost
            samples[stack] += source.samples[stack]
    return Source(name, costs, earliest_lines(sources), sources[0].unit, samples)


def earliest_lines(sources: Sequence[Source]) -> dict[Frame, SourceLine]:
    """Where functions were seen in any of them, the smallest line."""
    lines: dict[Frame, SourceLine] = {}
    for source in sources:
        for frame, line in source.lines.items():
            if frame not in lines or line.line < lines[frame].line:
                lines[frame] = line
    return lines


@contextmanager
def _opened(name: str) -> Iterator[BufferedReader]:
    if name == STDIN:
        yield cast(BufferedReader, sys.stdin.buffer)
        return
    try:
        with Path(name).open("rb") as stream:
            yield stream
    except OSError as e:
        raise UsageError(f"{name} can't be read", why=e.strerror or str(e)) from e


def _shown(name: str) -> str:
    return sniff.STDIN if name == STDIN else name


def _unit(name: str, profile: Counts, how: InputOptions) -> Unit:
    if how.unit:
        return how.unit
    if profile.unit:
        return parse_unit(profile.unit)
    return BASELINE if _is_baseline(name) else SAMPLE


def _is_baseline(name: str) -> bool:
    """The JSON next to the folded file of an earlier release shows it."""
    beside = Path(name).with_suffix(".json")
    if name == STDIN or not name.endswith(".folded") or not beside.is_file():
        return False
    return _is_marked(beside)


def _is_marked(path: Path) -> bool:
    """Whether a file begins as a baseline does."""
    with _opened(str(path)) as stream:
        return _BASELINE_MARK in stream.read(_HEAD)


def _sources(read: Sequence[tuple[str, Counts, Unit]]) -> list[Source]:
    """By name, with the unit of each. Raises ``UsageError`` if they differ."""
    name, _, unit = read[0]
    for other, _, its in read:
        if its != unit:
            raise UsageError(
                f"{name} counts {unit.name} and {other} counts {its.name}",
                why="speedscope files, the periods of perf script and pytest-flame's baselines contain their unit; "
                "everything else is taken for samples",
                fix="give the unit of all of them with --unit",
            )
    decimals = max(profile.decimals for _, profile, _ in read)
    most = sum(-(-sum(profile.counts.values()) // profile.one) for _, profile, _ in read)
    unit = unit.fitting(decimals, most)
    return [_source(name, profile, unit) for name, profile, _ in read]


def _source(name: str, profile: Counts, unit: Unit) -> Source:
    sample = _one_sample(list(profile.counts.values()), unit, profile.one)
    samples = {stack: max(1, round(count / sample)) for stack, count in profile.counts.items()}
    costs = unit.costs(profile.counts, profile.decimals)
    return Source(name, costs, profile.lines, unit, samples, profile.paths, profile.maybe_pairs)


def _one_sample(counts: list[int], unit: Unit, one: int) -> int:
    """The count of one sample. A period is a common factor of all counts; if times differ from sample to sample, nine
    stacks in ten have at least as much as what is taken for one."""
    common = math.gcd(*counts) if len(counts) >= _NO_ACCIDENT else one
    if unit.name == SAMPLE.name:
        return max(common, one)
    return max(common if unit.timed else max(common, one), sorted(counts)[len(counts) // 10])
