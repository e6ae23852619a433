"""Files, folders and everything else that an execution takes from outside the process, from its audit events (PEP 578).

Unseen are files that a library opens in C without Python, unless they are mapped as code, and what a database attaches.
An audit hook cannot be removed: there is one in a process, inert while nothing is recorded.
"""

# Called for every open: strings are several times as fast as paths.
# ruff: noqa: PTH100, PTH116, PTH117, PTH118, PTH119, PTH114, PTH115, PTH120, PTH123

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

from pytest_flame.exact.audit_events import CHILD, EVENTS, FOREIGN, HOOKS, UNACCOUNTED, Meaning
from pytest_flame.exact.harness import Harness, Owner
from pytest_flame.exact.places import Places

LARGEST: Final = 64 << 20
"""Bytes; a larger file is not read for its hash."""
ABSENT: Final = "absent"
_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFREG: "a file"}
_RELATIVE: Final = "a file named relative to an open folder"
_NO_FOLDER: Final = -1
_WRITES: Final = os.O_WRONLY | os.O_RDWR
_MEMORY: Final = ("", ":memory:")


class AuditRecorder:
    """Records from ``begin`` to ``end``. ``own_hooks``: whether this thread's change of a hook is the recorder's."""

    def __init__(self, places: Places, harness: Harness, own_hooks: Callable[[], bool]) -> None:
        self.files: dict[str, str] = {}
        self.unknown: set[str] = set()
        self._places = places
        self._harness = harness
        self._own_hooks = own_hooks
        self._products: set[str] = set()
        self._busy: set[int] = set()
        self._handlers: dict[Meaning, Callable[[str, Any], None]] = {
            Meaning.OPEN: self._open,
            Meaning.STATUS: self._status,
            Meaning.LISTING: self._listing,
            Meaning.DATABASE: self._database,
            Meaning.MADE: self._made,
            Meaning.CHANGED: self._changed,
            Meaning.COPIED: self._copied,
            Meaning.LINKED: self._linked,
            Meaning.LIBRARY: self._library,
            Meaning.SIGNAL: self._signal,
            Meaning.THREAD: self._thread,
            Meaning.HOOK: self._hook,
        }

    def begin(self) -> None:
        global _recorder
        _add_hook()
        _recorder = self

    def end(self) -> None:
        global _recorder
        _recorder = None

    def event(self, name: str, arguments: Sequence[Any]) -> None:
        meaning = EVENTS.get(name)
        if meaning is Meaning.NOTHING:
            return
        thread = threading.get_ident()
        if thread in self._busy:
            return
        self._busy.add(thread)
        try:
            # Two frames up: the hook, and what raised the event.
            frame = sys._getframe(2)
            if _asks_for_the_processor(name, arguments, frame):
                return
            owner = self._harness.answers_for(frame)
            if owner is Owner.SUBJECT or (owner is Owner.IMPORT and meaning is None):
                if meaning is None:
                    self.unknown.add(UNACCOUNTED.get(name, f"audit event {name}"))
                else:
                    self._handlers[meaning](name, arguments)
        finally:
            self._busy.discard(thread)

    # --- what each means ---

    def _open(self, _: str, arguments: Any) -> None:
        path, mode, flags = arguments
        real = self._real(path)
        if real is None:
            return
        if mode is None and not os.path.isabs(os.fsdecode(path)) and not os.path.lexists(path):
            # os.open may have been given the folder it is relative to, which the event does not say.
            if not _caller(3, "shutil.py"):
                self.unknown.add(_RELATIVE)
            return
        flags = flags if isinstance(flags, int) else 0
        if (not flags & os.O_TRUNC and flags & _WRITES != os.O_WRONLY) or flags & os.O_APPEND:
            self._use(real)
        if flags & (_WRITES | os.O_CREAT):
            self._products.add(real)

    def _status(self, _: str, arguments: Any) -> None:
        function, path, relative = arguments
        if not isinstance(path, str | bytes | os.PathLike):
            return
        text = os.fsdecode(path)
        if relative and not os.path.isabs(text):
            if not _caller(3, "shutil.py"):
                self.unknown.add(_RELATIVE)
            return
        real = os.path.realpath(text)
        if function in ("lstat", "readlink"):
            link = _unresolved(text)
            if os.path.islink(link):
                real = link
        name = self._input(real)
        if name is None or name in self.files or self._places.contains_root(real):
            return
        kind = _kind(real, self._places)
        # Above the project is only what programs look for on their way up: part of the machine.
        if kind != ABSENT or not os.path.isabs(name) or not self._places.contains_root(os.path.dirname(real)):
            self.files[name] = kind

    def _listing(self, _: str, arguments: Any) -> None:
        path = arguments[0]
        real = os.path.realpath(f"/proc/self/fd/{path}" if isinstance(path, int) else os.fsdecode(path or "."))
        name = self._input(real)
        if name is None or (name := name.rstrip("/") + "/") in self.files:
            return
        try:
            with os.scandir(real) as found:
                names = {f"{entry.name}/" if entry.is_dir() else entry.name for entry in found}
        except OSError:
            self.files[name] = ABSENT
        else:
            # Python makes caches where it imports from, with the first process or with none.
            entries = sorted(names - {"__pycache__/"})
            self.files[name] = _digest("\0".join(entries).encode("utf-8", "surrogateescape"))

    def _database(self, _: str, arguments: Any) -> None:
        path = arguments[0]
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)
        if text in _MEMORY or (text.startswith("file:") and ("mode=memory" in text or ":memory:" in text)):
            return
        if text.startswith("file:"):
            self.unknown.add("a database named by a URI")
            return
        real = os.path.realpath(text)
        self._use(real)
        self._products |= {real, f"{real}-journal", f"{real}-wal", f"{real}-shm"}

    def _made(self, _: str, arguments: Any) -> None:
        real = self._real(arguments[0], arguments[-1])
        if real is not None and not os.path.lexists(real):
            self._products.add(real)

    def _changed(self, event: str, arguments: Any) -> None:
        real = self._real(arguments[0], arguments[1] if event == "os.remove" else _NO_FOLDER)
        if real is not None:
            self._use(real)
            self._products.add(real)

    def _copied(self, _: str, arguments: Any) -> None:
        source, target = self._real(arguments[0], arguments[2]), self._real(arguments[1], arguments[3])
        if source is not None:
            self._use(source)
            self._products.add(source)
        if target is not None:
            self._products.add(target)

    def _linked(self, _: str, arguments: Any) -> None:
        self._products.add(_unresolved(_joined(os.fsdecode(arguments[1]), arguments[2])))

    def _library(self, _: str, arguments: Any) -> None:
        if arguments[0] is not None:
            self.unknown.add(FOREIGN)

    def _signal(self, _: str, arguments: Any) -> None:
        if arguments[0] != os.getpid():
            self.unknown.add(CHILD)

    def _thread(self, _: str, arguments: Any) -> None:
        if sys.version_info < (3, 12) and not _caller(3, "threading.py"):
            self.unknown.add("a thread started without the module threading")

    def _hook(self, _: str, arguments: Any) -> None:
        if not self._own_hooks():
            self.unknown.add(HOOKS)

    # --- files ---

    def _real(self, path: Any, folder: int = _NO_FOLDER) -> str | None:
        """``folder``: descriptor of the one it is relative to. None for a descriptor: it was opened before."""
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        return os.path.realpath(_joined(os.fsdecode(path), folder))

    def _input(self, real: str) -> str | None:
        """The name of an input; None for what the execution made itself, and what is no input."""
        name = self._places.name(real)
        if name is None:
            return None
        part = real
        while part not in self._products:
            shorter = os.path.dirname(part)
            if shorter == part:
                return name
            part = shorter
        return None

    def _use(self, real: str) -> None:
        name = self._input(real)
        if name is None or _is_content(self.files.get(name)):
            return
        try:
            status = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            self.files[name] = ABSENT
            return
        except OSError:
            self.unknown.add(f"unreadable file {name}")
            return
        if stat.S_ISDIR(status.st_mode):
            return  # what is in it is listed or opened
        if not stat.S_ISREG(status.st_mode):
            self.unknown.add(f"{name}, which is no regular file")
        elif status.st_size > LARGEST:
            self.unknown.add(f"file {name}, which is larger than {LARGEST >> 20} MB")
        else:
            self.files[name] = content_hash(real) or ABSENT
            if self.files[name] == ABSENT:
                self.unknown.add(f"unreadable file {name}")


