"""Native functions, sampled and named: from the handler to ``library:symbol``."""

from __future__ import annotations

import _ctypes
import ctypes
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from compiled import run
from sampled import PERF_USER

from pytest_flame.formats import folded
from pytest_flame.model import Frame, FrameKind, SamplerInfo, Stack
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler

SOURCE = """\
namespace deep {
static inline __attribute__((always_inline)) double inlined(double x)
{ for (int i = 0; i < 400000; i++) x = x * 1.0000001 + 1e-9; return x; }
struct Spinner {
  __attribute__((noinline)) double spin(double x) { double y = inlined(x); __asm__ volatile(""); return y + 1; }
};
}
extern "C" __attribute__((noinline)) double burn(double x)
{ deep::Spinner s; double y = s.spin(x); __asm__ volatile(""); return y + 1; }
"""


@pytest.fixture
def burner(tmp_path: Path) -> Path:
    text, library = tmp_path / "burn.cpp", tmp_path / "libburn.so"
    text.write_text(SOURCE, encoding="utf-8")
    run("c++", "-O2", "-g", "-fPIC", "-shared", text, "-o", library)
    return library


@pytest.fixture(autouse=True, scope="module")
def watcher() -> None:
    """The thread that looks for newly loaded libraries stays with the process: it is there before the first test."""
    if platform.machine() != "x86_64":
        pytest.skip("native frames are sampled on x86-64 only")
    with NativeSampler(replace(PERF_USER, native_frames=True)) as sampler, suppress(OSError):
        sampler.start(1_000_000)
        sampler.stop()


@pytest.fixture
def info(perf_user_required: SamplerInfo) -> Iterator[SamplerInfo]:
    yield replace(perf_user_required, native_frames=True)


def sample(sampler: NativeSampler, body: Callable[[], None]) -> dict[Stack, int]:
    """Stacks and how often they were seen."""
    sampler.start(500_000)
    sampler.resume()
    body()
    sampler.pause()
    sampler.stop()
    namer = FrameNamer("/")
    stacks: Counter[Stack] = Counter()
    for stack in sampler.samples().stacks:
        stacks[tuple(namer.frame(frame) for frame in stack.frames)] += stack.count
    return dict(stacks)


def burn(library: ctypes.CDLL) -> None:
    library.burn.restype, library.burn.argtypes = ctypes.c_double, [ctypes.c_double]
    end = time.process_time() + 0.3
    while time.process_time() < end:
        library.burn(1.0)


def below_burn(stacks: dict[Stack, int]) -> Counter[tuple[str, ...]]:
    """Stacks from ``burn`` on, if it was the Python function."""
    found: Counter[tuple[str, ...]] = Counter()
    for stack, count in stacks.items():
        names = tuple(frame.name for frame in stack)
        if "libburn.so:burn" in names:
            at = names.index("libburn.so:burn")
            assert any(name.endswith("test_native_names:burn") for name in names[:at]), names
            found[names[at:]] += count
    return found


SPIN = "libburn.so:deep::Spinner::spin(double)"


def test_native_functions_stand_below_their_python_caller(burner: Path, info: SamplerInfo) -> None:
    library = ctypes.CDLL(str(burner))
    with NativeSampler(info) as sampler:
        stacks = sample(sampler, lambda: burn(library))
    found = below_burn(stacks)
    assert found[("libburn.so:burn", SPIN)] > 0.9 * sum(found.values()) > 0
    assert folded.loads(folded.dumps(stacks)) == stacks
    assert {frame.kind for stack in stacks for frame in stack if ".so" in frame.module} == {FrameKind.NATIVE}
    assert all(frame.kind is not FrameKind.PYTHON for stack in stacks for frame in stack[:1] if len(stack) > 5)


def test_inlined_functions_are_shown_on_request(burner: Path, info: SamplerInfo) -> None:
    library = ctypes.CDLL(str(burner))
    with NativeSampler(info, inlined=True) as sampler:
        stacks = sample(sampler, lambda: burn(library))
    found = below_burn(stacks)
    assert found[("libburn.so:burn", SPIN, "libburn.so:deep::inlined")] > 0.9 * sum(found.values()) > 0


def test_a_library_unloaded_meanwhile_keeps_its_names(burner: Path, info: SamplerInfo) -> None:
    def load_burn_unload() -> None:
        library = ctypes.CDLL(str(burner))
        burn(library)
        _ctypes.dlclose(library._handle)

    with NativeSampler(info) as sampler:
        stacks = sample(sampler, load_burn_unload)
    assert str(burner) not in Path("/proc/self/maps").read_text()
    found = below_burn(stacks)
    assert found[("libburn.so:burn", SPIN)] > 0.9 * sum(found.values()) > 0


def test_the_interpreter_is_no_python_module(burner: Path, info: SamplerInfo) -> None:
    """A statically linked interpreter is an executable, not a library."""
    library = ctypes.CDLL(str(burner))
    with NativeSampler(info) as sampler:
        stacks = sample(sampler, lambda: burn(library))
    kinds = {frame.kind for stack in stacks for frame in stack if frame.qualname in ("_start", "Py_RunMain")}
    assert kinds == {FrameKind.NATIVE}
    assert Frame.parse("[python3.11]:_start").kind is FrameKind.NATIVE


def test_a_library_in_anothers_place_has_its_own_names(burner: Path, info: SamplerInfo) -> None:
    """A name is not believed forever: both are at the same addresses, one after the other."""
    text, other = burner.with_name("other.cpp"), burner.with_name("libother.so")
    text.write_text(SOURCE.replace("spin", "turn"), encoding="utf-8")
    run("c++", "-O2", "-g", "-fPIC", "-shared", text, "-o", other)
    symbols, places = [], []
    with NativeSampler(info) as sampler:
        for path in (burner, other):
            library = ctypes.CDLL(str(path))
            sampler.clear()
            stacks = sample(sampler, lambda library=library: burn(library))  # type: ignore[misc]
            symbols.append({f.qualname for stack in stacks for f in stack if f.module == path.name})
            places.append(ctypes.cast(library.burn, ctypes.c_void_p).value)
            _ctypes.dlclose(library._handle)
    assert "deep::Spinner::spin(double)" in symbols[0]
    assert "deep::Spinner::turn(double)" in symbols[1]
    if places[0] != places[1]:
        pytest.skip("the second library was loaded elsewhere")
