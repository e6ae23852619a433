"""Two checkouts of one program: their paths begin with different folders, which are not part of a function."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pytest_flame.formats.labels import module_name
from pytest_flame.model import Frame

_MOST_NAMESAKES: Final = 50
"""Files of one name that are compared with each other; ``__init__.py`` says nothing where there are more."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folder that the paths of each side are relative to; empty if they are already relative."""

    before: str
    after: str


def folders(before: Mapping[str, str], after: Mapping[str, str]) -> Folders | None:
    """The two folders below which the sides have the same files, where at least half of the files that only one of
    them has are then in both. ``before`` and ``after`` are paths by module."""
    mine, others = set(before.values()), set(after.values())
    mine, others = mine - others, others - mine
    namesakes: dict[str, list[list[str]]] = defaultdict(list)
    for path in sorted(others):
        parts = path.split("/")
        namesakes[parts[-1]].append(parts)
    votes: Counter[Folders] = Counter()
    for path in sorted(mine):
        parts = path.split("/")
        same = namesakes.get(parts[-1], [])
        if not same or len(same) > _MOST_NAMESAKES:
            continue
        length, other = max(((_common(parts, candidate), candidate) for candidate in same), key=lambda found: found[0])
        votes[Folders("/".join(parts[:-length]), "/".join(other[:-length]))] += 1
    if not votes:
        return None
    (found, count), *_ = votes.most_common(1)
    return found if 2 * count >= min(len(mine), len(others)) else None


def _common(one: list[str], other: list[str]) -> int:
    """The number of parts of the common end of two paths."""
    length = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        length += 1
    return length


def renamed(paths: Mapping[str, str], folder: str) -> dict[str, str]:
    """What modules below the folder are called relative to it, by their names with it."""
    start = f"{folder}/"
    return {m: module_name(p.removeprefix(start)) for m, p in paths.items() if folder and p.startswith(start)}


def moved(frame: Frame, names: Mapping[str, str]) -> Frame:
    return Frame(names[frame.module], frame.qualname) if frame.module in names else frame