def _asks_for_the_processor(event: str, arguments: Any, frame: FrameType | None) -> bool:
    """``platform.processor`` runs ``uname -p``, which depends on the machine alone."""
    if event != "subprocess.Popen" or list(arguments[1]) != ["uname", "-p"]:
        return False
    while frame is not None and frame.f_code.co_filename == _subprocess_file():
        frame = frame.f_back
    return frame is not None and os.path.basename(frame.f_code.co_filename) == "platform.py"


def _subprocess_file() -> str:
    return sys.modules["subprocess"].__file__ or ""


def _is_content(recorded: str | None) -> bool:
    """Whether it is more than a status."""
    return recorded is not None and (recorded == ABSENT or not recorded.startswith("a "))


def _joined(path: str, folder: int) -> str:
    return path if folder == _NO_FOLDER else os.path.join(f"/proc/self/fd/{folder}", path)


def _unresolved(path: str) -> str:
    """The real path of a link itself."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def _kind(real: str, places: Places) -> str:
    """What its status tells but for times, which differ between trees of equal content."""
    try:
        status = os.lstat(real)
    except OSError:
        return ABSENT
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special")
    if kind == "a link":
        target = os.readlink(real)
        return f"{kind} to {(os.path.isabs(target) and places.name(os.path.realpath(target))) or target}"
    return f"{kind} of {status.st_size} bytes" if kind == "a file" else kind


def content_hash(path: str) -> str | None:
    """None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _caller(depth: int, basename: str) -> bool:
    """Whether what raised the event is in a file of this name of the standard library."""
    filename = sys._getframe(depth + 1).f_code.co_filename
    return os.path.dirname(filename) == os.path.dirname(threading.__file__) and os.path.basename(filename) == basename


_recorder: AuditRecorder | None = None
_hooked = False


def _add_hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _recorder is not None:
        _recorder.event(event, arguments)
