"""Sides that are two checkouts of one program, compared function by function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_flame.cli.inputs import Source
from pytest_flame.formats.checkouts import Folders, folders, moved, renamed
from pytest_flame.model import Frame, Stack


def aligned(before: Sequence[Source], after: Sequence[Source]) -> tuple[list[Source], list[Source], Folders | None]:
    """Both sides with paths relative to one folder each, if the same files are in two folders; and the folders."""
    found = folders(_paths(before), _paths(after))
    if found is None:
        return list(before), list(after), None
    return [_relative(s, found.before) for s in before], [_relative(s, found.after) for s in after], found


def note(found: Folders) -> str:
    """What was done."""
    one, other = (folder or "the current folder" for folder in (found.before, found.after))
    return f"paths are relative to {one} (before) and {other} (after), which contain the same files"


def _paths(sources: Sequence[Source]) -> dict[str, str]:
    return {module: path for source in sources for module, path in source.paths.items()}


def _relative(source: Source, folder: str) -> Source:
    names = renamed(source.paths, folder)
    if not names:
        return source
    frames = {frame: moved(frame, names) for stack in source.costs for frame in stack}
    return replace(
        source,
        costs=_summed(source.costs, frames),
        samples=_summed(source.samples, frames),
        lines={frames.get(frame, frame): line for frame, line in source.lines.items()},
        paths={names.get(module, module): path for module, path in source.paths.items()},
    )


def _summed(values: Mapping[Stack, int], frames: Mapping[Frame, Frame]) -> dict[Stack, int]:
    sums: dict[Stack, int] = defaultdict(int)
    for stack, value in values.items():
        sums[tuple(frames[frame] for frame in stack)] += value
    return sums
