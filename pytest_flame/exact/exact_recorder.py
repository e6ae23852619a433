"""Records one execution of a test, phase by phase: its calls and its footprint."""

from __future__ import annotations

import enum
import gc
import hashlib
import inspect
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from types import CodeType, FrameType
from typing import Final

from pytest_flame._exact import Tracer, announce_status
from pytest_flame.exact.audit_events import HOOKS
from pytest_flame.exact.auditing import AuditRecorder
from pytest_flame.exact.binaries import mapped_binaries
from pytest_flame.exact.code import code_hash
from pytest_flame.exact.harness import Harness, version
from pytest_flame.exact.places import Places
from pytest_flame.model import Calls, Exact, Footprint, Frame
from pytest_flame.model.exact import CLASS_BODY, MODULE_BODY
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawFrame

TREE: Final = "tree"
_OUTSIDE: Final = -1


class Phase(enum.IntEnum):
    IMPORT = 0
    SETUP = 1
    FIRST = 2
    """First execution of the body."""
    AGAIN = 3
    """Second execution of the body."""
    TEARDOWN = 4


_SWITCHES: Final = {("greenlet", "greenlet.switch"), ("greenlet", "greenlet.throw")}
_COUNTED: Final = (Phase.FIRST, Phase.AGAIN)


class ExactRecorder:
    """Begin as early as possible; then a phase at a time, in any order, FIRST and AGAIN once; then finish.

    ``tree``: the project's folder, whose files are named relative to it; ``roots``: further ones, name → folder;
    ``scratch``: folders for what tests write; ``import_roots``: where modules come from beside ``sys.path``. A process
    that is forked while this records goes on with what its parent has. Automatic garbage collection is off while
    recording; each phase ends with one full collection, so that it does not depend on what was allocated before.
    """

    def __init__(
        self,
        tree: str | os.PathLike[str],
        *,
        roots: Mapping[str, str | os.PathLike[str]] | None = None,
        scratch: Iterable[str | os.PathLike[str]] = (),
        import_roots: Iterable[str] = (),
    ) -> None:
        self._tree = os.fspath(tree)
        self._places = Places({**(roots or {}), TREE: tree}, scratch)
        self._harness = Harness(tree)
        self._tracer = Tracer()
        self._audit = AuditRecorder(self._places, self._harness, self._is_own_hook)
        self._naming = _Naming(self._tree, self._places, import_roots)
        self._frames: list[Frame | None] = []
        """One for each callable, as ``_own``: those of this package. None: not named yet."""
        self._own: list[bool] = []
        self._contents: dict[str, set[str]] = {}
        """Name of code → hashes of all code that ran under it."""
        self._code: dict[str, str] = {}
        self._changed: set[str] = set()
        self._shared: Footprint | None = None
        self._had_gc = False
        self._ran: set[Phase] = set()

    def begin(self) -> None:
        """Starts with the phase IMPORT. Raises ``RuntimeError`` if another profiler is active."""
        self._had_gc = gc.isenabled()
        gc.disable()
        self._tracer.phase(Phase.IMPORT, False)
        self._tracer.start()
        if sys.version_info < (3, 12):
            threading.setprofile(self._tracer.thread)
        announce_status()
        self._audit.begin()

    def prepare(self) -> Footprint:
        """What it rests on so far, once for all processes forked later: they report only what they add to it."""
        self._name(self._tracer.read()[0])
        unknown = set(self._audit.unknown)
        self._shared = self._footprint(unknown)
        self._changed.clear()
        return self._shared

    def phase(self, phase: Phase, body: CodeType | None = None) -> None:
        """Ends the phase before. Calls made from now on by this function's caller are the phase's, those of threads
        as well; ``body``: only those from this code on, whoever calls it."""
        gc.collect()
        self._ran.add(phase)
        self._tracer.phase(phase, phase in _COUNTED, body=body)

    def finish(self) -> Exact:
        """Ends the recording. Raises ``MemoryError`` if the calls could not be kept."""
        gc.collect()
        intact = self._tracer.intact and (sys.version_info >= (3, 12) or threading.getprofile() == self._tracer.thread)
        self._audit.end()
        self._tracer.stop()
        if sys.version_info < (3, 12) and threading.getprofile() == self._tracer.thread:
            threading.setprofile(None)
        if self._had_gc:
            gc.enable()
        callables, calls = self._tracer.read()
        self._name(callables)
        unknown = self._audit.unknown | self._unseen(intact, callables)
        footprint = self._footprint(unknown) if self._shared is None else self._added(self._shared, unknown)
        first, again = (self._calls(callables, calls, phase) for phase in _COUNTED)
        rests_on = "" if self._shared is None else self._shared.digest
        return Exact(footprint, first, again if Phase.AGAIN in self._ran else None, rests_on)

    # --- parts ---

    def _is_own_hook(self) -> bool:
        if self._tracer.installing:
            return True
        return sys.version_info < (3, 12) and _thread_begins() and threading.getprofile() == self._tracer.thread

    def _unseen(self, intact: bool, callables: list[CodeType | tuple[str, str]]) -> set[str]:
        unseen = set()
        if not intact:
            unseen.add(HOOKS)
        # gevent switches greenlets in C.
        if self._tracer.unbalanced or "gevent" in sys.modules or not _SWITCHES.isdisjoint(map(_last_parts, callables)):
            unseen.add("which greenlet calls what")
        return unseen

    def _name(self, callables: list[CodeType | tuple[str, str]]) -> None:
        """Names and hashes those that are new."""
        for callable in callables[len(self._frames) :]:
            distribution = None if isinstance(callable, tuple) else self._harness.distribution(callable.co_filename)
            self._own.append(distribution == "pytest-flame")
            if isinstance(callable, tuple) or distribution is not None:
                self._frames.append(None)  # named if something that counts calls it
                if distribution is not None and distribution not in self._code:
                    self._code[distribution] = version(distribution)
                    self._changed.add(distribution)
                continue
            frame = self._naming.frame(callable)
            self._frames.append(frame)
            name = _code_name(callable, frame)
            contents = self._contents.setdefault(name, set())
            contents.add(code_hash(callable))
            together = _together(contents)
            if self._code.get(name) != together:
                self._code[name] = together
                self._changed.add(name)

    def _footprint(self, unknown: set[str]) -> Footprint:
        libraries = self._libraries(unknown)
        return Footprint(
            dict(sorted(self._code.items())), dict(sorted(self._audit.files.items())), libraries, tuple(sorted(unknown))
        )

    def _added(self, shared: Footprint, unknown: set[str]) -> Footprint:
        """What is not in ``shared``, or is different now; of what is unknown, all."""
        libraries = self._libraries(unknown)
        return Footprint(
            {name: self._code[name] for name in sorted(self._changed) if shared.code.get(name) != self._code[name]},
            # What all have asked for one may have read.
            dict(sorted((n, c) for n, c in self._audit.files.items() if shared.files.get(n) != c)),
            {name: content for name, content in libraries.items() if shared.libraries.get(name) != content},
            tuple(sorted(unknown)),
        )

    def _libraries(self, unknown: set[str]) -> dict[str, str]:
        libraries = {}
        for path, content in mapped_binaries().items():
            name = self._places.name(path) or path
            if content is None:
                unknown.add(f"library {name}, whose file is gone")
            else:
                libraries[name] = content
        return dict(sorted(libraries.items()))

    def _calls(
        self,
        callables: list[CodeType | tuple[str, str]],
        calls: list[tuple[int, int, int, int]],
        phase: Phase,
    ) -> Calls:
        own = {n for n, is_own in enumerate(self._own) if is_own}

        def frame(number: int) -> Frame:
            named = self._frames[number]
            if named is None:
                named = self._frames[number] = self._naming.frame(callables[number])
            return named

        recorder = {n for n in own if isinstance(code := callables[n], CodeType) and code.co_filename == __file__}
        functions: dict[Frame, int] = {}
        edges: dict[tuple[Frame, Frame], int] = {}
        for caller, callee, of, count in calls:
            if of != phase or callee in own or caller in recorder:
                continue
            functions[frame(callee)] = functions.get(frame(callee), 0) + count
            if caller != _OUTSIDE and caller not in own:
                edge = (frame(caller), frame(callee))
                edges[edge] = edges.get(edge, 0) + count
        return Calls(dict(sorted(functions.items())), dict(sorted(edges.items())))


