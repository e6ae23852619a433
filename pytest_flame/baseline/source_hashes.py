"""Which of the project's own source files a recording used: the proof of what was measured."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pytest_flame.installed import lies_in_environment

_STDLIB: Final = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


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
    root = root.resolve()
    environments: dict[str, bool] = {}
    hashes = {}
    for file in files:
        path = Path(file).resolve()
        if not path.is_relative_to(root) or not path.is_file() or any(path.is_relative_to(lib) for lib in _STDLIB):
            continue
        if not lies_in_environment(str(path), str(root), environments):
            hashes[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(hashes.items()))
