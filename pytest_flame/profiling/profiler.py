"""The sampler for any Python program: ``with Profiler() as p: …``, then ``p.profile``."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from pytest_flame.errors import UsageError
from pytest_flame.profiling import ending, following
from pytest_flame.profiling.member import join
from pytest_flame.profiling.recorder import Recorder
from pytest_flame.profiling.result import ProfileResult
from pytest_flame.profiling.session import Part, ProfileSession, ProfileSettings, merge
from pytest_flame.sampling.ladder import CHOICES

FREQUENCY_HZ: Final = 997


class Profiler:
    """Samples the Python stacks of all threads of this process by the CPU they use.

    ``frequency`` is in samples per second of a thread's CPU; ``sampler`` is ``auto``, ``perf``, ``timer`` or
    ``cycles``. With ``native`` the functions of C code are separate frames, with ``inlined`` also those that the
    compiler copied into others, as far as there is debug information (which takes seconds to read); with ``kernel``
    those of the kernel, where that is permitted. With ``tasks`` asyncio tasks appear below the code that created them
    instead of below the event loop. With ``follow`` Python processes started while profiling (``multiprocessing`` with
    any start method, ``os.fork``, ``subprocess``) are profiled until they end; otherwise they are left alone, and the
    CPU of those that were waited for is the frame ``[children]:[not sampled]``. ``seed`` determines the exact period
    and phase.

    Use it as a context manager, or call ``start`` and ``stop``; if started again, it adds to its profile. Only one
    profiler can run in a process at a time. Raises ``SamplerUnavailable`` if no sampler works, ``UsageError`` for
    invalid arguments.
    """

    def __init__(
        self,
        *,
        frequency: int = FREQUENCY_HZ,
        sampler: str = "auto",
        native: bool = False,
        inlined: bool = False,
        kernel: bool = False,
        tasks: bool = False,
        follow: bool = False,
        seed: int | None = None,
    ) -> None:
        if frequency < 1:
            raise UsageError(f"a frequency of {frequency} Hz takes no samples", fix=f"frequency={FREQUENCY_HZ}")
        if sampler not in CHOICES:
            raise UsageError(f"there is no sampler {sampler!r}", fix=f"one of {', '.join(CHOICES)}")
        self._settings = ProfileSettings(frequency, sampler, tasks, native or inlined, kernel, follow, inlined=inlined)
        self._recorder = Recorder(self._settings, seed)
        self._session: ProfileSession | None = None
        self._watch: ending.EndWatch | None = None
        self._children: list[Part] = []
        self._unfinished = 0

    @property
    def running(self) -> bool:
        return self._recorder.running

    def start(self) -> None:
        session = ProfileSession.create(self._settings)  # not while sampling: its work is none of the program's
        try:
            self._recorder.start()
        except BaseException:
            session.remove()
            raise
        self._session = session
        following.enter(self._session, join)
        self._watch = ending.watch(self._pause, self._recorder.start)

    def stop(self) -> None:
        """Does nothing if it is not running, or in a forked child."""
        if self._recorder.elsewhere:
            return
        self._recorder.stop()
        if self._watch is not None:
            self._watch.release()
            self._watch = None
        if self._session is not None:
            following.leave(self._session)
            parts, unfinished = self._session.parts()
            self._children += parts
            self._unfinished += unfinished
            self._session.remove()
            self._session = None

    @property
    def profile(self) -> ProfileResult:
        """The profile up to the last ``stop``. Raises ``UsageError`` before it, and while the profiler runs."""
        if self.running:
            raise UsageError("the profiler is still running", fix="leave its block, or call stop(), first")
        return merge([self._recorder.part(), *self._children], unfinished=self._unfinished)

    def __enter__(self) -> Profiler:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _pause(self, final: bool) -> None:
        """The process ends or becomes another program: stop sampling first."""
        self._recorder.stop()
