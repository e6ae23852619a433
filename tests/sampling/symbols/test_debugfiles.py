"""Debug files made by objcopy: found by build-id and by name, used only when they belong to the library."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from compiled import SOURCE, Compile, addresses, run

from pytest_flame.sampling.symbols import mapped_files, tables
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.mapped_files import open_file
from pytest_flame.sampling.symbols.symbol_table import SymbolTable
from pytest_flame.sampling.symbols.tables import read_table

NO_BUILD_ID = "-Wl,--build-id=none"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder for debug files other than the library's own."""
    folder = tmp_path / "debug"
    folder.mkdir()
    monkeypatch.setattr(mapped_files, "DEBUG_ROOTS", (folder,))
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "debuginfod"))
    return folder


def split(library: Path, debug: Path, *, link: bool) -> Path:
    """The stripped library; its symbols are in ``debug``."""
    debug.parent.mkdir(parents=True, exist_ok=True)
    run("objcopy", "--only-keep-debug", library, debug)
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    if link:
        run("objcopy", f"--add-gnu-debuglink={debug}", slim)
    return slim


def by_build_id(root: Path, library: Path) -> Path:
    source = open_file(library)
    source.stream.close()
    assert source.image.build_id is not None
    text = source.image.build_id.hex()
    return root / ".build-id" / text[:2] / f"{text[2:]}.debug"


def table_of(path: Path, cache: Path | None = None) -> SymbolTable:
    source = open_file(path)
    with source.stream:
        return read_table(source, SymbolCache(cache))


def names_hidden(table: SymbolTable, library: Path) -> bool:
    symbol = table.find(addresses(library)["hidden"])
    return symbol is not None and symbol.name == "hidden"


def test_a_debug_file_is_found_by_build_id(compile_library: Compile, root: Path) -> None:
    library = compile_library("-Wl,--build-id")
    debug = by_build_id(root, library)
    table = table_of(split(library, debug, link=False))
    assert names_hidden(table, library)
    assert table.complete and table.origin == str(debug)


def test_debuginfods_cache_is_used(compile_library: Compile, root: Path, tmp_path: Path) -> None:
    library = compile_library("-Wl,--build-id")
    text = by_build_id(root, library).parent.name + by_build_id(root, library).stem
    assert names_hidden(table_of(split(library, tmp_path / "debuginfod" / text / "debuginfo", link=False)), library)


@pytest.mark.parametrize("place", ["slim.debug", ".debug/slim.debug"])
def test_a_debug_file_is_found_by_its_name(compile_library: Compile, root: Path, place: str) -> None:
    library = compile_library(NO_BUILD_ID)
    assert names_hidden(table_of(split(library, library.parent / place, link=True)), library)


def test_a_debug_file_is_found_by_its_name_below_the_root(compile_library: Compile, root: Path) -> None:
    library = compile_library(NO_BUILD_ID)
    folder = root / library.parent.resolve().relative_to("/")
    assert names_hidden(table_of(split(library, folder / "slim.debug", link=True)), library)


def test_a_debug_file_with_another_checksum_is_not_used(compile_library: Compile, root: Path) -> None:
    library = compile_library(NO_BUILD_ID)
    debug = library.parent / "slim.debug"
    slim = split(library, debug, link=True)
    debug.write_bytes(debug.read_bytes() + b"\0")
    table = table_of(slim)
    assert not names_hidden(table, library)
    assert not table.complete


def test_a_debug_file_with_another_build_id_is_not_used(compile_library: Compile, root: Path) -> None:
    library = compile_library("-Wl,--build-id")
    other = compile_library("-Wl,--build-id", source=SOURCE.replace("* 3", "* 5"), name="libother.so")
    debug = by_build_id(root, library)
    split(other, debug, link=False)
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    assert not names_hidden(table_of(slim), library)


def test_a_wrong_debug_file_does_not_hide_the_right_one(compile_library: Compile, root: Path) -> None:
    library = compile_library("-Wl,--build-id")
    slim = split(library, library.parent / "slim.debug", link=True)
    wrong = by_build_id(root, library)
    wrong.parent.mkdir(parents=True)
    wrong.write_text("not a debug file")
    assert names_hidden(table_of(slim), library)


def test_symbols_compressed_in_the_library_are_read(compile_library: Compile, root: Path) -> None:
    library = compile_library()
    debug, packed = library.with_name("mini.debug"), library.with_name("mini.xz")
    run("objcopy", "--only-keep-debug", library, debug)
    packed.write_bytes(lzma.compress(debug.read_bytes()))
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    run("objcopy", "--add-section", f".gnu_debugdata={packed}", slim)
    table = table_of(slim)
    assert names_hidden(table, library)
    assert table.complete and table.origin == ".gnu_debugdata"


def test_a_debug_file_installed_later_is_noticed_in_spite_of_the_cache(
    compile_library: Compile, root: Path, tmp_path: Path
) -> None:
    library, cache = compile_library("-Wl,--build-id"), tmp_path / "cache"
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    assert not names_hidden(table_of(slim, cache), library)
    split(library, by_build_id(root, library), link=False)
    assert names_hidden(table_of(slim, cache), library)


def test_an_unstripped_copy_is_noticed_in_spite_of_the_cache(compile_library: Compile, tmp_path: Path) -> None:
    library, cache = compile_library("-Wl,--build-id"), tmp_path / "cache"
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    assert not names_hidden(table_of(slim, cache), library)
    assert names_hidden(table_of(library, cache), library)
    assert names_hidden(table_of(slim, cache), library)  # the same build: its names are already known


def test_a_library_that_stays_stripped_is_read_once(
    compile_library: Compile, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, cache = compile_library("-Wl,--build-id"), tmp_path / "cache"
    debug = by_build_id(root, library)
    debug.parent.mkdir(parents=True)
    debug.write_text("not a debug file")
    slim = library.with_name("slim.so")
    run("strip", "-o", slim, library)
    first = table_of(slim, cache)
    monkeypatch.setattr(tables, "_built", lambda source: pytest.fail("built again"))
    assert table_of(slim, cache).to_bytes() == first.to_bytes()
