"""The files with machine code that a process has mapped: the interpreter, extension modules, shared libraries."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_flame.exact.auditing import content_hash

_hashes: dict[tuple[int, int, int, int], str] = {}
"""Device, inode, size and time of change in nanoseconds → hash. Processes forked later have it, too."""


def mapped_binaries() -> dict[str, str | None]:
    """Real path → hash of the content; None if the file is gone or cannot be read."""
    found: dict[str, str | None] = {}
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/") and fields[5] not in found:
            found[fields[5]] = _hash(fields[5], int(fields[4]))
    return found


def _hash(path: str, inode: int) -> str | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (hot, str)
    except OSError:
        return None
    if status.st_ino != inode:
        return None  # replaced since it was mapped
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        content = content_hash(path)
        if content is None:
            return None
        _hashes[key] = content
    return _hashes[key]