class _Naming:
    """Frames of callables, the same on every checkout path."""

    def __init__(self, tree: str, places: Places, import_roots: Iterable[str]) -> None:
        self._namer = FrameNamer(tree, [*sys.path, *import_roots])
        self._places = places

    def frame(self, callable: CodeType | tuple[str, str]) -> Frame:
        if not isinstance(callable, CodeType):
            module, qualname = callable
            return Frame(f"[{module}]", qualname)
        filename = callable.co_filename
        if filename.startswith("/"):
            inside = self._places.scratch(os.path.realpath(filename))
            if inside is not None:
                return Frame(f"scratch/{inside}".replace(":", "."), callable.co_qualname)
        return self._namer.frame(RawFrame(callable.co_qualname, filename, callable.co_firstlineno))


def _last_parts(callable: CodeType | tuple[str, str]) -> tuple[str, str]:
    """Package and qualified name of a C function."""
    return ("", "") if isinstance(callable, CodeType) else (callable[0].partition(".")[0], callable[1])


def _code_name(code: CodeType, frame: Frame) -> str:
    is_class = not code.co_flags & inspect.CO_NEWLOCALS and code.co_qualname != MODULE_BODY
    return f"{frame.name}.{CLASS_BODY}" if is_class else frame.name


def _together(hashes: set[str]) -> str:
    if len(hashes) == 1:
        return next(iter(hashes))
    return hashlib.blake2b("\n".join(sorted(hashes)).encode("ascii"), digest_size=16).hexdigest()


def _thread_begins() -> bool:
    """Whether the hook that just changes is a new thread's, set by the module threading."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != threading.__file__:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "_bootstrap_inner"
