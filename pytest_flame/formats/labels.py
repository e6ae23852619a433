"""What other profilers call a function, as a ``Frame``: names that stay the same from one run to the next.

``styles`` has how each tool writes a function and its place; pytest-flame's own is ``module:qualname``, and any other
label is a name without a module. Line numbers, addresses, how a function was compiled and the ids of threads and
processes are not part of a function's identity: left in, they split a function's cost and make two runs of one program
look unlike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from sys import getsizeof
from typing import Final

from pytest_flame.formats.folded import decode_frame, encode_frame
from pytest_flame.formats.roots import numbered, without_numbered
from pytest_flame.formats.styles import Place, library, place
from pytest_flame.installed import FOLDERS
from pytest_flame.model import Frame, SourceLine, Stack

UNNAMED: Final = Frame("", "[unnamed]")
"""Nothing between two ``;``."""
NO_FRAMES: Final = Frame("", "[no frames]")
"""A thread of which only the id was seen."""
INSTALLED: Final = re.compile(rf".*/(?:{'|'.join(sorted(FOLDERS))}|python3\.\d+t?|python3\d+\.zip)/(?=.)")
"""What stands before the part of a path that says which library's file it is."""

_PER_LABEL: Final = 300
"""Bytes that a label takes beside its text and its frame's."""
_KERNEL: Final = "_[k]"
_COMPILED: Final = re.compile(r"(?<=.)(?:_\[[ij01]\])+\Z", re.DOTALL)
"""How a function was compiled: inlined, by which compiler. It is the same function."""
_OWN: Final = re.compile(r"(?:[^\s:]+|[^:]*/[^:]*):[^:\s].*", re.DOTALL)
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{4,16}\b")
_OFFSET: Final = re.compile(r"(?<=.)\+0x[0-9a-fA-F]+\Z", re.DOTALL)
_UNKNOWN: Final = re.compile(r"\[unknown <[0-9a-fA-F]+>\]")  # stackcollapse-perf.pl --addrs
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

    def __init__(self, naming: Naming, *, austin: bool = False) -> None:
        """``austin``: the file is Austin's, whose names of threads could be functions elsewhere."""
        self.naming = naming
        self.lines: dict[Frame, SourceLine] = {}
        """The smallest line seen of each function whose file is known."""
        self.paths: dict[str, str] = {}
        """By module, the file that gave it its name; not of installed libraries."""
        self.held = 0
        """Bytes that the names take, about."""
        self._austin = austin
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
            labels = without_numbered(labels, austin=self._austin)
        frames = self._frames
        return tuple(frames[label] if label in frames else self._named(label) for label in labels) or (NO_FRAMES,)

    def frame(self, place: Place) -> Frame:
        """The function of a tool that says name, file and line apart."""
        name = _ADDRESS.sub("0x…", place.name) if "0x" in place.name else place.name
        if not place.file:
            return Frame("", name)
        if place.file not in self._modules:
            self._modules[place.file] = self._module(place.file)
        path, module = self._modules[place.file]
        frame = Frame(module, name)
        if place.line and self._is_known(path):
            self.seen(frame, path, place.line)
        return frame

    def seen(self, frame: Frame, path: str, line: int) -> None:
        """Where a function was seen; the smallest line is kept."""
        known = self.lines.get(frame)
        if known is None or line < known.line:
            self.lines[frame] = SourceLine(path, line)

    def _named(self, label: str) -> Frame:
        frame = self._frames[label] = self._of_label(label)
        self.held += 2 * getsizeof(label) + _PER_LABEL
        return frame

    def _of_label(self, label: str) -> Frame:
        if not label:
            return UNNAMED
        if label.endswith(_KERNEL) and label != _KERNEL:
            return Frame("kernel", label.removesuffix(_KERNEL))
        if not self.naming.functions:
            return Frame("", label)
        if label[-1] == "]":
            label = _COMPILED.sub("", label)
        if "+0x" in label:
            label = _OFFSET.sub("", label)
        if numbered(label):
            return Frame("", label)
        if found := place(label):
            return self.frame(found)
        if in_library := library(label):
            name, file = in_library
            return Frame(PurePosixPath(file).name, _ADDRESS.sub("0x…", name))
        if _OWN.fullmatch(label):
            return decoded(label)
        name = decoded(f":{label}").qualname
        return Frame("", _UNKNOWN.sub("[unknown]", _ADDRESS.sub("0x…", name)) if "0x" in name or "<" in name else name)

    def _module(self, file: str) -> tuple[str, str]:
        """The path as it is shown, and what the module is called."""
        path = self._relative(file.replace("\\", "/"))
        module = module_name(path)
        if not path.startswith("<") and not INSTALLED.match(path):
            self.paths[module] = path
        return path, module

    def _relative(self, path: str) -> str:
        for folder in self._folders:
            if path.startswith(folder) and path != folder:
                return path[len(folder) :]
        return path

    def _is_known(self, path: str) -> bool:
        """A relative path is accepted if there is such a file: py-spy also shortens paths of libraries."""
        if path not in self._exists:
            self._exists[path] = path.startswith("/") or _is_file(self.naming.root / path)
        return self._exists[path]


def module_name(path: str) -> str:
    """``orders/parse.py`` → ``orders.parse``; installed files by what follows their library's folder.

    A path that is no module's (``/srv/run-me.py``, ``<string>``) stays a path, without ``.py``.
    """
    if match := _FROZEN.fullmatch(path):
        return match["module"]
    inside = INSTALLED.sub("", path)
    bare = re.sub(r"\.py[wxi]?$|\.pxd$", "", inside)
    if bare != inside and _IDENTIFIERS.fullmatch(bare):
        return (bare.removesuffix("/__init__") or bare).replace("/", ".")
    # A colon would end the module's name.
    return bare.replace(":", "：")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name no file can have
        return False


def decoded(label: str) -> Frame:
    """Escapes are those of our own files where writing the frame gives the very label; all else is as it stands."""
    if "%" not in label:
        return Frame(*label.split(":", 1))
    frame = decode_frame(label)
    return frame if encode_frame(frame) == label else Frame(*label.split(":", 1))
