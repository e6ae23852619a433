"""Symbol tables kept from one process to the next, under the user's cache folder, by build-id.

Each entry is one file that is written under a temporary name and renamed, so a reader sees all of it or none, even with
concurrent writers. Its checksum is verified on reading; a damaged entry is rebuilt and replaced. If there is no place
to write, nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Final

from pytest_flame.sampling.symbols.symbol_table import SymbolTable

FORMAT: Final = 1
"""Part of every entry's name: other versions of this package never read what they don't understand."""
MAX_ENTRIES: Final = 512
_MAGIC: Final = b"FLAMESYM"
_HEADER: Final = struct.Struct("<8sIIQ")
_DAY_S: Final = 86400


def cache_root() -> Path | None:
    """The user's cache folder (XDG Base Directory Specification 0.8); None for a user without a home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None


class SymbolCache:
    """Tables by key: see ``key_of``. ``folder`` None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> SymbolCache:
        root = cache_root()
        return cls(None if root is None else root / "pytest-flame" / "symbols")

    def read(self, key: str) -> SymbolTable | None:
        """None if it is missing, damaged, or owned by another user."""
        if self._folder is None:
            return None
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                data = stream.read()
                age_s = time.time() - os.fstat(stream.fileno()).st_mtime
            table = _unpack(key, data)
        except (OSError, ValueError):
            return None
        if age_s > _DAY_S:  # in use: not the next to be removed
            with contextlib.suppress(OSError):
                os.utime(path)
        return table

    def write(self, key: str, table: SymbolTable) -> None:
        """Writes nothing if the folder is not writable: a cache must not cause a failure."""
        if self._folder is None:
            return
        from pytest_flame.atomic import write_bytes  # not for readers

        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room()
            write_bytes(self._path(key), _pack(key, table), durable=False)  # damage is detected
        except OSError:
            return

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.{FORMAT}"

    def _make_room(self) -> None:
        """Removes the least recently used entries."""
        assert self._folder is not None
        entries = []
        for entry in os.scandir(self._folder):
            with contextlib.suppress(OSError):  # another process may have removed it
                entries.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
        for _, path in sorted(entries)[: max(0, len(entries) - MAX_ENTRIES + 1)]:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 (scandir gives text)


def key_of(build_id: bytes | None, status: os.stat_result) -> str:
    """The build-id; for a file without one (some linkers write none), properties that change when it is replaced."""
    if build_id is not None:
        return build_id.hex()
    what = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "file-" + "-".join(f"{number:x}" for number in what)


def _pack(key: str, table: SymbolTable) -> bytes:
    """The checksum includes the key: a renamed entry is a damaged one."""
    content = table.to_bytes()
    return _HEADER.pack(_MAGIC, FORMAT, zlib.crc32(content, zlib.crc32(key.encode())), len(content)) + content


def _unpack(key: str, data: bytes) -> SymbolTable:
    if len(data) < _HEADER.size:
        raise ValueError("the entry is truncated")
    magic, version, crc, size = _HEADER.unpack_from(data)
    content = memoryview(data)[_HEADER.size :]
    if (magic, version, size) != (_MAGIC, FORMAT, len(content)):
        raise ValueError("not an entry of this cache")
    if zlib.crc32(content, zlib.crc32(key.encode())) != crc:
        raise ValueError("the entry is damaged")
    return SymbolTable.from_bytes(content)
