"""Ignored files of a working tree: a program may need them, but gigabytes of data are not copied twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from pytest_flame.trees.compiled import COMPILED

LARGEST_COPIED: Final = 50_000_000
"""The most bytes of ignored data in one place, a folder or a file, that are copied."""
MOST_COPIED: Final = 5_000
"""The most files, likewise."""
_CODE: Final = (".py", ".pyi", ".pth", *COMPILED)


@dataclass(frozen=True, slots=True)
class Linked:
    """A file, or a folder of only ignored data, that both trees link to instead of containing a copy."""

    path: str
    bytes: int
    files: int

    @property
    def note(self) -> str:
        size = f"{self.bytes / 1e9:.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.0f} MB"
        files = f" in {self.files:,} files" if self.files > 1 else ""
        return (
            f"{self.path}, which git ignores ({size}{files}), is linked, not copied: a test that writes there writes "
            f"to the checkout, and both sides see it; flame_copy_ignored = {self.path} copies it"
        )


def linked(ignored: Mapping[str, int], others: Iterable[str], copied: Sequence[str]) -> tuple[Linked, ...]:
    """Which of the ``ignored`` files (path → bytes) are linked, as few links as possible.

    ``others`` are the files that git knows on either side: a folder with one of them, or with code, is not a folder of
    data. A path that matches a pattern of ``copied``, itself or through a folder above it, is copied whatever its size.
    """
    data = {p: size for p, size in ignored.items() if not p.endswith(_CODE) and not _is_asked_for(p, copied)}
    own = {place for p in {*others, *ignored.keys() - data.keys()} for place in (*_folders(p), p)}
    found: dict[str, list[int]] = {}
    for p, size in data.items():
        place = next((folder for folder in _folders(p) if folder not in own), p)
        found.setdefault(place, []).append(size)
    sizes = (Linked(place, sum(sizes), len(sizes)) for place, sizes in sorted(found.items()))
    return tuple(one for one in sizes if one.bytes > LARGEST_COPIED or one.files > MOST_COPIED)


def _is_asked_for(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(p, pattern.rstrip("/")) for pattern in patterns for p in (path, *_folders(path)))


def _folders(path: str) -> list[str]:
    """The folders above a path, the outermost first."""
    return [str(p) for p in reversed(PurePosixPath(path).parents)][1:]
