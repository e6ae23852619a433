"""Libraries compiled for a test, and what binutils says about them."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.sampling.symbols import Mapping, read_mappings

SOURCE = """
#include <string.h>
#include <stdlib.h>
__attribute__((noinline)) static long hidden(const char *text) { return (long)strlen(text) + atoi(text); }
long shown(const char *text) { return hidden(text) * 3; }
long other(const char *text) { return hidden(text) + 7; }
extern __typeof(shown) same_as_shown __attribute__((alias("shown")));
extern __typeof(shown) __same_as_shown __attribute__((weak, alias("shown")));
__asm__(".text\\n.globl label\\n.type label, @function\\nlabel: nop\\nnop\\nnop\\nret\\n"
        ".globl after\\n.type after, @function\\nafter: ret\\n.size after, .-after\\n");
"""

Compile = Callable[..., Path]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    name, *arguments = (str(part) for part in command)
    return subprocess.run([tool(name), *arguments], capture_output=True, text=True, check=True).stdout


def addresses(library: Path) -> dict[str, int]:
    """Functions by name, as nm lists them."""
    lines = run("nm", library).splitlines()
    return {m[2]: int(m[1], 16) for line in lines if (m := re.fullmatch(r"([0-9a-f]+) [tTwW] (\S+)", line))}


def stripped(library: Path) -> Path:
    copy = library.with_name(f"stripped-{library.name}")
    run("strip", "-o", copy, library)
    return copy


def load(library: Path) -> tuple[ctypes.CDLL, Mapping]:
    """The library, loaded, and the mapping of its code."""
    loaded = ctypes.CDLL(str(library))
    return loaded, next(m for m in read_mappings() if m.path == str(library) and m.executable)
