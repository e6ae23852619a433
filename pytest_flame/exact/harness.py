"""Tells the code that runs tests from the code that is tested.

What runs tests is the same for both sides: it goes into a footprint as its version, and what it opens does not.
"""

# Called for every open: strings are several times as fast as paths.
# ruff: noqa: PTH119, PTH120, PTH206

from __future__ import annotations

import enum
import importlib.metadata
import importlib.util
import os
import sysconfig
from collections.abc import Mapping
from types import FrameType
from typing import Final

from pytest_flame.installed import is_installed

DISTRIBUTIONS: Final[Mapping[str, str]] = {
    "_pytest": "pytest",
    "iniconfig": "iniconfig",
    "pluggy": "pluggy",
    "pytest": "pytest",
    "pytest_flame": "pytest-flame",
}
"""Package → the distribution that it comes with."""


class Owner(enum.Enum):
    """Whose code a file has."""

    HARNESS = enum.auto()
    IMPORT = enum.auto()
    """Python's import machinery."""
    STANDARD = enum.auto()
    """Others of the standard library, which act for their callers."""
    SUBJECT = enum.auto()
    """The project, its tests, and the libraries they use."""


class Harness:
    """``tree``: the project; a package of the harness that lies there is the subject itself."""

    def __init__(self, tree: str | os.PathLike[str]) -> None:
        self._tree = os.path.realpath(tree) + os.sep
        self._standard = os.path.realpath(sysconfig.get_path("stdlib")) + os.sep
        self._packages = {name: folder for name in DISTRIBUTIONS if (folder := self._folder(name))}
        self._owners: dict[str, Owner] = {}
        self._distributions: dict[str, str] = {}

    def owner(self, filename: str) -> Owner:
        """Of a code object's ``co_filename``."""
        found = self._owners.get(filename)
        if found is None:
            found = self._owners[filename] = self._decide(filename)
        return found

    def distribution(self, filename: str) -> str | None:
        """The one of the harness that has this file."""
        if self.owner(filename) is not Owner.HARNESS:
            return None
        found = self._distributions.get(filename)
        if found is None:
            path = os.path.realpath(filename)
            found = next(DISTRIBUTIONS[name] for name, folder in self._packages.items() if path.startswith(folder))
            self._distributions[filename] = found
        return found

    def answers_for(self, frame: FrameType | None) -> Owner:
        """Who does what this frame does: the innermost caller that is not the standard library's. The import machinery
        answers for finding and reading modules, and for nothing that their bodies do."""
        while frame is not None:
            owner = self.owner(frame.f_code.co_filename)
            if owner is Owner.IMPORT and not _reads_data(frame):
                return owner
            if owner in (Owner.HARNESS, Owner.SUBJECT):
                return owner
            frame = frame.f_back
        return Owner.SUBJECT

    def _decide(self, filename: str) -> Owner:
        if filename.startswith("<frozen importlib"):
            return Owner.IMPORT
        if filename.startswith("<frozen "):
            return Owner.STANDARD
        path = os.path.realpath(filename)
        if any(path.startswith(folder) for folder in self._packages.values()):
            return Owner.HARNESS
        if path.startswith(self._standard) and not is_installed(path.split(os.sep)):
            return Owner.STANDARD
        return Owner.SUBJECT

    def _folder(self, package: str) -> str | None:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return None
        path = os.path.realpath(spec.origin)
        if path.startswith(self._tree) and not is_installed(path[len(self._tree) :].split(os.sep)):
            return None
        # The package pytest is one file beside others that are not its own.
        return os.path.dirname(path) + os.sep if os.path.basename(path) == "__init__.py" else path


def version(distribution: str) -> str:
    return importlib.metadata.version(distribution)


def _reads_data(frame: FrameType) -> bool:
    """Whether a loader's ``get_data`` reads a file for a program, which is no module that is imported."""
    if frame.f_code.co_name != "get_data":
        return False
    caller = frame.f_back
    return caller is None or caller.f_code.co_name not in ("get_code", "source_to_code", "path_stats")
