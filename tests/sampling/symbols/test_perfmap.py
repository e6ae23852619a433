"""Names of compiled code that a process announces in /tmp."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_flame.sampling.symbols import NativeName, Symbolizer, perfmap, read_mappings
from pytest_flame.sampling.symbols.perfmap import PerfMap


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"perf-{os.getpid()}.map"


def name_at(announced: PerfMap, address: int) -> str | None:
    symbol = announced.find(address)
    return None if symbol is None else symbol.name


def test_a_function_is_found_by_any_of_its_addresses(path: Path) -> None:
    path.write_text("7f0010 20 compiled loop\n7f0040 8 py::parse:/src/parse.py\nnot a line\n")
    announced = PerfMap(folder=path.parent)
    assert [name_at(announced, a) for a in (0x7F000F, 0x7F0010, 0x7F002F, 0x7F0030)] == [
        None, "compiled loop", "compiled loop", None,
    ]  # fmt: skip
    assert name_at(announced, 0x7F0040) == "py::parse"


def test_what_is_announced_later_is_found(path: Path) -> None:
    path.write_text("1000 10 first\n")
    announced = PerfMap(folder=path.parent)
    assert name_at(announced, 0x2000) is None
    with path.open("a") as stream:
        stream.write("2000 10 second\n1000 10 instead\n")
    assert name_at(announced, 0x2000) == "second"
    assert name_at(announced, 0x1000) == "instead"


def test_a_link_is_not_followed(path: Path) -> None:
    (path.parent / "secret").write_text("1000 10 first\n")
    path.symlink_to(path.parent / "secret")
    assert name_at(PerfMap(folder=path.parent), 0x1000) is None


def test_a_pipe_does_not_stop_us(path: Path) -> None:
    os.mkfifo(path)
    assert name_at(PerfMap(folder=path.parent), 0x1000) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("1000 10 first\n")
    os.chown(path, 12345, 12345)
    assert name_at(PerfMap(folder=path.parent), 0x1000) is None


def test_compiled_code_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = next(m for m in read_mappings() if not m.path)
    path.write_text(f"{mapping.start:x} 100 kernel_1\n")
    monkeypatch.setattr(perfmap, "FOLDER", path.parent)
    assert Symbolizer().name(mapping, mapping.start + 4) == NativeName("[jit]", "kernel_1", 4)
