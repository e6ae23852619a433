"""What the exact pass knows of one execution: the calls it made, and its footprint, all that it rested on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
            if callee in self.functions and count > self.functions[callee]:
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
    rests_on: str = ""
    """Digest of the footprint that the test shares with others of its file, which the process was forked after: then
    ``footprint`` has only what was added to it. Empty if it has everything."""

    def check(self) -> None:
        self.footprint.check()
        self.first.check()
        if self.again is not None:
            self.again.check()


def combined(shared: Footprint | None, added: Footprint) -> Footprint:
    """All of a footprint of which a part is ``shared`` with others."""
    if shared is None:
        return added
    return Footprint(
        {**shared.code, **added.code},
        {**shared.files, **added.files},
        {**shared.libraries, **added.libraries},
        added.unknown,
    )


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


@dataclass(frozen=True, slots=True)
class Counted:
    """The exact passes of one side of a test, one for each hash seed, as far as they are kept."""

    digests: tuple[str, ...]
    """Of the whole footprint of each."""
    functions: int
    """How many the footprint of the first has, as ``files`` and ``libraries``."""
    files: int
    libraries: int
    unknown: tuple[str, ...]
    """What they cannot account for."""
    calls: Calls
    """Of the body: its second execution, or the first if it ran once."""
    unstable: frozenset[Frame] = frozenset()
    """Functions that are not called equally often with every hash seed, or not by the same callers."""

    def of_callers(self, is_own: Callable[[Frame], bool]) -> Counted:
        """With the calls that some functions make, and how often these are called themselves."""
        edges = {edge: count for edge, count in self.calls.edges.items() if is_own(edge[0])}
        functions = {frame: count for frame, count in self.calls.functions.items() if is_own(frame)}
        shown = {*functions, *(callee for _, callee in edges)}
        return replace(self, calls=Calls(functions, edges), unstable=self.unstable & shown)

    @classmethod
    def of(cls, passes: Sequence[tuple[Footprint, Calls]]) -> Counted:
        """``passes``: whole footprints, and the calls of the body, for each hash seed."""
        (footprint, calls), *others = passes
        unknown = {what for one, _ in passes for what in one.unknown}
        unstable = {frame for _, other in others for frame in _unlike(calls, other)}
        return cls(
            tuple(one.digest for one, _ in passes),
            len(footprint.code),
            len(footprint.files),
            len(footprint.libraries),
            tuple(sorted(unknown)),
            calls,
            frozenset(unstable),
        )


def _unlike(one: Calls, other: Calls) -> Iterator[Frame]:
    """Callees of calls whose number differs."""
    for frame in one.functions.keys() | other.functions.keys():
        if one.functions.get(frame) != other.functions.get(frame):
            yield frame
    for edge in one.edges.keys() | other.edges.keys():
        if one.edges.get(edge) != other.edges.get(edge):
            yield edge[1]


@dataclass(frozen=True, slots=True)
class CallChange:
    """A function is called more or less often, per execution of the body."""

    caller: Frame | None
    """None: all of them."""
    callee: Frame
    base: int
    head: int


@dataclass(frozen=True, slots=True)
class ExactComparison:
    """The exact passes of both sides of a test."""

    base: Counted
    head: Counted
    differences: tuple[str, ...] = ()
    """What differs between the footprints, in a user's words, as far as it is known."""

    @property
    def unstable(self) -> frozenset[Frame]:
        return self.base.unstable | self.head.unstable

    @property
    def same_calls(self) -> bool:
        return all(frame in self.unstable for frame in _unlike(self.base.calls, self.head.calls))

    @property
    def same_code(self) -> bool:
        """Both executions rested on the same inputs, all of them known: their cost can differ by chance only."""
        known = not (self.base.unknown or self.head.unknown) and self._seen
        return known and self._same_footprints and self.same_calls

    @property
    def _same_footprints(self) -> bool:
        """For every hash seed that both sides were executed with, at least one."""
        pairs = [*zip(self.base.digests, self.head.digests, strict=False)]
        return bool(pairs) and all(base == head for base, head in pairs)

    @property
    def _seen(self) -> bool:
        """At least the body was called on both sides."""
        return bool(self.base.calls.functions and self.head.calls.functions)

    @property
    def why_not(self) -> str:
        """Why it is not the same code, in one line; empty if it is."""
        if unknown := [*dict.fromkeys((*self.head.unknown, *self.base.unknown))]:
            return f"its execution rests on what cannot be accounted for: {_listed(unknown)}"
        if not self._seen:
            return "the exact pass did not see its body"
        if not self._same_footprints:
            return f"changed: {_listed(self.differences)}" if self.differences else "what it executes has changed"
        return "" if self.same_calls else "it executes the same code, but not equally often"

    def calls_of(self, frame: Frame, before: Frame | None = None) -> tuple[int, int] | None:
        """How often the body's execution calls a function on base and head; ``before``: its name on base. None if that
        is not the same in every process."""
        if {frame, before or frame} & self.unstable:
            return None
        return self.base.calls.functions.get(before or frame, 0), self.head.calls.functions.get(frame, 0)

    def called_more(self, threshold: float) -> tuple[CallChange, ...]:
        """Functions that both sides call, head more often by more than ``threshold`` (a ratio); each with the caller
        that accounts for most of it. Largest factor first."""
        callers: dict[Frame, CallChange] = {}
        for change in self.changes:
            if change.head > change.base:
                callers.setdefault(change.callee, change)
        found = []
        for frame, head in self.head.calls.functions.items():
            calls = self.calls_of(frame)
            if calls is not None and calls[0] and head > calls[0] * (1 + threshold):
                found.append(callers.get(frame, CallChange(None, frame, *calls)))
        return tuple(sorted(found, key=lambda c: (-c.head / max(1, c.base), c.callee)))

    @property
    def changes(self) -> tuple[CallChange, ...]:
        """Calls whose number differs, the largest difference first."""
        base, head = self.base.calls.edges, self.head.calls.edges
        found = [
            (-abs(head.get(edge, 0) - base.get(edge, 0)), edge)
            for edge in base.keys() | head.keys()
            if base.get(edge) != head.get(edge) and self.unstable.isdisjoint(edge)
        ]
        return tuple(CallChange(*edge, base.get(edge, 0), head.get(edge, 0)) for _, edge in sorted(found))


_MOST_LISTED: Final = 3


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _MOST_LISTED} more" if len(texts) > _MOST_LISTED else ""
    return f"{', '.join(texts[:_MOST_LISTED])}{more}"
