"""Names of addresses in this process and in others."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from compiled import SOURCE, Compile, addresses, load, run, stripped

from pytest_flame.model import FrameKind
from pytest_flame.sampling.symbols import NativeName, Symbolizer, mapped_files, read_mappings
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.symbolizer import library_name


def address_of(library: ctypes.CDLL, function: str) -> int:
    found = ctypes.cast(getattr(library, function), ctypes.c_void_p).value
    assert found is not None
    return found


def name_of(symbolizer: Symbolizer, address: int) -> NativeName:
    mapping = read_mappings().find(address)
    assert mapping is not None
    return symbolizer.name(mapping, address)


def test_the_interpreter_names_its_own_functions(symbolizer: Symbolizer) -> None:
    address = address_of(ctypes.pythonapi, "PyObject_Repr")
    name = name_of(symbolizer, address + 5)
    assert (name.symbol, name.offset) == ("PyObject_Repr", 5)
    # Debian builds the library too and does not use it.
    library = str(sysconfig.get_config_var("INSTSONAME"))
    used = library in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert name.library == (library if used else f"[{Path(sys.executable).resolve().name}]")


def test_a_function_of_a_loaded_library(compile_library: Compile, symbolizer: Symbolizer) -> None:
    library = compile_library()
    loaded, _ = load(library)
    address = address_of(loaded, "other")
    assert name_of(symbolizer, address) == NativeName("libtried.so", "other", 0)
    hidden = address + addresses(library)["hidden"] - addresses(library)["other"]
    assert name_of(symbolizer, hidden + 2) == NativeName("libtried.so", "hidden", 2)


@pytest.mark.parametrize(
    "options", [("-Wl,-z,noseparate-code",), ("-Wl,-z,separate-code",), ("-Wl,-Ttext-segment=0x200000",)]
)
def test_wherever_the_linker_put_the_code(
    compile_library: Compile, symbolizer: Symbolizer, options: tuple[str, ...]
) -> None:
    loaded, mapping = load(compile_library(*options))
    address = address_of(loaded, "other")
    assert name_of(symbolizer, address) == NativeName("libtried.so", "other", 0)
    linked = symbolizer.linked_address(mapping, address)
    assert linked == addresses(Path(mapping.path))["other"]


def test_a_nameless_function_has_the_same_name_in_every_process(
    compile_library: Compile, symbolizer: Symbolizer
) -> None:
    library = compile_library()
    start = addresses(library)["hidden"]
    loaded, mapping = load(stripped(library))
    address = address_of(loaded, "other") + start - addresses(library)["other"]
    assert symbolizer.name(mapping, address + 3) == NativeName("stripped-libtried.so", f"[{start:#x}]", 3)


def test_pieces_of_a_function_are_the_function(compile_library: Compile, symbolizer: Symbolizer) -> None:
    text = """
    #include <stdlib.h>
    __attribute__((cold, noinline)) void fails(long n) { if (n == 77) abort(); }
    long split(long n) { if (__builtin_expect(n > 5, 0)) { fails(n); fails(n + 1); return n * 9; } return n; }
    """
    library = compile_library("-O2", "-freorder-blocks-and-partition", source=text)
    cold = [at for name, at in addresses(library).items() if name.startswith("split.cold")]
    if not cold:
        pytest.skip("this compiler does not split the function")
    loaded, _ = load(library)
    address = address_of(loaded, "split")
    assert name_of(symbolizer, address + cold[0] - addresses(library)["split"]).symbol == "split"


def test_the_vdso_is_read_from_memory(symbolizer: Symbolizer) -> None:
    mapping = next((m for m in read_mappings() if m.path == "[vdso]"), None)
    if mapping is None:
        pytest.skip("this process has no vdso")
    names = {symbolizer.name(mapping, address) for address in range(mapping.start, mapping.end, 16)}
    assert {name.library for name in names} == {"[vdso]"}
    known = {"__vdso_clock_gettime", "clock_gettime", "__kernel_clock_gettime"}
    assert known & {name.symbol for name in names}


def test_memory_without_a_file_is_anonymous(symbolizer: Symbolizer) -> None:
    mapping = next(m for m in read_mappings() if not m.path)
    assert symbolizer.name(mapping, mapping.start) == NativeName("[anonymous]", "[unknown]", 0)


def test_everything_that_is_mapped_here_is_native(symbolizer: Symbolizer) -> None:
    for mapping in read_mappings():
        if mapping.executable:
            frame = symbolizer.name(mapping, mapping.start + 100).frame
            assert frame.kind is FrameKind.NATIVE, frame


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/lib/libc.so.6", "libc.so.6"),
        ("/a/_json.cpython-311-x86_64-linux-gnu.so", "_json.cpython-311-x86_64-linux-gnu.so"),
        ("/usr/bin/python3.11", "[python3.11]"),
        ("/memfd:code", "[memfd.code]"),
        ("/odd/a:b.so", "a.b.so"),
        ("[vdso]", "[vdso]"),
        ("", "[anonymous]"),
    ],
)
def test_libraries_are_called_by_their_file(path: str, name: str) -> None:
    assert library_name(path) == name


def test_a_library_that_was_removed_is_named_from_memory(
    compile_library: Compile, symbolizer: Symbolizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = compile_library(name="libremoved.so")
    listed = addresses(library)
    loaded, _ = load(library)
    library.unlink()
    only_by_path(monkeypatch)
    address = address_of(loaded, "other")
    assert name_of(symbolizer, address + 1) == NativeName("libremoved.so", "other", 1)
    hidden = name_of(symbolizer, address + listed["hidden"] - listed["other"])
    assert hidden == NativeName("libremoved.so", f"[{listed['hidden']:#x}]", 0)


@pytest.mark.parametrize("build_id", ["-Wl,--build-id", "-Wl,--build-id=none"])
def test_a_library_that_was_replaced_is_not_believed(
    compile_library: Compile, symbolizer: Symbolizer, monkeypatch: pytest.MonkeyPatch, build_id: str
) -> None:
    library = compile_library(build_id, name="libreplaced.so")
    loaded, _ = load(library)
    address = address_of(loaded, "other")
    other = compile_library(build_id, source=SOURCE.replace("other", "wrong"), name="libnew.so")
    other.replace(library)
    only_by_path(monkeypatch)
    assert name_of(symbolizer, address).symbol == "other"


def only_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for users who may not follow /proc/PID/map_files."""
    really = mapped_files.open_file

    def refused(path: Path) -> mapped_files.MappedFile:
        if "map_files" in str(path):
            raise PermissionError(1, "not permitted")
        return really(path)

    monkeypatch.setattr(mapped_files, "open_file", refused)


