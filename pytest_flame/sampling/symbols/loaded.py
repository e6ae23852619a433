"""A library reconstructed from memory in the layout of its file: for one that has been removed or replaced.

Its exported symbols and its call frame information are loaded, but no section headers: both are found through the
segments. The dynamic linker has made some of the addresses in them absolute (gABI, chapter 5: Dynamic Section).
"""

from __future__ import annotations

import struct
from typing import Final

from pytest_flame.sampling.symbols.image import Image, NotElf, Read

_SECTION_HEADERS: Final = ((0x28, 8), (0x3C, 4))
"""Where the file header refers to them: offset and size of e_shoff; e_shnum and e_shstrndx."""
_ADDRESSES: Final = frozenset({3, 4, 5, 6, 7, 23, 0x6FFFFEF5, 0x6FFFFFF0})
"""Dynamic tags that contain an address: PLTGOT, HASH, STRTAB, SYMTAB, RELA, JMPREL, GNU_HASH, VERSYM."""
_TAG: Final = struct.Struct("<QQ")
_MAX_BYTES: Final = 1 << 30


def loaded_file(read: Read, base: int, image: Image) -> bytes:
    """``read`` reads memory at absolute addresses; ``base`` is where the file's first byte is mapped. Raises ``NotElf``
    if it is too large, ``OSError`` if the memory is gone."""
    size = max((s.file_offset + s.file_size for s in image.segments), default=0)
    if not 0 < size <= _MAX_BYTES:
        raise NotElf(f"{size} bytes of it are loaded")
    bias = base - image.first_address
    file = bytearray(size)
    for segment in image.segments:
        content = read(bias + segment.address, segment.file_size)
        file[segment.file_offset : segment.file_offset + len(content)] = content
    for at, length in _SECTION_HEADERS:
        file[at : at + length] = bytes(length)
    for at, length in image.dynamic:
        for place in range(at, min(at + length, size - _TAG.size + 1), _TAG.size):
            tag, value = _TAG.unpack_from(file, place)
            if tag in _ADDRESSES and value >= base:
                _TAG.pack_into(file, place, tag, value - bias)
    return bytes(file)
