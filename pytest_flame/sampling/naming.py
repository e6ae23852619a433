"""From a code object's file to a frame's identity: ``module:qualname``, the same on every checkout path."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from pytest_flame.model import Frame, SourceLine
from pytest_flame.sampling.profile_source import IN_KERNEL, NATIVE_THREAD, TRUNCATED, RawFrame

_MODULES_WITHOUT_FILE: Final = {NATIVE_THREAD: "[native]", TRUNCATED: "[stack]", IN_KERNEL: "[stack]"}


class FrameNamer:
    """Names frames as the running program would import them.

    The module is the path below the longest entry of ``sys.path`` that contains the file; files outside it (scripts)
    use their path relative to ``root`` without ``.py``; code without a file keeps its pseudo-name.
    """

    def __init__(self, root: str, search_path: Sequence[str] | None = None) -> None:
        entries = sys.path if search_path is None else search_path
        self._root = os.path.realpath(root)
        roots = {os.path.realpath(p or os.curdir) for p in entries}
        self._entries = sorted((p for p in roots if os.path.isdir(p)), key=len, reverse=True)  # noqa: PTH112 (hot, str)
        self._modules: dict[str, tuple[str, str]] = {}

    def frame(self, raw: RawFrame) -> Frame:
        if raw in _MODULES_WITHOUT_FILE:
            return Frame(_MODULES_WITHOUT_FILE[raw], raw.qualname)
        if raw.library:
            return Frame(raw.library, raw.qualname)
        return Frame(self._locate(raw.filename)[0], raw.qualname)

    def line(self, raw: RawFrame) -> SourceLine | None:
        if not raw.filename or raw.filename.startswith("<"):
            return None
        return SourceLine(self._locate(raw.filename)[1], raw.firstlineno)

    def _locate(self, filename: str) -> tuple[str, str]:
        found = self._modules.get(filename)
        if found is None:
            found = self._modules[filename] = self._module_and_path(filename)
        return found

    def _module_and_path(self, filename: str) -> tuple[str, str]:
        if filename.startswith("<frozen ") and filename.endswith(">"):
            return filename[len("<frozen ") : -1].replace(":", "."), filename
        if filename.startswith("<") or not filename or "\0" in filename:
            return filename.replace(":", ".") or "<unnamed>", filename
        path = os.path.realpath(filename)
        shown = _relative(path, self._root) or path
        for entry in self._entries:
            inside = _relative(path, entry)
            if inside:
                return _dotted(inside), shown
        return os.path.splitext(shown)[0].replace(":", "."), shown  # noqa: PTH122 (any text is a name here)


def _relative(path: str, directory: str) -> str | None:
    prefix = directory.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else None


def _dotted(relative: str) -> str:
    parts = os.path.splitext(relative)[0].split(os.sep)  # noqa: PTH122, PTH206
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts).replace(":", ".")