def test_another_process_is_named_by_its_own_libraries(compile_library: Compile) -> None:
    library = compile_library()
    script = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(library)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        symbolizer = Symbolizer(process.pid, SymbolCache(None))
        mapping = next(m for m in read_mappings(process.pid) if m.path == str(library) and m.executable)
        names = {symbolizer.name(mapping, a).symbol for a in range(mapping.start, mapping.end, 4)}
        process.communicate()
    assert {"hidden", "other", "strlen@plt"} <= names


def test_a_library_that_was_unloaded_is_named_by_its_file(library: Path, symbolizer: Symbolizer) -> None:
    start = addresses(library)["hidden"]
    assert symbolizer.name_in_file(str(library), start + 4) == NativeName("libtried.so", "hidden", 4)
    assert symbolizer.name_in_file("/gone/libgone.so", 0x1234) == NativeName("libgone.so", "[0x1234]", 0)


def test_call_frames_that_start_a_byte_early_are_named(compile_library: Compile, symbolizer: Symbolizer) -> None:
    text = """
    __asm__(".text\\n.cfi_startproc\\nnop\\n.globl restorer\\n.type restorer, @function\\nrestorer: nop\\nret\\n"
            ".size restorer, .-restorer\\n.cfi_endproc\\n");
    """
    library = compile_library(source=text)
    start = addresses(library)["restorer"] - 1
    assert symbolizer.name_in_file(str(library), start).symbol == "restorer"


