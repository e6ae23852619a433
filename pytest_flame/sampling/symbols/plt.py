"""Names of the stubs through which one library calls another: ``memcpy@plt``.

No symbol names them. A stub jumps to the address in a slot of the global offset table, and the relocation of that slot
names the function; so the instructions are read, whichever linker wrote them and whichever section they are in.
"""

from __future__ import annotations

import re
from typing import Final

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pytest_flame.sampling.symbols.entries import SHF_ALLOC, relocation_entries, symbol_entries

SECTIONS: Final = (".plt", ".plt.sec", ".plt.got", ".plt.bnd", ".iplt")
HEADER: Final = b"[plt]"
"""The code at the beginning of ``.plt`` that resolves a function at its first call."""

# jmp *disp32(%rip), with the bnd prefix of older linkers or not.
_X86_JUMP: Final = re.compile(rb"\xff\x25(....)", re.DOTALL)
_ADRP_MASK, _ADRP_X16 = 0x9F00001F, 0x90000010
_LDR_MASK, _LDR_X17_X16 = 0xFFC003FF, 0xF9400211


def stubs(elf: ELFFile) -> list[tuple[int, int, bytes]]:
    """Start, end and name of each stub. Empty for machines other than x86-64 and aarch64."""
    slots: dict[int, bytes] = {}
    found: list[tuple[int, int, bytes]] = []
    for name in SECTIONS:
        section = elf.get_section_by_name(name)
        if section is None or section["sh_type"] != "SHT_PROGBITS" or not section["sh_size"]:
            continue
        slots = slots or _slots(elf)
        data, address = section.data(), section["sh_addr"]
        if elf["e_machine"] == "EM_X86_64":
            jumps = _x86_jumps(data, address, 8 if name == ".plt.got" and section["sh_entsize"] == 8 else 16)
        elif elf["e_machine"] == "EM_AARCH64":
            jumps = _aarch64_jumps(data, address)
        else:
            return []
        named = [(start, end, slots[slot] + b"@plt") for start, end, slot in jumps if slot in slots]
        if named and named[0][0] > address:
            named.insert(0, (address, named[0][0], HEADER))
        found += named
    return found


def _slots(elf: ELFFile) -> dict[int, bytes]:
    """The function each slot of the global offset table will point to."""
    slots: dict[int, bytes] = {}
    for section in elf.iter_sections():
        if section["sh_type"] != "SHT_RELA" or not section["sh_flags"] & SHF_ALLOC:
            continue
        symbols = elf.get_section(section["sh_link"])
        if not isinstance(symbols, SymbolTableSection) or symbols["sh_type"] != "SHT_DYNSYM":
            continue
        names = [name for name, *_ in symbol_entries(symbols)]
        text = symbols.stringtable.data()
        for offset, _, symbol, _ in relocation_entries(section):
            if 0 < symbol < len(names):
                slots[offset] = text[names[symbol] : text.index(b"\0", names[symbol])]
    return slots


def _x86_jumps(data: bytes, address: int, size: int) -> list[tuple[int, int, int]]:
    jumps = []
    for at in range(0, len(data) - 5, size):
        jump = _X86_JUMP.search(data, at, at + size)
        if jump is not None:
            slot = address + jump.end() + int.from_bytes(jump[1], "little", signed=True)
            jumps.append((address + at, address + at + size, slot))
    return jumps


def _aarch64_jumps(data: bytes, address: int) -> list[tuple[int, int, int]]:
    """``adrp x16, page; ldr x17, [x16, offset]``, after a landing pad (bti c) or not, in entries of 16 or 24 bytes."""
    words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4)]
    jumps = []
    for i in range(len(words) - 1):
        if words[i] & _ADRP_MASK != _ADRP_X16 or words[i + 1] & _LDR_MASK != _LDR_X17_X16:
            continue
        pages = (words[i] >> 29 & 3) | (words[i] >> 5 & 0x7FFFF) << 2
        pages -= (pages & 1 << 20) << 1
        slot = (address + 4 * i & ~0xFFF) + (pages << 12) + ((words[i + 1] >> 10 & 0xFFF) << 3)
        first = i - 1 if i and words[i - 1] == 0xD503245F else i
        jumps.append((address + 4 * first, slot))
    ends = [start for start, _ in jumps[1:]] + [address + len(data)]
    return [(start, end, slot) for (start, slot), end in zip(jumps, ends, strict=True)]
