"""Where functions start and end without their names: the call frame information of ``.eh_frame``.

Stripped libraries keep it. Only extents are read here, in bulk, by way of the sorted table in ``.eh_frame_hdr``
(Linux Standard Base Core 5.0, 10.6 Exception Frames).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from elftools.elf.elffile import ELFFile
from numpy.typing import NDArray

Addresses = NDArray[np.uint64]

_PCREL_SDATA4, _DATAREL_SDATA4 = 0x1B, 0x3B
_SIZES: Final = {0x0: 8, 0x2: 2, 0x3: 4, 0x4: 8, 0xA: 2, 0xB: 4, 0xC: 8}
"""Bytes of a pointer by the lower half of its encoding (DW_EH_PE_…)."""


def function_extents(elf: ELFFile) -> tuple[Addresses, Addresses]:
    """Starts (sorted, each once) and ends of all functions with call frame information; empty without the table."""
    nothing = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    found = _by_sections(elf) or _by_segments(elf)
    if found is None:
        return nothing
    (raw, index_address), (data, frames_address) = found
    # Version 1, pointer to .eh_frame and count of four bytes each, then pairs relative to the table's own address.
    if len(raw) < 12 or raw[0] != 1 or raw[1] & 0x0F not in (0x3, 0xB) or raw[2] != 0x03 or raw[3] != _DATAREL_SDATA4:
        return nothing
    count = min(int.from_bytes(raw[8:12], "little"), (len(raw) - 12) // 8)
    pairs = np.frombuffer(raw, "<i4", 2 * count, 12).reshape(-1, 2).astype(np.int64) + index_address
    starts, records = pairs[:, 0], pairs[:, 1] - frames_address
    inside = (records >= 0) & (records + 24 <= len(data))
    starts, records = starts[inside], records[inside]
    # Length 0xffffffff announces the 64-bit format, which no linker emits here.
    content = np.frombuffer(data, np.uint8)
    cies = records + 4 - _unsigned(content, records + 4, 4)
    sizes = {int(cie): _pointer_size(data, int(cie)) for cie in np.unique(cies)}
    width = np.array([sizes[int(cie)] for cie in cies], np.int64)
    ends = starts.copy()
    for size in (2, 4, 8):
        rows = np.flatnonzero(width == size)
        rows = rows[records[rows] + 8 + 2 * size <= len(data)]
        ends[rows] += _unsigned(content, records[rows] + 8 + size, size)
    known = ends > starts
    starts, first = np.unique(starts[known], return_index=True)
    return starts.astype(np.uint64), ends[known][first].astype(np.uint64)


Placed = tuple[bytes, int]
"""Content, and the address it is loaded at."""


def _by_sections(elf: ELFFile) -> tuple[Placed, Placed] | None:
    """The index and the frames."""
    index, frames = elf.get_section_by_name(".eh_frame_hdr"), elf.get_section_by_name(".eh_frame")
    if index is None or frames is None or "SHT_NOBITS" in (index["sh_type"], frames["sh_type"]):
        return None
    return (index.data(), index["sh_addr"]), (frames.data(), frames["sh_addr"])


def _by_segments(elf: ELFFile) -> tuple[Placed, Placed] | None:
    """Without section headers. How far the frames reach is not said: at most to the end of their segment."""
    for index in elf.iter_segments("PT_GNU_EH_FRAME"):
        raw, address = index.data(), index["p_vaddr"]
        if len(raw) < 8 or raw[1] != _PCREL_SDATA4:
            continue
        frames = address + 4 + int.from_bytes(raw[4:8], "little", signed=True)
        for loaded in elf.iter_segments("PT_LOAD"):
            if loaded["p_vaddr"] <= frames < loaded["p_vaddr"] + loaded["p_filesz"]:
                return (raw, address), (loaded.data()[frames - loaded["p_vaddr"] :], frames)
    return None


def _unsigned(content: NDArray[np.uint8], at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    numbers = np.zeros(len(at), np.int64)
    for byte in range(size):
        numbers |= content[at + byte].astype(np.int64) << (8 * byte)
    return numbers


def _pointer_size(data: bytes, cie: int) -> int:
    """Bytes of the addresses in a CIE's records; 0 for a damaged CIE or one that is no CIE."""
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
