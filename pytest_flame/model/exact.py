"""What the exact pass knows of one execution: the calls it made, and its footprint, all that it rested on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pytest_flame.errors import IntegrityError
from pytest_flame.model.frame import Frame

MODULE_BODY: Final = "<module>"
CLASS_BODY: Final = "<class>"
"""Last part of the name of a class's body in a footprint: a function may have the class's name."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Of one execution of a body. A C function's frame has the module that it names itself: ``[builtins]``,
    ``dict.get``."""

    functions: Mapping[Frame, int]
    """How often each was called; the body itself once, a generator when it starts."""
    edges: Mapping[tuple[Frame, Frame], int]
    """(caller, callee) → calls. What the harness or a thread's start calls has no edge."""

    def check(self) -> None:
        called: dict[Frame, int] = {}
        for (_, callee), count in self.edges.items():
            called[callee] = called.get(callee, 0) + count
        if any(count < 1 for count in self.functions.values()) or any(count < 1 for count in self.edges.values()):
            raise IntegrityError("a function was called less than once")
        for callee, count in called.items():
            if count > self.functions.get(callee, 0):
                raise IntegrityError(f"{callee} was called by more than all its calls")


@dataclass(frozen=True)
class Footprint:
    """All that an execution rested on. Paths in the project's tree are relative to it, the rest is absolute."""

    code: Mapping[str, str]
    """``module:qualname`` → hash of the code that ran under that name, imports included. What runs the test, pytest
    above all, is one entry for each distribution: its name → its version."""
    files: Mapping[str, str]
    """Files read, and folders listed (their names end in ``/``) → hash of the content when first used."""
    libraries: Mapping[str, str]
    """Files with machine code in the process, the interpreter included → hash."""
    unknown: tuple[str, ...] = field(default=())
    """What else it rested on that cannot be accounted for, sorted; without any, equal footprints mean equal
    executions."""

    def check(self) -> None:
        if list(self.unknown) != sorted(set(self.unknown)):
            raise IntegrityError("what a footprint cannot account for is not sorted, or repeated")

    @cached_property
    def digest(self) -> str:
        """One hash of everything."""
        parts = [sorted(self.code.items()), sorted(self.files.items()), sorted(self.libraries.items()), self.unknown]
        return hashlib.blake2b(json.dumps(parts).encode("ascii"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Exact:
    """One counted, untimed execution of a test in one process."""

    footprint: Footprint
    first: Calls
    """Of the body's first execution in the process."""
    again: Calls | None
    """Of its second; None if it ran once."""

    def check(self) -> None:
        self.footprint.check()
        self.first.check()
        if self.again is not None:
            self.again.check()


def differences(base: Footprint, head: Footprint) -> tuple[str, ...]:
    """What differs, one entry each, in a user's words: ``function orders.parse:tokenize``; nothing if all is equal."""
    return (
        *_differing(base.code, head.code, _code_words),
        *_differing(base.files, head.files, _file_words),
        *_differing(base.libraries, head.libraries, _library_words),
        *(f"cannot be accounted for: {what}" for what in sorted({*base.unknown} ^ {*head.unknown})),
    )


def _differing(base: Mapping[str, str], head: Mapping[str, str], words: Callable[[str], str]) -> Iterator[str]:
    for name in sorted(base.keys() | head.keys()):
        if base.get(name) != head.get(name):
            only = "" if name in base and name in head else f" (only in {'base' if name in base else 'head'})"
            yield words(name) + only


def _code_words(name: str) -> str:
    module, colon, qualname = name.partition(":")
    if not colon:
        return f"version of {name}"
    if qualname == MODULE_BODY:
        return f"module body {module}"
    if qualname.endswith(f".{CLASS_BODY}"):
        return f"class body {name.removesuffix(f'.{CLASS_BODY}')}"
    return f"function {name}"


def _file_words(name: str) -> str:
    return f"list of files in {name}" if name.endswith("/") else f"file {name}"


def _library_words(name: str) -> str:
    return f"library {name.rpartition('/')[2]}"
