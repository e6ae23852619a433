"""The profiles a command line names: files, folders of files, standard input."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

from pytest_flame import fold
from pytest_flame.baseline import store
from pytest_flame.cli.counted import in_one_metric
from pytest_flame.errors import UsageError
from pytest_flame.formats import reading, registry, sniff
from pytest_flame.formats.format import ReadOptions
from pytest_flame.model import CPU, SAMPLE_COUNT, SAMPLES, Metric, Profile

STDIN: Final = "-"
_PLAIN: Final = tuple(dict.fromkeys(suffix for known in registry.FORMATS for suffix in known.suffixes))
SUFFIXES: Final = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
"""Suffixes of the files read from a folder."""
_NO_ACCIDENT: Final = 5
"""This many counts hardly have a common factor by chance."""
_BASELINE_MARK: Final = b'"schema": "pytest-flame/baseline/'
_HEAD: Final = 200


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How files are read. ``metric=None``: the file's own, that of pytest-flame's baselines, otherwise samples."""

    how: ReadOptions
    metric: Metric | None = None


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


def read(names: Sequence[str], how: InputOptions) -> list[Profile]:
    """All files, in one metric, with the number of samples behind each cost as far as the numbers show it. Raises
    ``FormatError`` or ``UsageError``."""
    return in_one_metric([_with_samples(_read(name, how)) for name in names])


def _read(name: str, how: InputOptions) -> Profile:
    with _opened(name) as stream:
        if name != STDIN and _BASELINE_MARK in stream.peek(_HEAD)[:_HEAD]:
            recording = store.read(Path(name))
            return replace(fold.recording_profile(recording), name=name, lines=recording.lines)
        profile = reading.read(stream, _shown(name), how.how)
    return _counting(profile, _metric(name, profile, how))


def read_pair(name: str, how: InputOptions) -> list[Profile]:
    """One file with two counts per line: before, after. Raises as ``read`` does."""
    with _opened(name) as stream:
        pair = reading.read_pair(stream, _shown(name), how.how)
    metric = _metric(name, pair[0], how)
    sides = zip(("before", "after"), pair, strict=True)
    named = [replace(_counting(profile, metric), name=f"{_shown(name)} ({side})") for side, profile in sides]
    return in_one_metric([_with_samples(profile) for profile in named])


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


def _metric(name: str, profile: Profile, how: InputOptions) -> Metric:
    """What it counts: what was asked for, or what the file says."""
    if how.metric:
        return how.metric
    unsaid = profile.metric.name == SAMPLES.name
    return CPU if unsaid and _is_baseline(name) else profile.metric


def _counting(profile: Profile, metric: Metric) -> Profile:
    """The same numbers, of another metric."""
    return replace(profile, columns={metric.at_scale(profile.metric.scale): profile.costs})


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


def _with_samples(profile: Profile) -> Profile:
    sample = _one_sample(list(profile.costs.values()), profile.metric)
    samples = {stack: max(1, round(cost / sample)) for stack, cost in profile.costs.items()}
    return replace(profile, columns={**profile.columns, SAMPLE_COUNT: samples})


def _one_sample(costs: list[int], metric: Metric) -> int:
    """The cost of one sample. A period is a common factor of all costs; if times differ from sample to sample,
    nine stacks in ten have at least as much as what is taken for one."""
    common = math.gcd(*costs) if len(costs) >= _NO_ACCIDENT else metric.scale
    if metric.name == SAMPLES.name:
        return max(common, metric.scale)
    return max(common if metric.timed else max(common, metric.scale), sorted(costs)[len(costs) // 10])
