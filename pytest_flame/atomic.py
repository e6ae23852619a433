"""Atomic writes: a reader sees the old content or the new, never a part of it.

The new content goes to a temporary file in the same directory, is flushed to the disk and then renamed over the old
file (rename(2) replaces in one step). Errors are the system's own ``OSError``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` as UTF-8, line ends untouched."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``data``. A symbolic link keeps pointing where it points; a device or pipe is written to.
    Without ``durable`` it does not wait for the disk: after a power failure the file may be damaged."""
    write_files([(path, data)], durable=durable)


def write_files(files: Sequence[tuple[Path, bytes]], *, durable: bool = True) -> None:
    """Replace several files, in order, all or none.

    Everything that needs space is written before the first rename, so a full disk changes nothing. If a later rename
    fails, the files replaced before it are restored. If the process is killed between two renames, the new content of
    the rest stays next to the old files: see ``leftovers``.
    """
    targets = [(_target(path), data) for path, data in files]
    with contextlib.ExitStack() as temporaries:
        staged = [_stage(path, data, temporaries, durable) for path, data in targets]
        previous = [_keep(path, temporaries) for path, _ in targets[:-1]]
        replaced: list[tuple[Path, Path | None]] = []
        try:
            for index, (path, data) in enumerate(targets):
                temporary = staged[index]
                if temporary is None:
                    path.write_bytes(data)
                    continue
                temporary.replace(path)
                if index < len(previous):
                    replaced.append((path, previous[index]))
        except BaseException:
            for path, kept in reversed(replaced):
                if kept is None:
                    path.unlink()
                else:
                    kept.replace(path)
            raise
    for folder in dict.fromkeys(path.parent for path, _ in targets if durable):
        _sync_folder(folder)


def leftovers(path: Path) -> list[Path]:
    """Temporary files left by interrupted writes of ``path``."""
    prefix, suffix = _temporary_name(path)
    if not path.parent.is_dir():
        return []
    return sorted(f for f in path.parent.iterdir() if f.name.startswith(prefix) and f.name.endswith(suffix))


def _target(path: Path) -> Path:
    """Where the content really goes: the target of symbolic links, except those to a device or pipe."""
    return path if _is_special(path) else Path(os.path.realpath(path))


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _temporary_name(path: Path) -> tuple[str, str]:
    return f".{path.name}.", ".tmp"


def _stage(path: Path, data: bytes, temporaries: contextlib.ExitStack, durable: bool = True) -> Path | None:
    """Write ``data`` next to ``path`` and to the disk; None if ``path`` is a device or pipe, which is never
    replaced."""
    if _is_special(path):
        return None
    prefix, suffix = _temporary_name(path)
    temporary = path.with_name(f"{prefix}{secrets.token_hex(4)}{suffix}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
    # O_EXCL: never follow or reuse a file someone else put there. 0o666 leaves the permissions to the umask.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    temporaries.callback(temporary.unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    return temporary


def _keep(path: Path, temporaries: contextlib.ExitStack) -> Path | None:
    """A copy of the current content of ``path``, to restore it; None if there is none."""
    return _stage(path, path.read_bytes(), temporaries) if path.is_file() else None


def _sync_folder(folder: Path) -> None:
    """Make the renames themselves durable if the file system can do that."""
    with contextlib.suppress(OSError):  # the content is already in place; some file systems refuse this
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
