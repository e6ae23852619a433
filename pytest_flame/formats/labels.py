"""What other profilers call a function, as a ``Frame``: names that stay the same from one run to the next.

Read are the labels of py-spy (``name (file:line)``), Austin and Tachyon (``file:name:line``), perf's
``stackcollapse-perf.pl`` (``name_[k]``) and pytest-flame's own ``module:qualname``; any other label is a name without
a module. Line numbers, addresses and the ids of threads and processes are no part of a function's identity: left in,
they split a function's cost and make two runs of one program look unlike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from pytest_flame.formats.folded import decode_frame
from pytest_flame.model import Frame, SourceLine, Stack

UNNAMED: Final = Frame("", "[unnamed]")
"""Nothing stands between two ``;``."""
NO_FRAMES: Final = Frame("", "[no frames]")
"""A thread of which nothing but its id was seen."""
INSTALLED: Final = re.compile(r".*/(?:site-packages|dist-packages|python3\.\d+t?|python3\d+\.zip)/(?=.)")
"""What stands before the part of a path that says which library's file it is."""

_KERNEL: Final = "_[k]"
_FILE: Final = r"(?:[^()]+\.(?:py|pyw|pyx|pxd|pyi)|<[^()]*>)"
_NAME_FILE: Final = re.compile(rf"(?P<name>.+) \((?P<file>{_FILE})(?::(?P<line>\d+))?\)", re.DOTALL)
_NAME_LIBRARY: Final = re.compile(r"(?P<name>.+) \((?P<file>[^()\s]+\.so(?:\.\d+)*)\)", re.DOTALL)
_FILE_NAME_LINE: Final = re.compile(rf"(?P<file>{_FILE}):(?P<name>[^:]+(?:::[^:]+)*):(?P<line>\d+)", re.DOTALL)
_OWN: Final = re.compile(r"[^\s:]+:[^:].*", re.DOTALL)
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{4,16}\b")
_THREAD: Final = re.compile(
    r"P\d+|T(?:0x)?[0-9a-fA-F]+(?::\d+)?"  # Austin
    r"|tid:\d+"  # Tachyon
    r"|thread \(?(?:0x)?[0-9a-fA-F]+\)?.*|process \d+.*"  # py-spy
    r"|\[.* tid=\d+\]"  # async-profiler
)
_COMMAND: Final = re.compile(r"(?P<name>.+)-(?:\?|\d+)(?:/\d+)?", re.DOTALL)  # stackcollapse-perf.pl --pid, --tid
_FROZEN: Final = re.compile(r"<frozen (?P<module>[\w.]+)>")
_IDENTIFIERS: Final = re.compile(r"\w+(?:/\w+)*")


@dataclass(frozen=True, slots=True)
class Naming:
    """How labels become frames.

    ``functions=False`` keeps every label as it is written, line numbers included. ``threads=False`` leaves out the
    frames that name a thread or process by its number, and the numbers behind a command's name. ``strip`` are
    folders, most often checkouts, that paths are taken relative to; ``root`` is where relative paths are looked for.
    """

    functions: bool = True
    threads: bool = True
    strip: tuple[str, ...] = ()
    root: Path = field(default_factory=Path)


class Namer:
    """Frames of one profile's labels. Each label is looked at once; ``lines`` gathers where functions were seen."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        self.lines: dict[Frame, SourceLine] = {}
        """The smallest line seen of each function whose file is known."""
        self._folders = tuple(f"{folder.rstrip('/')}/" for folder in (*naming.strip, str(naming.root.absolute())))
        self._modules: dict[str, tuple[str, str]] = {}
        self._frames: dict[str, Frame] = {}
        self._exists: dict[str, bool] = {}

    def stack(self, labels: Sequence[str]) -> Stack:
        """Root first. Empty labels at the end are no frames, as for flamegraph.pl."""
        labels = list(labels)
        while labels and not labels[-1]:
            labels.pop()
        if not self.naming.threads:
            labels = _without_threads(labels)
        frames = self._frames
        return tuple(frames[label] if label in frames else self._named(label) for label in labels) or (NO_FRAMES,)

    def _named(self, label: str) -> Frame:
        frame = self._frames[label] = self._frame(label)
        return frame

    def _frame(self, label: str) -> Frame:
        if not label:
            return UNNAMED
        if label.endswith(_KERNEL) and label != _KERNEL:
            return Frame("kernel", label.removesuffix(_KERNEL))
        if not self.naming.functions:
            return Frame("", label)
        match = _NAME_FILE.fullmatch(label) or _FILE_NAME_LINE.fullmatch(label)
        if match:
            return self._of_file(match)
        if match := _NAME_LIBRARY.fullmatch(label):
            return Frame(PurePosixPath(match["file"]).name, match["name"])
        if _OWN.fullmatch(label) and not _THREAD.fullmatch(label):
            return decode_frame(label)
        return Frame("", _ADDRESS.sub("0x…", decode_frame(f":{label}").qualname))

    def _of_file(self, match: re.Match[str]) -> Frame:
        file = match["file"]
        if file not in self._modules:
            path = self._relative(file.replace("\\", "/"))
            self._modules[file] = path, module_name(path)
        path, module = self._modules[file]
        frame = Frame(module, match["name"])
        if match["line"] and self._is_known(path):
            line = int(match["line"])
            if frame not in self.lines or line < self.lines[frame].line:
                self.lines[frame] = SourceLine(path, line)
        return frame

    def _relative(self, path: str) -> str:
        for folder in self._folders:
            if path.startswith(folder) and path != folder:
                return path[len(folder) :]
        return path

    def _is_known(self, path: str) -> bool:
        """A relative path is believed where there is such a file: py-spy shortens those of libraries, too."""
        if path not in self._exists:
            self._exists[path] = path.startswith("/") or (self.naming.root / path).is_file()
        return self._exists[path]


def module_name(path: str) -> str:
    """``orders/parse.py`` → ``orders.parse``; installed files by what follows their library's folder.

    A path that is no module's (``/srv/run-me.py``, ``<string>``) stays a path, without ``.py``.
    """
    if match := _FROZEN.fullmatch(path):
        return match["module"]
    bare = re.sub(r"\.py[wxi]?$|\.pxd$", "", INSTALLED.sub("", path))
    bare = bare.removesuffix("/__init__") or bare
    # A colon would end the module's name.
    return bare.replace("/", ".") if _IDENTIFIERS.fullmatch(bare) else bare.replace(":", "：")


def _without_threads(labels: list[str]) -> list[str]:
    kept = [label for index, label in enumerate(labels) if index > 1 or not _THREAD.fullmatch(label)]
    if kept and (match := _COMMAND.fullmatch(kept[0])):
        kept[0] = match["name"]
    return kept
