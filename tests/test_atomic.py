from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flame import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def failing_rename(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``failing_rename(n)``: the n-th rename from now on fails as on a full disk."""
    replace = Path.replace

    def arm(number: int) -> None:
        calls = iter(range(1, 1000))

        def fail(self: Path, target: Path) -> Path:
            if next(calls) == number:
                raise OSError(errno.ENOSPC, "No space left on device", str(target))
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", fail)

    return arm


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "é\r\n\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\r\n\n"
    assert names(tmp_path) == ["a"]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    atomic.write_bytes(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o640)
    atomic.write_bytes(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    atomic.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    atomic.write_text(pipe, "report")
    reader.join(10)
    assert received == [b"report"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write_text(tmp_path / "a", "x")
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic.write_text(tmp_path / "no" / "a", "x")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_failing_rename_changes_no_file(tmp_path: Path, failing_rename: Callable[[int], None], number: int) -> None:
    files = [tmp_path / name for name in "abc"]
    for path in files:
        path.write_text("old")
    failing_rename(number)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_files([(path, b"new") for path in files])
    assert [path.read_text() for path in files] == ["old"] * 3
    assert names(tmp_path) == ["a", "b", "c"]


def test_a_failing_rename_leaves_no_new_file(tmp_path: Path, failing_rename: Callable[[int], None]) -> None:
    failing_rename(2)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_files([(tmp_path / "a", b"new"), (tmp_path / "b", b"new")])
    assert names(tmp_path) == []


def test_a_failing_flush_changes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        atomic.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        events.append("flush")
        fsync(descriptor)

    def replaced(self: Path, to: Path) -> Path:
        events.append(to.name)
        return replace(self, to)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", replaced)
    atomic.write_files([(tmp_path / "a", b"1"), (tmp_path / "b", b"2")])
    assert events == ["flush", "flush", "a", "b", "flush"]


def test_leftovers_are_those_of_this_file(tmp_path: Path) -> None:
    for name in (".a.json.01234567.tmp", ".a.json.89abcdef.tmp", ".b.json.01234567.tmp", "a.json", ".a.json"):
        (tmp_path / name).touch()
    assert [path.name for path in atomic.leftovers(tmp_path / "a.json")] == [
        ".a.json.01234567.tmp",
        ".a.json.89abcdef.tmp",
    ]
    assert atomic.leftovers(tmp_path / "no" / "a.json") == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 64 kB, if this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_changes_no_file(full_disk: Path) -> None:
    a, b = full_disk / "a", full_disk / "b"
    atomic.write_files([(a, b"old" * 1000), (b, b"old" * 1000)])
    with pytest.raises(OSError) as caught:
        atomic.write_files([(a, b"new"), (b, b"n" * 100_000)])
    assert caught.value.errno == errno.ENOSPC
    assert a.read_bytes() == b.read_bytes() == b"old" * 1000
    assert names(full_disk) == ["a", "b"]
