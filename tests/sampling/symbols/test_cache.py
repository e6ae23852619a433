"""The cache with other processes, damage, and folders it can't write to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from compiled import Compile, addresses

from pytest_flame.sampling.symbols import cache as cache_module
from pytest_flame.sampling.symbols import tables
from pytest_flame.sampling.symbols.cache import SymbolCache, cache_root, key_of
from pytest_flame.sampling.symbols.mapped_files import open_file
from pytest_flame.sampling.symbols.symbol_table import SymbolTable
from pytest_flame.sampling.symbols.tables import read_table

KEY = "5eed"


def table(names: bytes = b"first\0second\0") -> SymbolTable:
    none = 0xFFFFFFFF
    return SymbolTable([1, 9], [4, 12], [none, none], [0, 6], names, [1], [4], ".symtab", True)


def only_entry(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


def test_what_was_written_is_read(tmp_path: Path) -> None:
    cache = SymbolCache(tmp_path / "new" / "folder")
    assert cache.read(KEY) is None
    cache.write(KEY, table())
    found = cache.read(KEY)
    assert found is not None and found.to_bytes() == table().to_bytes()
    assert cache.read("0ther") is None


def test_an_entry_that_was_cut_off_is_none(tmp_path: Path) -> None:
    cache = SymbolCache(tmp_path)
    cache.write(KEY, table())
    entry = only_entry(tmp_path)
    whole = entry.read_bytes()
    for size in range(len(whole)):
        entry.write_bytes(whole[:size])
        assert cache.read(KEY) is None


def test_an_entry_with_a_wrong_bit_is_none(tmp_path: Path) -> None:
    cache = SymbolCache(tmp_path)
    cache.write(KEY, table())
    entry = only_entry(tmp_path)
    whole = entry.read_bytes()
    for at in range(len(whole)):
        entry.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert cache.read(KEY) is None


def test_another_librarys_entry_is_none(tmp_path: Path) -> None:
    cache = SymbolCache(tmp_path)
    cache.write(KEY, table())
    entry = only_entry(tmp_path)
    entry.rename(entry.with_name(entry.name.replace(KEY, "0ther")))
    assert cache.read("0ther") is None


def test_a_damaged_entry_is_replaced(compile_library: Compile, tmp_path: Path) -> None:
    library, folder = compile_library("-Wl,--build-id"), tmp_path / "cache"
    for damage in (None, b"", b"FLAMESYM", os.urandom(5000)):
        source = open_file(library)
        if damage is not None:
            only_entry(folder).write_bytes(damage)
        with source.stream:
            symbol = read_table(source, SymbolCache(folder)).find(addresses(library)["hidden"])
        assert symbol is not None and symbol.name == "hidden"
        assert SymbolCache(folder).read(only_entry(folder).stem) is not None


def test_a_second_reader_builds_nothing(
    compile_library: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = compile_library("-Wl,--build-id")
    source = open_file(library)
    with source.stream:
        read_table(source, SymbolCache(tmp_path / "cache"))
        monkeypatch.setattr(tables, "_built", lambda source: pytest.fail("built again"))
        read_table(source, SymbolCache(tmp_path / "cache"))


WRITE_AND_READ = """
import sys
from pathlib import Path
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.symbol_table import SymbolTable
none = 0xFFFFFFFF
names = sys.argv[2].encode() * 20000 + b"\\0"
cache = SymbolCache(Path(sys.argv[1]))
for _ in range(60):
    cache.write("5eed", SymbolTable([1], [4], [none], [0], names, [], [], "", True))
    found = cache.read("5eed")
    text = bytes(found.names)
    assert len(text) == 20001 and len(set(text[:-1])) == 1, "a mixture"
"""


def test_many_processes_write_and_read_the_same_entry(tmp_path: Path) -> None:
    """Each read returns what one of them wrote, complete."""
    commands = [[sys.executable, "-c", WRITE_AND_READ, str(tmp_path), letter] for letter in "abcd"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{KEY}.{cache_module.FORMAT}"]


def test_a_place_that_is_no_folder_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = SymbolCache(tmp_path / "file" / "below")
    cache.write(KEY, table())
    assert cache.read(KEY) is None


def test_without_a_folder_nothing_is_kept() -> None:
    cache = SymbolCache(None)
    cache.write(KEY, table())
    assert cache.read(KEY) is None


def test_the_least_recently_used_entries_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENTRIES", 3)
    cache = SymbolCache(tmp_path)
    for number in range(3):
        cache.write(f"{number}", table())
        path = tmp_path / f"{number}.{cache_module.FORMAT}"
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
    assert cache.read("0") is not None  # used now
    cache.write("3", table())
    assert [cache.read(key) is not None for key in "0123"] == [True, False, True, True]


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/are/ignored")
    assert cache_root() == Path("/home/somebody/.cache")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path("/home/somebody/.cache")


def test_others_cannot_look_into_it(tmp_path: Path) -> None:
    SymbolCache(tmp_path / "mine").write(KEY, table())
    assert (tmp_path / "mine").stat().st_mode & 0o077 == 0


def test_without_a_build_id_a_replaced_file_has_another_key(tmp_path: Path) -> None:
    path = tmp_path / "library"
    path.write_text("a")
    before = key_of(None, path.stat())
    assert key_of(None, path.stat()) == before
    path.write_text("b" * 2)
    assert key_of(None, path.stat()) != before
    assert key_of(b"\x12\xab", path.stat()) == "12ab"
