"""pytest-flame: fail the tests that got slower, and name the frame.

The sampler works without pytest, too: ``with pytest_flame.Profiler() as p: …`` and then ``p.profile``
(docs/profiling.md). Importing this package imports nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, without its import
if TYPE_CHECKING:
    from pytest_flame.profiling.profiler import Profiler as Profiler
    from pytest_flame.profiling.result import ProfileResult as ProfileResult

__all__ = ["ProfileResult", "Profiler", "in_worker"]


def in_worker() -> bool:
    """Whether this process, or the one that started it, is a measured process of ``pytest --flame``.

    For session hooks and conftest files: things that happen once per run should not be done in each worker.
    """
    import os

    return os.environ.get("PYTEST_FLAME_WORKER") == "1"


def __getattr__(name: str) -> object:
    if name == "Profiler":
        from pytest_flame.profiling.profiler import Profiler

        return Profiler
    if name == "ProfileResult":
        from pytest_flame.profiling.result import ProfileResult

        return ProfileResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
