"""What a code object does, as a hash: equal wherever the same code stands."""

from __future__ import annotations

import dis
import hashlib
import struct
import sys
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType
from typing import Final, NamedTuple

_CACHE: Final = dis.opmap["CACHE"]
_NOP: Final = dis.opmap["NOP"]
_CONSTANTS: Final = frozenset(dis.hasconst)
_NAMES: Final = frozenset(dis.hasname)
_JUMPS: Final = frozenset(dis.hasjrel)
_BACKWARD: Final = frozenset(op for op in _JUMPS if "BACKWARD" in dis.opname[op] or dis.opname[op] == "END_ASYNC_FOR")
_NAME_SHIFTS: Final = {
    dis.opmap[name]: shift
    for name, shift, since in (
        ("LOAD_GLOBAL", 1, (3, 11)),
        ("LOAD_ATTR", 1, (3, 12)),
        ("LOAD_SUPER_ATTR", 2, (3, 12)),
        ("IMPORT_NAME", 2, (3, 15)),
    )
    if sys.version_info >= since
}
"""Instructions whose argument has flags below the index of a name."""
_PARTS: Final = {
    dis.opmap[name]: tuple(map(dis.opmap.__getitem__, parts))
    for name, *parts in (
        ("LOAD_FAST_BORROW", "LOAD_FAST"),
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST", "LOAD_FAST"),
        ("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_FAST", "LOAD_FAST"),
        ("STORE_FAST_LOAD_FAST", "STORE_FAST", "LOAD_FAST"),
        ("STORE_FAST_STORE_FAST", "STORE_FAST", "STORE_FAST"),
    )
    if name in dis.opmap
}
"""What the compiler's joined instructions stand for. It joins only what is on one line, and borrows depending on it."""
_LOADS: Final = frozenset(
    dis.opmap[name] for name in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT") if name in dis.opmap
)
_STORE_NAME: Final = dis.opmap["STORE_NAME"]
_NOT_CODE: Final = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
"""What the bodies of modules and classes store that describes their text."""
_HAS_DOCSTRING: Final = 0x4000000
"""A flag since CPython 3.13."""
_DIGITS: Final = 16


class _Instruction(NamedTuple):
    start: int
    """Code units, as the next two."""
    end: int
    """After its inline caches."""
    opcode: int
    argument: int


def code_hash(code: CodeType) -> str:
    """16 hexadecimal digits, equal for code objects that do the same under the same Python.

    What counts: the instructions with their constants, names and jumps, local variables, arguments, flags and exception
    handlers. What doesn't: line numbers, the file, the code's own name, docstrings, and what the body of a class stores
    about its text. Constants are compared with type and sign. A nested code object counts by its qualified name only,
    since it has a hash of its own. The hash does not depend on the process or its hash seed.

    Raises ``TypeError`` if there is a constant of a type that the compiler does not write.
    """
    instructions = list(_instructions(code.co_code))
    kept = [i for i in _without_descriptions(code, instructions) if i.opcode != _NOP]
    starts = [i.start for i in kept]
    parts = (
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING),
        (code.co_varnames, code.co_cellvars, code.co_freevars),
        tuple((i.opcode, *_meaning(code, i, starts)) for i in kept),
        tuple(
            (*(bisect_left(starts, unit) for unit in (start, end, target)), depth)
            for start, end, target, depth in _handlers(code.co_exceptiontable)
        ),
    )
    return hashlib.blake2b(ascii(parts).encode("ascii"), digest_size=_DIGITS // 2).hexdigest()


def _instructions(units: bytes) -> Iterator[_Instruction]:
    """Those of a code object's ``co_code``: ``EXTENDED_ARG`` and inline caches taken into them, joined ones apart."""
    start, extended, i, end = 0, 0, 0, len(units) // 2
    while i < end:
        opcode, argument = units[2 * i], units[2 * i + 1] | extended
        i += 1
        if opcode == dis.EXTENDED_ARG:
            extended = argument << 8
            continue
        while i < end and units[2 * i] == _CACHE:
            i += 1
        match _PARTS.get(opcode, (opcode,)):
            case (only,):
                yield _Instruction(start, i, only, argument)
            case (first, second):
                yield _Instruction(start, i, first, argument >> 4)
                yield _Instruction(start, i, second, argument & 15)
        start, extended = i, 0


def _without_descriptions(code: CodeType, instructions: list[_Instruction]) -> Iterator[_Instruction]:
    """Without the pairs of instructions that store a constant under one of the names ``_NOT_CODE``."""
    left_out = set()
    for at, (load, store) in enumerate(pairwise(instructions)):
        if store.opcode == _STORE_NAME and load.opcode in _LOADS and code.co_names[store.argument] in _NOT_CODE:
            left_out |= {at, at + 1}
    return (i for at, i in enumerate(instructions) if at not in left_out)


def _meaning(code: CodeType, i: _Instruction, starts: list[int]) -> tuple[object, ...]:
    """What the instruction's argument refers to; for a jump, the number of an instruction."""
    if i.opcode in _CONSTANTS:
        return _constant(code.co_consts[i.argument])
    if i.opcode in _NAMES:
        shift = _NAME_SHIFTS.get(i.opcode, 0)
        return code.co_names[i.argument >> shift], i.argument & ((1 << shift) - 1)
    if i.opcode in _JUMPS:
        return (bisect_left(starts, i.end - i.argument if i.opcode in _BACKWARD else i.end + i.argument),)
    return (i.argument,)


def _constant(value: object) -> tuple[object, ...]:
    """Nested tuples of text and bytes whose ``ascii`` differs for constants that differ."""
    kind = type(value)
    name = kind.__name__
    if isinstance(value, CodeType):
        return name, value.co_qualname
    if value is None or value is Ellipsis or kind in (bool, str, bytes):
        return name, ascii(value)
    if kind is int:
        return name, f"{value:x}"  # the decimal digits of a long number are refused
    if isinstance(value, float):
        return name, struct.pack("<d", value)
    if isinstance(value, complex):
        return name, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, tuple):
        return name, *map(_constant, value)
    if isinstance(value, frozenset):
        return name, *sorted(map(_constant, value), key=ascii)
    if isinstance(value, slice):
        return name, *map(_constant, (value.start, value.stop, value.step))
    raise TypeError(f"a constant of type {name} is none that the compiler writes")


def _handlers(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The entries of an exception table: start, end and target in code units; the depth, with its flag.

    Numbers are big-endian groups of six bits; ``0x40`` says that another one follows.
    """
    numbers, number = [], 0
    for byte in table:
        number = number << 6 | byte & 0x3F
        if not byte & 0x40:
            numbers.append(number)
            number = 0
    for start, size, target, depth in zip(*(numbers[k::4] for k in range(4)), strict=True):
        yield start, start + size, target, depth
