"""The C sources compile for every machine and C library that there are wheels for, with cross compilers."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_DT_FLAGS

NATIVE = Path(__file__).parents[2] / "native"
SOURCES = sorted(NATIVE.glob("*/*.c"))
COMPILERS = {"aarch64-linux-gnu-gcc": "aarch64-linux-gnu", "musl-gcc": "x86_64-linux-gnu"}
"""Debian's, with the folder in which Debian's Python.h looks for the machine's pyconfig.h."""


def command(name: str, folder: Path) -> list[str]:
    """A compiler with Python's headers. Those of the running Python serve all machines: each has 64 bits."""
    if shutil.which(name) is None:
        pytest.skip(f"needs {name} (Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross musl-tools)")
    headers = Path(sysconfig.get_path("include"))
    for_machine = folder / "include" / COMPILERS[name] / headers.name
    for_machine.mkdir(parents=True)
    shutil.copy(sysconfig.get_config_h_filename(), for_machine)
    options = ["-I", str(NATIVE), "-I", str(folder / "include"), "-isystem", str(headers)]
    if name == "musl-gcc":
        # Debian's musl comes without the kernel's headers; the rest of /usr/include is glibc's.
        kernel = folder / "kernel"
        kernel.mkdir()
        for part in ("linux", "asm-generic"):
            (kernel / part).symlink_to(Path("/usr/include") / part)
        (kernel / "asm").symlink_to(Path("/usr/include") / f"{platform.machine()}-linux-gnu" / "asm")
        options += ["-isystem", str(kernel)]
    return [name, "-std=gnu17", "-Wall", "-Wextra", "-Werror", *options]


@pytest.mark.parametrize("name", COMPILERS)
def test_compiles_without_warnings(name: str, tmp_path: Path) -> None:
    compiler = command(name, tmp_path)
    result = subprocess.run([*compiler, "-fsyntax-only", *map(str, SOURCES)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_musl_can_load_it(tmp_path: Path) -> None:
    """musl refuses libraries that need static thread-local storage, unless the program is linked with them."""
    library = tmp_path / "sampler.so"
    sources = [str(path) for path in SOURCES if path.parent.name != "exact"]
    subprocess.run(
        [*command("musl-gcc", tmp_path), "-fPIC", "-shared", *sources, "-o", str(library)],
        check=True,
    )
    with library.open("rb") as file:
        dynamic = ELFFile(file).get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        flags = next((tag.entry.d_val for tag in dynamic.iter_tags("DT_FLAGS")), 0)
    assert not flags & ENUM_DT_FLAGS["DF_STATIC_TLS"]


def test_only_the_header_for_it_names_a_model_of_thread_local_storage() -> None:
    named = [path.name for path in NATIVE.glob("*/*.[ch]") if re.search("tls_model|_Thread_local", path.read_text())]
    assert named == ["thread_local.h"]
