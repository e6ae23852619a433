"""Where functions start and end, without their names: the call frame information of ``.eh_frame``.

Stripped libraries keep it. Only extents are read here, in bulk, through the sorted table in ``.eh_frame_hdr``
(Linux Standard Base Core 5.0, 10.6 Exception Frames).
"""

from __future__ import annotations

import struct
from typing import Final

from elftools.elf.elffile import ELFFile

Extents = tuple[list[int], list[int]]
"""Unique starts, ascending, and the corresponding ends."""

_PAIR: Final = struct.Struct("<ii")
_MAX_FUNCTION: Final = 1 << 32
_PCREL_SDATA4, _DATAREL_SDATA4 = 0x1B, 0x3B
_SIZES: Final = {0x0: 8, 0x2: 2, 0x3: 4, 0x4: 8, 0xA: 2, 0xB: 4, 0xC: 8}
"""Bytes of a pointer by the lower half of its encoding (DW_EH_PE_…)."""


def function_extents(elf: ELFFile) -> Extents:
    """Start and end of all functions with call frame information, sorted; empty without the table."""
    found = _by_sections(elf) or _by_segments(elf)
    if found is None:
        return [], []
    (index, index_address), (frames, frames_address) = found
    # Version 1, pointer to the frames and count of four bytes each, then pairs relative to the table's own address.
    known = len(index) >= 12 and index[0] == 1 and index[1] & 0x0F in (0x3, 0xB) and index[2] == 0x03
    if not known or index[3] != _DATAREL_SDATA4:
        return [], []
    count = min(int.from_bytes(index[8:12], "little"), (len(index) - 12) // 8)
    sizes: dict[int, int] = {}
    extents: dict[int, int] = {}
    for relative, record in _PAIR.iter_unpack(index[12 : 12 + 8 * count]):
        start, at = index_address + relative, index_address + record - frames_address
        if at < 0 or at + 8 > len(frames):
            continue
        # A record: its length (0xffffffff announces a format no linker emits here), the way back to its CIE, its
        # start, its size.
        cie = at + 4 - int.from_bytes(frames[at + 4 : at + 8], "little")
        width = sizes.get(cie)
        if width is None:
            width = sizes[cie] = _pointer_size(frames, cie)
        size = int.from_bytes(frames[at + 8 + width : at + 8 + 2 * width], "little")
        if start >= 0 and 0 < size < _MAX_FUNCTION:
            extents.setdefault(start, start + size)
    starts = sorted(extents)
    return starts, [extents[start] for start in starts]


Placed = tuple[bytes, int]
"""Content and load address."""


def _by_sections(elf: ELFFile) -> tuple[Placed, Placed] | None:
    """The index and the frames."""
    index, frames = elf.get_section_by_name(".eh_frame_hdr"), elf.get_section_by_name(".eh_frame")
    if index is None or frames is None or "SHT_NOBITS" in (index["sh_type"], frames["sh_type"]):
        return None
    return (index.data(), index["sh_addr"]), (frames.data(), frames["sh_addr"])


def _by_segments(elf: ELFFile) -> tuple[Placed, Placed] | None:
    """Without section headers. The size of the frames is not given: at most to the end of their segment."""
    for index in elf.iter_segments("PT_GNU_EH_FRAME"):
        raw, address = index.data(), index["p_vaddr"]
        if len(raw) < 8 or raw[1] != _PCREL_SDATA4:
            continue
        frames = address + 4 + int.from_bytes(raw[4:8], "little", signed=True)
        for loaded in elf.iter_segments("PT_LOAD"):
            if loaded["p_vaddr"] <= frames < loaded["p_vaddr"] + loaded["p_filesz"]:
                return (raw, address), (loaded.data()[frames - loaded["p_vaddr"] :], frames)
    return None


def _pointer_size(data: bytes, cie: int) -> int:
    """Bytes of the addresses in a CIE's records; 0 if it is damaged or not a CIE."""
    if cie < 0 or cie + 9 > len(data) or data[cie + 4 : cie + 8] != b"\0\0\0\0":
        return 0
    end = data.find(b"\0", cie + 9)
    augmentation, at = data[cie + 9 : end], end + 1
    if not augmentation.startswith(b"z"):
        return 8
    for _ in ("code alignment", "data alignment", "return address register", "augmentation size"):
        at = _after_leb128(data, at)
    for letter in augmentation[1:].decode("latin-1"):
        if at >= len(data):
            return 0
        if letter == "R":
            return _SIZES.get(data[at] & 0x0F, 0)
        if letter == "L":
            at += 1
        elif letter == "P":
            at += 1 + _SIZES.get(data[at] & 0x0F, 0)
        elif letter not in "SB":
            return 0
    return 8


def _after_leb128(data: bytes, at: int) -> int:
    while at < len(data) and data[at] & 0x80:
        at += 1
    return at + 1
