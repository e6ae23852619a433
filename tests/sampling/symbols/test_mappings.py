"""``/proc/PID/maps`` as text, and the real one."""

from __future__ import annotations

import ctypes

from pytest_flame.sampling.symbols import read_mappings
from pytest_flame.sampling.symbols.mappings import parse_mappings

TEXT = """\
1000-2000 r--p 00000000 fe:00 11                         /lib/a b.so
2000-4000 r-xp 00001000 fe:00 11                         /lib/a b.so
4000-5000 rw-p 00003000 fe:00 11                         /lib/a b.so
5000-6000 rw-p 00000000 00:00 0
7000-8000 r-xp 00000000 fe:00 12                         /lib/old.so (deleted)
8000-9000 rw-p 00000000 fe:00 12                         /lib/old.so (deleted)
a000-b000 r--p 00000000 fe:00 11                         /lib/a b.so
b000-c000 r-xp 00001000 fe:00 11                         /lib/a b.so
d000-e000 r-xp 00005000 fe:00 13                         /lib/line\\012break.so
f000-10000 r-xp 00000000 00:00 0                         [vdso]
"""


def test_each_loading_of_a_file_knows_where_it_begins() -> None:
    bases = {m.start: m.base for m in parse_mappings(TEXT)}
    assert bases[0x1000] == bases[0x2000] == bases[0x4000] == 0x1000
    assert bases[0xA000] == bases[0xB000] == 0xA000
    assert bases[0x7000] == bases[0x8000] == 0x7000  # two segments in the file's first page
    assert bases[0x5000] is None and bases[0xD000] is None


def test_an_address_is_found_in_its_mapping_only() -> None:
    mappings = parse_mappings(TEXT)
    found = mappings.find(0x3FFF)
    assert found is not None and found.start == 0x2000
    assert [mappings.find(a) for a in (0, 0x6000, 0x6FFF, 0x10000)] == [None] * 4


def test_names_are_read_as_they_are() -> None:
    mappings = parse_mappings(TEXT)
    assert [m.path for m in mappings if m.executable] == [
        "/lib/a b.so", "/lib/old.so", "/lib/a b.so", "/lib/line\nbreak.so", "[vdso]"
    ]  # fmt: skip
    assert [m.deleted for m in mappings if m.path == "/lib/old.so"] == [True, True]


def test_this_process_shows_where_its_memory_is() -> None:
    buffer = ctypes.create_string_buffer(10)
    mapping = read_mappings().find(ctypes.addressof(buffer))
    assert mapping is not None and "w" in mapping.permissions and not mapping.executable
