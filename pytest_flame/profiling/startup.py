"""Called by ``pytest_flame_profile.pth`` while ``site`` sets up the interpreter, if a profile is requested.

Other package folders may not be known yet, so nothing is imported before ``site`` has processed them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def after_site(begin: Callable[[], None] | None = None) -> None:
    """Calls ``program.start`` (or ``begin``) once ``site.main`` has found all packages; at once where it isn't running.

    ``site.main`` calls ``site.execsitecustomize`` after its last folder.
    """
    global _called
    if _called:  # in a virtual environment site reads its folder twice
        return
    _called = True
    site: Any = sys.modules.get("site")
    if not _runs(getattr(site, "main", None)) or not hasattr(site, "execsitecustomize"):
        (begin or _start)()
        return
    original = site.execsitecustomize

    def replaced() -> None:
        site.execsitecustomize = original
        try:
            original()
        finally:
            (begin or _start)()

    site.execsitecustomize = replaced


_called = False


def _start() -> None:
    from pytest_flame.profiling.program import start

    start()


def _runs(function: object) -> bool:
    code = getattr(function, "__code__", None)
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
