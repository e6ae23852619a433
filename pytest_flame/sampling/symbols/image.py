"""The few bytes of an ELF image that identify it and say where it is loaded: segments and build-id.

Read without pyelftools, whose import takes longer than everything done with a cached symbol table. The same code reads
a file and an image in memory (elf(5); the build-id is the note ``NT_GNU_BUILD_ID`` of ld(1) --build-id).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: at most ``size`` bytes."""

PT_LOAD, PT_DYNAMIC, PT_NOTE, PF_X = 1, 2, 4, 1
NT_GNU_BUILD_ID: Final = 3
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_NOTE: Final = struct.Struct("<III")
_PAGE: Final = 4096
_MAX_SEGMENTS: Final = 256
_MAX_NOTES: Final = 1 << 16


class NotElf(ValueError):
    """Not a 64-bit little-endian ELF image, or a truncated one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the file that is loaded (PT_LOAD)."""

    file_offset: int
    file_size: int
    address: int
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Image:
    """What an ELF image says about itself. ``build_id`` is None if it was linked without one."""

    machine: int
    segments: tuple[Segment, ...]
    build_id: bytes | None
    dynamic: tuple[tuple[int, int], ...] = ()
    """Offset and size, in the file, of what the dynamic linker reads (PT_DYNAMIC)."""

    @property
    def first_address(self) -> int:
        """The address, as the image counts them, at which the file's first byte is loaded."""
        return next((s.address - s.file_offset for s in self.segments if s.file_offset < _PAGE), 0) & -_PAGE

    def address(self, file_offset: int) -> int | None:
        """The address, as the image counts them, at which the byte at ``file_offset`` is loaded."""
        found = [s for s in self.segments if s.file_offset <= file_offset < s.file_offset + s.file_size]
        # Two segments may share a page of the file; the one with code is meant.
        found.sort(key=lambda s: not s.executable)
        return found[0].address + file_offset - found[0].file_offset if found else None


def read_image(read: Read, *, loaded: bool = False) -> Image:
    """``loaded``: ``read`` reads memory, counted from where the file's first byte is mapped. Raises ``NotElf``."""
    header = read(0, _HEADER.size)
    if len(header) < _HEADER.size or header[:4] != b"\x7fELF" or header[4:6] != b"\x02\x01":
        raise NotElf("no header of a 64-bit little-endian ELF image")
    _, _, machine, _, _, table, _, _, _, entry_size, count, _, _, _ = _HEADER.unpack(header)
    if entry_size != _SEGMENT.size or count > _MAX_SEGMENTS:
        raise NotElf(f"{count} program headers of {entry_size} bytes")
    data = b"" if table >> 63 else read(table, entry_size * count)
    if len(data) < entry_size * count:
        raise NotElf("the program headers are truncated")
    segments: list[Segment] = []
    notes: list[tuple[int, int, int]] = []
    dynamic: list[tuple[int, int]] = []
    for kind, flags, file_offset, address, _, file_size, size, _ in _SEGMENT.iter_unpack(data):
        if kind == PT_LOAD:
            segments.append(Segment(file_offset, file_size, address, size, bool(flags & PF_X)))
        elif kind == PT_NOTE:
            notes.append((file_offset, address, file_size))
        elif kind == PT_DYNAMIC:
            dynamic.append((file_offset, file_size))
    image = Image(machine, tuple(segments), None, tuple(dynamic))
    build_id = None
    for file_offset, address, size in notes:
        where = address - image.first_address if loaded else file_offset
        if build_id is None and 0 <= where < 1 << 63:
            build_id = _build_id(read(where, min(size, _MAX_NOTES)))
    return replace(image, build_id=build_id)


def _build_id(notes: bytes) -> bytes | None:
    at = 0
    while at + _NOTE.size <= len(notes):
        name_size, size, kind = _NOTE.unpack_from(notes, at)
        name_at = at + _NOTE.size
        content_at = name_at + (name_size + 3 & ~3)
        if kind == NT_GNU_BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0":
            content = notes[content_at : content_at + size]
            return content if size and len(content) == size else None
        at = content_at + (size + 3 & ~3)
    return None
