"""Whose code the processes of a worker ran, shown by the files they opened: none may be from the wrong side.

An import that is not redirected (in a child started with its own environment, with ``-I``, by another interpreter or by
a shell without the variables) has to open a file. inotify(7) reports that without special permission, for any program,
at no cost for opening other files. It does not report which process it was.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import source_from_cache
from pathlib import Path
from typing import Final

from pytest_flame import installed
from pytest_flame.trees.provenance import Provenance
from pytest_flame.trees.redirect import PathMap

_CODE: Final = (".py", ".pyc", *EXTENSION_SUFFIXES)
_CACHE: Final = "__pycache__"
_IN_OPEN, _IN_Q_OVERFLOW, _IN_ONLYDIR, _IN_ISDIR = 0x20, 0x4000, 0x0100_0000, 0x4000_0000
_EVENT: Final = struct.Struct("iIII")


@dataclass(frozen=True, slots=True)
class Watched:
    """``folders``: each with the names (up to the first dot) to watch there; None: all code."""

    folders: dict[str, tuple[str, ...] | None]
    scripts: frozenset[str] = frozenset()
    """Python programs whose names do not show it."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps([self.folders, sorted(self.scripts)]), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Watched:
        folders, scripts = json.loads(path.read_text(encoding="utf-8"))
        return cls({k: None if v is None else tuple(v) for k, v in folders.items()}, frozenset(scripts))

    def matters(self, folder: str, name: str) -> bool:
        names = self.folders[folder]
        if names is not None and name.partition(".")[0] not in names:
            return False
        return name.endswith(_CODE) or os.path.join(folder, name) in self.scripts  # noqa: PTH118


def watched(provenance: Provenance, paths: Sequence[str], search_path: Iterable[str]) -> Watched:
    """Where the code of the other side and of the checkout lies, and installed copies of the project in
    ``search_path``.

    ``paths`` are the files of both trees.
    """
    places = PathMap(provenance.checkout, provenance.tree, provenance.kept)
    folders: dict[str, tuple[str, ...] | None] = {}
    scripts: set[str] = set()
    for path in paths:
        script = "." not in path.rpartition("/")[2] and _is_python(Path(provenance.tree, path))
        if not (script or path.endswith(_CODE)):
            continue
        for top in (provenance.other, provenance.checkout):
            file = f"{top}/{path}"
            if top == provenance.checkout and places.mapped(file) is None:
                continue  # an environment, or this package
            folders[os.path.dirname(file)] = None  # noqa: PTH120
            if script:
                scripts.add(file)
    for site in search_path:
        if Path(site).name in installed.FOLDERS:
            _add_installed(folders, Path(site), provenance)
    prefix = os.environ.get("PYTHONPYCACHEPREFIX")
    for folder in list(folders):
        cache = f"{prefix}{folder}" if prefix else f"{folder}/{_CACHE}"
        folders.setdefault(cache, folders[folder])
        folders.setdefault(f"{folder}/{_CACHE}", folders[folder])  # of a process without the prefix
    return Watched(folders, frozenset(scripts))


def _add_installed(folders: dict[str, tuple[str, ...] | None], site: Path, provenance: Provenance) -> None:
    modules = set()
    for root in provenance.roots:
        for tree in (Path(provenance.tree, root), Path(provenance.other, root)):
            for entry in tree.iterdir() if tree.is_dir() else ():
                if entry.suffix == ".py" and (site / entry.name).is_file():
                    modules.add(entry.stem)
                elif (entry / "__init__.py").is_file() and (site / entry.name).is_dir():
                    for folder, _, _ in os.walk(site / entry.name):
                        folders[folder] = None
    if modules:
        folders[str(site)] = tuple(sorted(modules))


def _is_python(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            line = file.readline(200)
    except OSError:
        return False
    return line.startswith(b"#!") and b"python" in line


def source_of(file: str) -> str:
    """The source of a bytecode file's module."""
    if not file.endswith(".pyc"):
        return file
    prefix = os.environ.get("PYTHONPYCACHEPREFIX")
    folder, name = os.path.split(file)
    if prefix and folder.startswith(f"{prefix}/"):
        return os.path.join(folder[len(prefix) :], f"{name.partition('.')[0]}.py")  # noqa: PTH118
    try:
        return source_from_cache(file)
    except ValueError:
        return file


class Reads:
    """Records what any process opens in watched folders from now on."""

    def __init__(self, where: Watched) -> None:
        self._where = where
        self.unknown: str | None = None
        """Why some of it may be missed."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._folders: dict[int, str] = {}
        self.descriptor = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.descriptor < 0:
            self.unknown = _why(ctypes.get_errno())
            return
        for folder in where.folders:
            number = self._libc.inotify_add_watch(self.descriptor, os.fsencode(folder), _IN_OPEN | _IN_ONLYDIR)
            if number >= 0:
                self._folders[number] = folder
            elif ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
                self.unknown = _why(ctypes.get_errno())

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def take(self) -> list[str]:
        """Files of code that were opened since the last time."""
        found: dict[str, None] = {}
        while self.descriptor >= 0:
            try:
                data = os.read(self.descriptor, 65536)
            except BlockingIOError:
                break
            at = 0
            while at < len(data):
                number, mask, _, size = _EVENT.unpack_from(data, at)
                name = os.fsdecode(data[at + _EVENT.size : at + _EVENT.size + size].rstrip(b"\0"))
                at += _EVENT.size + size
                if mask & _IN_Q_OVERFLOW:
                    self.unknown = "more files were opened than could be recorded"
                folder = self._folders.get(number)
                if folder is not None and name and not mask & _IN_ISDIR and self._where.matters(folder, name):
                    found[os.path.join(folder, name)] = None  # noqa: PTH118
        return list(found)


def _why(number: int) -> str:
    if number == errno.ENOSPC:
        return "the project has more folders than can be watched (sudo sysctl fs.inotify.max_user_watches=1048576)"
    if number == errno.EMFILE:
        return "too many programs watch files (sudo sysctl fs.inotify.max_user_instances=1024)"
    return f"files cannot be watched here: {os.strerror(number)}"
