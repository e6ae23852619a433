"""Which of the project's own source files a recording used: the proof of what was measured."""

# Called for every module of every measured process: strings are several times as fast as paths.
# ruff: noqa: PTH113, PTH118

from __future__ import annotations

import functools
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pytest_flame.installed import lies_in_environment

_STDLIB: Final = tuple(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))


def module_files() -> list[str]:
    """The Python source files of all modules imported so far, sorted; compiled and built-in modules have none."""
    files = set()
    for module in list(sys.modules.values()):
        # Not getattr: lazy modules would import something.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith(".py"):
            files.add(file)
    return sorted(files)


def source_hashes(root: Path, files: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the project's own files among ``files``, by path relative to ``root`` with ``/``, sorted.

    Files outside ``root``, in an installation or virtual environment inside it, or in the standard library are left
    out, as is anything that is not a file (any more). Raises ``OSError`` for a file that exists and cannot be read.
    """
    real = os.path.realpath(root)
    own = [path for file in files if (path := _own(file, real)) is not None and os.path.isfile(path)]
    hashes = {os.path.relpath(path, real): hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in own}
    return dict(sorted(hashes.items()))


@functools.cache  # processes that are forked later have it, too
def _own(file: str, root: str) -> str | None:
    """The real path of a file, if it would be one of the project's own."""
    path = os.path.realpath(file)
    if not path.startswith(os.path.join(root, "")) or path.startswith(_STDLIB):
        return None
    return None if lies_in_environment(path, root, {}) else path
