"""Functions that a compiler inlined into others, in a profile."""

from __future__ import annotations

import ctypes
import platform
import time
from pathlib import Path

import pytest
from compiled import run

from pytest_flame import Profiler
from pytest_flame.model import Frame

SOURCE = """
static inline __attribute__((always_inline)) double copied(double x)
{ for (int i = 0; i < 400000; i++) x = x * 1.0000001 + 1e-9; return x; }
double around(double x) { double y = copied(x); __asm__ volatile(""); return y + 1; }
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="native frames are sampled on x86-64 only")
def test_inlined_functions_are_frames_below_those_they_are_in(tmp_path: Path) -> None:
    text, path = tmp_path / "copied.c", tmp_path / "libcopied.so"
    text.write_text(SOURCE, encoding="utf-8")
    run("cc", "-O2", "-g", "-fPIC", "-shared", text, "-o", path)
    library = ctypes.CDLL(str(path))
    library.around.restype, library.around.argtypes = ctypes.c_double, [ctypes.c_double]
    end = time.process_time() + 0.3
    with Profiler(inlined=True) as profiler:
        while time.process_time() < end:
            library.around(1.0)
    profile = profiler.profile
    inner = Frame("libcopied.so", "copied")
    assert profile.self_ns()[inner] > 0.8 * profile.cpu_ns
    assert all(
        stack[stack.index(inner) - 1] == Frame("libcopied.so", "around")
        for stack in profile.stacks.costs
        if inner in stack
    )
