"""The file that contains a stripped library's symbols, used only after verification."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

DAMAGE: Final = (
    *(ELFError, DWARFError, OSError, ValueError, IndexError, KeyError, AttributeError, TypeError, AssertionError),
    *(OverflowError, MemoryError, struct.error),
)
"""What pyelftools raises for damaged files, found by experiment."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DebugLink:
    """A stripped file's reference to its debug file (section ``.gnu_debuglink``)."""

    name: str
    crc: int


def debug_link(elf: ELFFile) -> DebugLink | None:
    section = elf.get_section_by_name(".gnu_debuglink")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    data: bytes = section.data()
    name = data.partition(b"\0")[0]
    at = len(name) + 4 & ~3
    if not name or b"/" in name or at + 4 > len(data):
        return None
    return DebugLink(os.fsdecode(name), int.from_bytes(data[at : at + 4], "little"))


def open_debug_file(place: Path, build_id: bytes | None, link: DebugLink | None) -> BinaryIO | None:
    """The file at ``place`` if it belongs to the library: their build-ids are equal or, if one has none, the checksum
    of ``link`` matches. Otherwise None."""
    try:
        stream = place.open("rb")
    except OSError:
        return None
    try:
        own = _noted_build_id(ELFFile(stream))
        if build_id is not None and own is not None:
            verified = own == build_id
        else:
            verified = link is not None and place.name == link.name and _crc(stream) == link.crc
    except DAMAGE:
        verified = False
    if not verified:
        stream.close()
        return None
    return stream


def embedded(elf: ELFFile) -> BinaryIO | None:
    """The symbols of local functions that some distributions keep compressed in the library (``.gnu_debugdata``)."""
    section = elf.get_section_by_name(".gnu_debugdata")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    import lzma

    try:
        return io.BytesIO(lzma.decompress(section.data()))
    except (lzma.LZMAError, EOFError):
        return None


def _noted_build_id(elf: ELFFile) -> bytes | None:
    """From the section: the program headers of debug files point to content that was left out."""
    section = elf.get_section_by_name(".note.gnu.build-id")
    if isinstance(section, NoteSection) and section["sh_type"] == "SHT_NOTE":
        for note in section.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes.fromhex(note["n_desc"])
    return None


def _crc(stream: BinaryIO) -> int:
    """The CRC-32 of the whole file, the same as zlib's."""
    stream.seek(0)
    crc = 0
    while chunk := stream.read(_CHUNK):
        crc = zlib.crc32(chunk, crc)
    return crc