CPP = """
namespace deep {
template <class T> struct Box { __attribute__((noinline)) T twice(T value) { return value + value; } };
}
extern "C" int call(int n) { deep::Box<int> box; return box.twice(n) + 1; }
"""


def test_cxx_names_are_the_sources(compile_library: Compile, symbolizer: Symbolizer) -> None:
    library = compile_library(source=CPP, language="c++", name="libcpp.so")
    mangled = next(at for name, at in addresses(library).items() if "twice" in name)
    assert symbolizer.name_in_file(str(library), mangled).symbol == "deep::Box<int>::twice(int)"


INLINES = """\
extern "C" __attribute__((noinline)) unsigned before(unsigned x) { return x ^ 1; }
namespace deep {
static inline __attribute__((always_inline)) unsigned inner(unsigned x)
{ for (int i = 0; i < 9; i++) x = x * 31 + (x >> 7); return x; }
static inline __attribute__((always_inline)) unsigned middle(unsigned x) { return inner(x) + inner(x ^ 5); }
}
extern "C" unsigned outer(unsigned x) {
  return deep::middle(x) * 3;
}
"""
FUNCTION_OF_LINE = {3: "deep::inner", 4: "deep::inner", 5: "deep::middle", 7: "outer", 8: "outer", 9: "outer"}


@pytest.mark.parametrize("kept", ["in the library", "in the debug file"])
@pytest.mark.parametrize("version", [4, 5])
def test_inlined_functions_are_what_addr2line_says(
    compile_library: Compile, symbolizer: Symbolizer, version: int, kept: str
) -> None:
    library = compile_library("-g", f"-gdwarf-{version}", source=INLINES, language="c++", name=f"libinline{version}.so")
    shown = library
    if kept == "in the debug file":
        shown = stripped(library)
        run("objcopy", "--only-keep-debug", library, shown.with_suffix(".debug"))
        run("objcopy", f"--add-gnu-debuglink={shown.with_suffix('.debug')}", shown)
    start = addresses(library)["outer"]
    loaded, mapping = load(shown)
    address = address_of(loaded, "outer")
    deepest, innermost = 0, set()
    for offset in range(40):
        places = run("addr2line", "-i", "-e", library, hex(start + offset)).split("\n")[-2::-1]
        lines = [re.search(r":(\d+)", place) for place in places]
        if None in lines:
            continue  # padding after the function
        frames = symbolizer.frames(mapping, address + offset)
        assert len(frames) == len(lines)
        # The lines of the calls: the innermost instruction's line may belong to code that the compiler moved.
        assert [frame.symbol for frame in frames[:-1]] == [FUNCTION_OF_LINE[int(m[1])] for m in lines[:-1] if m]
        innermost.add(frames[-1].symbol)
        assert [frame.library for frame in frames] == [shown.name] * len(frames)
        deepest = max(deepest, len(frames))
    assert deepest == 3 and innermost == {"outer", "deep::middle", "deep::inner"}


def test_without_debug_information_nothing_is_inlined(library: Path, symbolizer: Symbolizer) -> None:
    loaded, mapping = load(library)
    address = address_of(loaded, "other")
    assert symbolizer.frames(mapping, address) == (symbolizer.name(mapping, address),)


def test_the_cache_gives_the_same_names(compile_library: Compile, tmp_path: Path) -> None:
    library = compile_library("-Wl,--build-id")
    first, second, none = (Symbolizer(cache=SymbolCache(place)) for place in (tmp_path / "c", tmp_path / "c", None))
    for address in range(0x1000, 0x1400, 3):
        names = [symbolizer.name_in_file(str(library), address) for symbolizer in (first, second, none)]
        assert names[0] == names[1] == names[2]


def test_a_copied_environment_is_not_needed(library: Path, symbolizer: Symbolizer) -> None:
    """Two copies of one build at different places have the same names."""
    copy = library.parent / "elsewhere"
    copy.mkdir()
    shutil.copy(library, copy / library.name)
    start = addresses(library)["hidden"]
    assert symbolizer.name_in_file(str(copy / library.name), start) == symbolizer.name_in_file(str(library), start)
