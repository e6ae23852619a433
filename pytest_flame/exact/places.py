"""Paths by the folder they belong to: the same in both trees of a pair."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

_SYSTEM: Final = ("/dev/", "/proc/", "/sys/")


class Places:
    """Names files ``tree/orders/prices.csv``.

    ``roots``: name → folder, whose files are named relative to it; others have their absolute path. ``scratch``:
    folders whose files the execution makes itself. The innermost folder decides.
    """

    def __init__(self, roots: Mapping[str, str | os.PathLike[str]], scratch: Iterable[str | os.PathLike[str]]) -> None:
        named = [(_prefix(folder), name) for name, folder in roots.items()]
        unnamed = [(_prefix(folder), None) for folder in scratch]
        self._folders: list[tuple[str, str | None]] = sorted([*named, *unnamed], key=lambda f: len(f[0]), reverse=True)

    def name(self, path: str) -> str | None:
        """Of a real path; None if it is no input: scratch, or the system's ``/dev``, ``/proc``, ``/sys``.

        A path with the name of a scratch folder inside it comes from the worker's own command line, whose words some
        plugins look for as files: ``cache_dir=/tmp/…`` below the current folder.
        """
        if any(name is None and prefix in path[1:] + os.sep for prefix, name in self._folders):
            return None
        for prefix, name in self._folders:
            if path.startswith(prefix) or path + os.sep == prefix:
                return None if name is None else f"{name}/{path[len(prefix) :]}".rstrip("/")
        return None if path.startswith(_SYSTEM) else path

    def contains_root(self, path: str) -> bool:
        """Whether a real path is that of a folder above one of these, or of one itself: it is there on every side."""
        return any(prefix.startswith(path.rstrip(os.sep) + os.sep) for prefix, _ in self._folders)

    def scratch(self, path: str) -> str | None:
        """The part of a real path below the scratch folder that it is in, if it is in one."""
        for prefix, name in self._folders:
            if path.startswith(prefix):
                return path[len(prefix) :] if name is None else None
        return None


def _prefix(folder: str | os.PathLike[str]) -> str:
    return os.path.realpath(folder).rstrip(os.sep) + os.sep
