"""Where a frame's code comes from: the project itself, or a library."""

from __future__ import annotations

import enum
import sys
from typing import Final

from pytest_flame.installed import is_installed
from pytest_flame.model import Frame, FrameKind, SourceLine
from pytest_flame.render.colour import DARK, LIGHT, Colour

_RUNNERS: Final = frozenset({"pytest", "_pytest", "pluggy", "iniconfig", "pytest_flame"})


class Home(enum.Enum):
    PROJECT = "project"
    STDLIB = "stdlib"
    INSTALLED = "installed"
    PYTEST = "pytest"
    NATIVE = "native"
    KERNEL = "kernel"


COLOURS: Final = {
    "light": {
        Home.PROJECT: LIGHT.modules[0],
        Home.STDLIB: Colour(184, 214, 245),
        Home.INSTALLED: Colour(204, 226, 176),
        Home.PYTEST: LIGHT.grey,
        Home.NATIVE: LIGHT.native,
        Home.KERNEL: LIGHT.kernel,
    },
    "dark": {
        Home.PROJECT: DARK.modules[0],
        Home.STDLIB: Colour(36, 76, 120),
        Home.INSTALLED: Colour(58, 92, 38),
        Home.PYTEST: DARK.grey,
        Home.NATIVE: DARK.native,
        Home.KERNEL: DARK.kernel,
    },
}
"""Fills of the view that colours by kind, for each palette; its ink is legible on them."""


def home_of(frame: Frame, line: SourceLine | None) -> Home:
    """The project's unless known otherwise: profiles from other tools have no places."""
    if frame.kind is FrameKind.KERNEL:
        return Home.KERNEL
    if frame.kind is FrameKind.NATIVE:
        return Home.NATIVE
    top = frame.module.partition(".")[0]
    if top in _RUNNERS or top.startswith("pytest_"):
        return Home.PYTEST
    parts = line.path.split("/") if line else []
    if is_installed(parts):
        return Home.INSTALLED
    if line and not line.path.startswith(("/", "<")):
        return Home.PROJECT
    if top in sys.stdlib_module_names:
        return Home.STDLIB
    return Home.INSTALLED if line else Home.PROJECT
