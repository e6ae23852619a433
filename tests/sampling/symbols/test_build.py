"""Symbol tables of compiled libraries, compared with nm and objdump."""

from __future__ import annotations

import platform
import random
import re
import struct
from pathlib import Path

import pytest
from compiled import Compile, addresses, run, stripped

from pytest_flame.sampling.symbols.build import build_table
from pytest_flame.sampling.symbols.image import NotElf
from pytest_flame.sampling.symbols.mapped_files import open_file
from pytest_flame.sampling.symbols.symbol_table import SymbolTable


def table_of(path: Path) -> SymbolTable:
    source = open_file(path)
    with source.stream:
        return build_table(source)


def name_at(table: SymbolTable, address: int) -> str | None:
    symbol = table.find(address)
    return None if symbol is None else symbol.name


def test_every_function_that_nm_lists_is_found(library: Path) -> None:
    table = table_of(library)
    listed = addresses(library)
    for name in ("hidden", "shown", "other", "after"):
        assert name_at(table, listed[name]) in {n for n, at in listed.items() if at == listed[name]}
    assert table.complete and table.origin == ".symtab"


def test_of_several_names_the_strongest_with_fewest_underscores_and_then_the_longest_is_shown(library: Path) -> None:
    assert name_at(table_of(library), addresses(library)["shown"]) == "same_as_shown"


def test_an_exported_name_comes_before_an_internal_one(compile_library: Compile) -> None:
    """Stripped or not, a function has the same name."""
    text = """
    __attribute__((visibility("hidden"))) long the_internal_name(long n) { return n * 3; }
    extern __typeof(the_internal_name) _open __attribute__((weak, alias("the_internal_name"), visibility("default")));
    """
    library = compile_library(source=text)
    start = addresses(library)["the_internal_name"]
    assert [name_at(table_of(path), start) for path in (library, stripped(library))] == ["_open", "_open"]


def test_a_stripped_library_names_what_it_exports(library: Path) -> None:
    table, listed = table_of(stripped(library)), addresses(library)
    assert name_at(table, listed["other"]) == "other"
    assert name_at(table, listed["hidden"]) is None
    assert not table.complete and table.origin == ".dynsym"


def test_a_nameless_function_is_known_by_its_start(library: Path) -> None:
    table, start = table_of(stripped(library)), addresses(library)["hidden"]
    assert [table.function_start(start + offset) for offset in (0, 1, 9)] == [start] * 3


def test_outside_all_functions_the_end_of_the_last_one_is_the_start(library: Path) -> None:
    table = table_of(library)
    last = max(*table.ends, *table.function_ends)
    assert table.function_start(last + 100) == table.function_start(last + 2000) == last


def test_a_label_without_a_size_ends_at_the_next_symbol(library: Path) -> None:
    table, listed = table_of(library), addresses(library)
    assert name_at(table, listed["label"] + 3) == "label"
    assert name_at(table, listed["after"]) == "after"


def test_versions_are_no_part_of_a_name() -> None:
    libc = next((p for p in map(Path, ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6")) if p.exists()), None)
    if libc is None:
        pytest.skip("no glibc where it is expected")
    table = table_of(libc)
    names = table.names.split(b"\0")
    assert b"qsort" in names
    assert not [name for name in names if b"@" in name and not name.endswith(b"@plt")]


IBT = [("-fcf-protection=full", "-Wl,-z,ibtplt")] if platform.machine() == "x86_64" else []


@pytest.mark.parametrize("options", [(), ("-Wl,-z,now",), ("-Wl,-z,lazy",), *IBT])
def test_stubs_have_the_names_objdump_gives_them(compile_library: Compile, options: tuple[str, ...]) -> None:
    library = compile_library(*options)
    shown = run("objdump", "-d", library)
    expected = {int(at, 16): name for at, name in re.findall(r"^([0-9a-f]+) <(\w+@plt)>:", shown, re.MULTILINE)}
    table = table_of(library)
    assert "strlen@plt" in expected.values()
    for at, name in expected.items():
        assert name_at(table, at) == name
        assert name_at(table, at + 7) == name


def test_stubs_of_aarch64() -> None:
    from pytest_flame.sampling.symbols.plt import _aarch64_jumps

    # bti c; adrp x16, +2 pages; ldr x17, [x16, #0xfb8]; add; br x17, at 0x1040; then one without a landing pad.
    code = struct.pack("<6I", 0xD503245F, 0xD0000010, 0xF947DE11, 0x913EE210, 0xD61F0220, 0xD503201F)
    code += struct.pack("<4I", 0xD0000010, 0xF947E211, 0x913F0210, 0xD61F0220)
    assert _aarch64_jumps(code, 0x1040) == [(0x1040, 0x1058, 0x3FB8), (0x1058, 0x1068, 0x3FC0)]


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("not a library\n" * 100)
    with pytest.raises(NotElf):
        table_of(path)


def test_a_damaged_library_gives_a_table_or_a_refusal(library: Path) -> None:
    whole = library.read_bytes()
    rng = random.Random(7)
    damaged = library.with_name("damaged.so")
    outcomes = set()
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 4, 40))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.3:
            del content[rng.randrange(len(content)) :]
        damaged.write_bytes(content)
        try:
            table = table_of(damaged)
        except NotElf:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            for address in range(0, 0x5000, 0x35):
                table.find(address)
                table.function_start(address)
    assert outcomes == {"refused", "read"}


def test_functions_start_and_end_where_readelf_says(library: Path) -> None:
    shown = run("readelf", "--debug-dump=frames", library)
    extents = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", shown)]
    table = table_of(library)
    assert list(zip(table.function_starts, table.function_ends, strict=True)) == sorted(set(extents))
