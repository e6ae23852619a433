"""``/proc/kallsyms`` as text, hidden, and the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_flame.model import FrameKind
from pytest_flame.sampling.symbols import KernelSymbols

TEXT = """\
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t do_read.isra.0
ffffffff81000200 D some_data
ffffffff81000300 W weak_function
ffffffffc0001000 t module_function\t[ext4]
ffffffffc0002000 t bpf_prog_1234_name\t[bpf]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    folder = tmp_path / "kernel"
    folder.mkdir()
    return folder


def opened(tmp_path: Path, text: str, settings: Path) -> KernelSymbols:
    path = tmp_path / "kallsyms"
    path.write_text(text, encoding="utf-8")
    return KernelSymbols.open(path, settings)


def hidden(text: str) -> str:
    return "".join("0" * 16 + line[16:] for line in text.splitlines(keepends=True))


def test_functions_of_kernel_and_modules_are_named(tmp_path: Path, settings: Path) -> None:
    kernel = opened(tmp_path, TEXT, settings)
    assert kernel.name(0xFFFFFFFF81000150) == "do_read"
    assert kernel.name(0xFFFFFFFF81000250) == "do_read"  # data is not a function
    assert kernel.frame(0xFFFFFFFFC0001004).name == "kernel:module_function"
    assert kernel.frame(0xFFFFFFFFC0001004).kind is FrameKind.KERNEL
    assert kernel.name(0xFFFFFFFF80000000) == "[unknown]"
    assert list(kernel.starts) == sorted(kernel.starts) and kernel.reason == ""


@pytest.mark.parametrize(
    ("restrict", "paranoid", "fix"),
    [
        ("2", "2", "sudo sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1"),
        ("1", "1", "sudo sysctl kernel.kptr_restrict=0"),
        ("0", "2", "sudo sysctl kernel.perf_event_paranoid=1"),
        ("0", "-1", "give the process CAP_SYSLOG"),
        (None, None, "sudo sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1"),
    ],
)
def test_hidden_addresses_name_nothing_and_say_what_helps(
    tmp_path: Path, settings: Path, restrict: str | None, paranoid: str | None, fix: str
) -> None:
    for name, value in (("kptr_restrict", restrict), ("perf_event_paranoid", paranoid)):
        if value is not None:
            (settings / name).write_text(f"{value}\n")
    kernel = opened(tmp_path, hidden(TEXT), settings)
    assert kernel.frame(0xFFFFFFFF81000150).name == "kernel:[unknown]"
    assert len(kernel) == 0 and kernel.reason and kernel.fix == fix


def test_an_unreadable_list_says_so(tmp_path: Path, settings: Path) -> None:
    kernel = KernelSymbols.open(tmp_path / "missing", settings)
    assert "missing" in kernel.reason and kernel.name(1) == "[unknown]"


def test_this_machines_kernel_names_its_functions_or_says_why_not() -> None:
    kernel = KernelSymbols.open()
    assert bool(kernel.reason) == (len(kernel) == 0)
    if os.geteuid() == 0 and not kernel.reason:
        assert len(kernel) > 1000
