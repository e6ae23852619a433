"""Temporary folders of this package: each is locked while its owner runs, and those of killed owners are removed.

The kernel releases flock(2) however a process ends. A folder whose lock is free has no owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_flame import clocks

PREFIX: Final = "pytest-flame-"
LOCKS: Final = ("owner", "alive")
"""The lock files: of a folder that one process owns; of a session of profiled processes (``profiling/session.py``)."""
_HANDING_OVER_S: Final = 60.0
"""A profiled process that becomes another program by exec releases its lock for a moment."""


@contextlib.contextmanager
def owned_folder() -> Iterator[Path]:
    """A fresh folder, resolved, that is removed afterwards, or by the next ``remove_abandoned``."""
    lock = -1
    while lock < 0:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        lock = _locked(folder / LOCKS[0])
    try:
        yield folder
    finally:
        try:
            remove(folder)
        finally:
            os.close(lock)


def _locked(path: Path) -> int:
    """Its descriptor; −1 if the folder was removed between making and locking it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if path.exists():
        return lock
    os.close(lock)
    return -1


def remove_abandoned() -> list[Path]:
    """Removes this user's folders whose owners are gone; what cannot be removed stays."""
    try:
        entries = [entry for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith(PREFIX)]
    except OSError:
        return []
    return [Path(entry.path) for entry in entries if _is_ours(entry) and _removed_if_abandoned(Path(entry.path))]


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _removed_if_abandoned(folder: Path) -> bool:
    for name in LOCKS:
        try:
            lock = os.open(folder / name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # being created right now, or of another kind
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name == LOCKS[1] and _is_handed_over(folder):
                return False
            remove(folder)
        except BlockingIOError:
            return False  # still in use
        finally:
            os.close(lock)
        return not folder.exists()
    return False


def _is_handed_over(folder: Path) -> bool:
    """Whether a session may continue although no process is in it at this moment."""
    try:
        quiet_s = clocks.time_of_day() - folder.stat().st_mtime
        root = int(json.loads((folder / "settings.json").read_text(encoding="utf-8"))["root_pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return quiet_s < _HANDING_OVER_S or (root > 0 and Path(f"/proc/{root}").exists())


def remove(folder: Path) -> None:
    """Removes the folder with its content, including read-only folders; errors are left to the next run."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(place, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
