from types import CodeType, FrameType
from typing import Any

class Tracer:
    """Counts calls of Python and C functions, in all threads; with ``by_path`` for each path of callers."""

    def __init__(self, *, by_path: bool = False) -> None: ...
    @property
    def intact(self) -> bool:
        """Whether this thread's events still arrive."""
    @property
    def unbalanced(self) -> int:
        """Ends of calls that match no start: greenlets."""
    @property
    def installing(self) -> bool:
        """Whether this thread is changing the hooks just now."""
    def start(self) -> None:
        """Begin to trace this thread, other threads that exist, and on 3.12 and later new ones. Raises RuntimeError
        where another profiler is active."""
    def stop(self) -> None:
        """End it; what was counted stays."""
    def phase(self, number: int, counting: bool = True, *, body: CodeType | None = None) -> None:
        """From now on count calls for this phase (0 … 7): all, or those below ``body``."""
    def read(self) -> tuple[list[CodeType | tuple[str, str]], list[tuple[int, int, int, int]]]:
        """Callables, C functions as (module, qualname), and (caller, callee, phase, count) with indexes of callables;
        caller −1 is what ran outside."""
    def read_paths(self) -> tuple[list[CodeType | tuple[str, str]], list[tuple[int, int, int]]]:
        """With ``by_path``: callables as ``read`` gives them, and (the caller's path, callable, calls) with indexes of
        paths and callables; path −1 is outside. A path comes after its caller's. Of all phases together."""
    def thread(self, frame: FrameType, event: str, argument: Any, /) -> None:
        """A profile function that makes the thread one that is traced; before 3.12."""

def announce_status() -> None:
    """From now on os.stat, lstat, statx, access and readlink raise the audit event ``pytest_flame.status``: the
    function's name, the path, and 1 if it is relative to a folder given by descriptor. Raises RuntimeError where these
    are not the interpreter's own."""
