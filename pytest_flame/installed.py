"""Decides which code is installed rather than the project's own.

``trees/redirect.py`` loads this file alone, in processes that may not see the package: standard library only.
"""

# Called for every import of a worker: strings are several times as fast as paths.
# ruff: noqa: PTH110, PTH118, PTH120, PTH206

from __future__ import annotations

import os
from collections.abc import Iterable

FOLDERS = frozenset({"site-packages", "dist-packages", "__pypackages__"})
"""Folders that packages are installed into."""


def in_project(path: str) -> bool:
    """Whether a recording's path, relative to the repository if inside it, is the project's own code."""
    return bool(path) and not path.startswith(("/", "<", "..")) and not is_installed(path.split("/"))


def is_installed(parts: Iterable[str]) -> bool:
    """Whether a path with these parts lies in one of them."""
    return not FOLDERS.isdisjoint(parts)


def lies_in_environment(path: str, root: str, environments: dict[str, bool]) -> bool:
    """Whether a path below ``root`` is installed there, or lies in a virtual environment of any name.

    ``environments`` caches which folders are virtual environments (PEP 405: they contain a ``pyvenv.cfg``).
    """
    if is_installed(path[len(root) :].split(os.sep)):
        return True
    folder = path
    while len(folder) > len(root):
        if folder not in environments:
            environments[folder] = os.path.exists(os.path.join(folder, "pyvenv.cfg"))
        if environments[folder]:
            return True
        folder = os.path.dirname(folder)
    return False
