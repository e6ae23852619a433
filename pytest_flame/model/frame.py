"""A function, and a stack of them: what costs are assigned to."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

_LIBRARY: Final = re.compile(r"\.so(\.\d+)*$")


class FrameKind(enum.Enum):
    PYTHON = "python"
    NATIVE = "native"
    KERNEL = "kernel"


class Frame(NamedTuple):
    """A function's identity: module and qualified name, never a line number or a checkout path.

    Written ``module:qualname``; native frames are ``library:symbol`` and kernel frames ``kernel:symbol``. A frame of
    another tool's profile may have no module and is written as in that profile.

    A named tuple because nearly all work on large profiles is hashing and comparing frames, which a tuple does
    several times faster than a dataclass.
    """

    module: str
    qualname: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.qualname}" if self.module else self.qualname

    @property
    def kind(self) -> FrameKind:
        if self.module == "kernel":
            return FrameKind.KERNEL
        if self.module.startswith("[") or _LIBRARY.search(self.module):
            return FrameKind.NATIVE
        return FrameKind.PYTHON

    @classmethod
    def parse(cls, name: str) -> Frame:
        """Inverse of ``name`` for frames with a module: split at the first colon (module names contain none)."""
        module, _, qualname = name.partition(":")
        return cls(module, qualname)

    def __str__(self) -> str:
        return self.name


IGNORED: Final = Frame("", "[ignored]")
"""What ``pytest_flame_frame`` returns for a function that is left out."""

Stack = tuple[Frame, ...]
"""Root first. The root is the test body."""

KERNEL_NOT_SAMPLED: Final = Frame("kernel", "[not sampled]")
"""Kernel time of a process whose kernel side could not be sampled: known in size, not in place."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where a frame is defined: ``path`` relative to the repository if inside it."""

    path: str
    line: int
