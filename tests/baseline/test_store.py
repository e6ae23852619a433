from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.baseline import stored as stored_module
from pytest_flame.baseline.json_text import JsonObject, content_sha256
from pytest_flame.baseline.store import Store, read
from pytest_flame.baseline.stored import storable
from pytest_flame.errors import BaselineError, IntegrityError
from pytest_flame.model import Frame, Recording, SourceLine

Golden = Callable[[str, str], None]
Stored = tuple[Store, Path]

VERSION_1 = Path(__file__).parent / "golden" / "version-1"
RECORD = "pytest --flame-update=all 'tests/test_orders.py::test_parse[a/b c]'"


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rewrite(path: Path, change: Callable[[JsonObject], None]) -> None:
    """Change a JSON file as its writer would have, hash and all."""
    document = json.loads(path.read_text())
    change(document)
    document["content_sha256"] = content_sha256(document)
    path.write_text(json.dumps(document))


def load_error(store: Store, test_id: str) -> BaselineError:
    """The error of loading, having checked that nothing on the disk changed."""
    before = contents(store.directory)
    with pytest.raises(BaselineError) as caught:
        store.load(test_id)
    assert contents(store.directory) == before
    assert caught.value.fix
    return caught.value


@pytest.fixture
def stored(store: Store, recording: Recording) -> Stored:
    """The store with one baseline, and its file."""
    return store, store.save(recording)


# --- whole baselines -------------------------------------------------------------------------------------------


@given(data=st.data())
def test_load_gives_back_what_was_saved(
    recordings: st.SearchStrategy[Recording], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    recording = data.draw(recordings)
    store = Store(tmp_path_factory.mktemp("store"))
    store.save(recording)
    assert store.load(recording.test_id) == read(store.path(recording.test_id)) == storable(recording)
    assert store.test_ids() == [recording.test_id]


def test_where_libraries_lie_on_this_machine_is_not_stored(store: Store, recording: Recording) -> None:
    library = Frame("json.decoder", "loads")
    store.save(
        dataclasses.replace(
            recording, lines={**recording.lines, library: SourceLine("/home/ada/lib/json/decoder.py", 7)}
        )
    )
    assert store.load(recording.test_id) == storable(recording)
    assert all("ada" not in path.read_text() for path in store.directory.iterdir())


def test_saving_again_changes_no_byte(stored: Stored, recording: Recording) -> None:
    store, *_ = stored
    before = contents(store.directory)
    store.save(recording)
    assert contents(store.directory) == before


def test_a_baseline_is_written_as_ever(stored: Stored, golden: Golden) -> None:
    _, *files = stored
    for path in files:
        golden(f"written/{path.name}", path.read_text())


def test_baselines_of_version_1_stay_readable(recording: Recording) -> None:
    assert Store(VERSION_1).load(recording.test_id) == recording


def test_no_baseline_is_none(store: Store, recording: Recording, stored: Stored) -> None:
    assert Store(store.directory / "no").load(recording.test_id) is None
    assert store.load("tests/test_orders.py::test_other") is None


def test_line_ends_changed_by_git_are_no_edit(stored: Stored, recording: Recording) -> None:
    store, *files = stored
    for path in files:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert store.load(recording.test_id) == storable(recording)


def test_what_would_not_read_back_is_not_written(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = dataclasses.replace(recording, seed=1.5)  # type: ignore[arg-type]  # as callers without types may
    with pytest.raises(IntegrityError, match=r"seed is 1\.5, not a whole number"):
        store.save(odd)
    monkeypatch.setattr(stored_module, "decode", lambda document: recording)
    with pytest.raises(IntegrityError, match="would not read back"):
        store.save(recording)
    assert not store.directory.exists()


# --- broken baselines ------------------------------------------------------------------------------------------


def conflict(text: str) -> str:
    first, rest = text.split("\n", 1)
    return f"{first}\n<<<<<<< HEAD\n{rest}=======\n{rest}>>>>>>> branch\n"


def test_a_merge_conflict(stored: Stored, recording: Recording) -> None:
    store, path = stored
    path.write_text(conflict(path.read_text()))
    error = load_error(store, recording.test_id)
    assert "holds an unresolved merge conflict" in error.what
    assert str(path) in error.what
    assert RECORD in error.fix
    assert f"git checkout --theirs -- {path}" in error.fix


def test_truncated_json(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.write_text(json_path.read_text()[:-300])
    error = load_error(store, recording.test_id)
    assert "is damaged" in error.what
    assert error.why.startswith("line ")
    assert f"git checkout HEAD -- {json_path}" in error.fix
    assert RECORD in error.fix


def test_empty_json(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.write_text("")
    assert "line 1" in load_error(store, recording.test_id).why


def test_the_json_of_an_earlier_release_missing(store: Store, recording: Recording) -> None:
    path = store.path(recording.test_id)
    path.parent.mkdir()
    path.with_suffix(".folded").write_text("a;b 1\n")
    error = load_error(store, recording.test_id)
    assert f"{path} is missing" in error.what
    assert path.with_suffix(".folded").name in error.why


def test_json_edited_by_hand(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.write_text(json_path.read_text().replace("20500000", "30500000"))
    error = load_error(store, recording.test_id)
    assert "was changed after it was recorded" in error.what
    assert str(json_path) in error.what


def test_a_newer_schema(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    rewrite(json_path, lambda d: d.update(schema="pytest-flame/baseline/3", processes={"new": "layout"}))
    error = load_error(store, recording.test_id)
    assert "written by a newer pytest-flame" in error.what
    assert "upgrade" in error.fix
    before = contents(store.directory)
    with pytest.raises(BaselineError, match="newer"):
        store.save(recording)
    assert contents(store.directory) == before


@pytest.mark.parametrize("stated", ["pytest-flame/result/1", "pytest-flame/baseline/0", 1, None])
def test_an_unknown_schema(stored: Stored, recording: Recording, stated: int | str | None) -> None:
    store, json_path = stored
    rewrite(json_path, lambda d: d.update(schema=stated))
    error = load_error(store, recording.test_id)
    assert "not in a format that this version reads" in error.what
    assert "pytest-flame/baseline/2 and earlier ones" in error.why


def test_a_value_that_breaks_the_schema(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    rewrite(json_path, lambda d: d["processes"]["samples"].__setitem__(1, -1))
    assert load_error(store, recording.test_id).why.startswith("processes.samples[1] is -1")


def test_a_file_copied_from_another_test(stored: Stored, recording: Recording) -> None:
    store, path = stored
    other = "tests/test_orders.py::test_render"
    shutil.copy(path, store.path(other))
    error = load_error(store, other)
    assert "belongs to a different test" in error.what
    assert recording.test_id in error.why
    with pytest.raises(BaselineError, match="two files claim"):
        store.test_ids()


def test_a_file_that_is_not_utf8(stored: Stored, recording: Recording) -> None:
    store, path = stored
    path.write_bytes(path.read_bytes()[:50] + b"\xff\xfe")
    error = load_error(store, recording.test_id)
    assert str(path) in error.what
    assert error.why == "byte 50 is not UTF-8"


def test_utf16_json(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.write_bytes(json_path.read_text().encode("utf-16"))
    assert load_error(store, recording.test_id).why == "byte 0 is not UTF-8"


def test_a_file_that_cannot_be_read(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.unlink()
    json_path.mkdir()
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Is a directory"):
        store.load(recording.test_id)
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Is a directory"):
        store.test_ids()


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root can read everything: the test runs as another user."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_without_permission(stored: Stored, recording: Recording, ordinary_user: None) -> None:
    store, json_path = stored
    if os.getuid() != 0:
        json_path.chmod(0)
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Permission denied"):
        store.load(recording.test_id)


def test_a_directory_that_is_a_file(tmp_path: Path, recording: Recording) -> None:
    (tmp_path / "flame-baselines").write_text("")
    store = Store(tmp_path / "flame-baselines")
    for action in (lambda: store.load(recording.test_id), store.test_ids, lambda: store.save(recording)):
        with pytest.raises(BaselineError, match=r"Not a directory|File exists"):
            action()
    assert (tmp_path / "flame-baselines").read_text() == ""


@pytest.mark.parametrize("content", [b"\xff", b"", b'{"schema": "pytest-flame/baseline/1"}'])
def test_recording_again_repairs_every_broken_state(stored: Stored, recording: Recording, content: bytes) -> None:
    store, path = stored
    path.write_bytes(content)
    store.save(recording)
    assert store.load(recording.test_id) == storable(recording)


def test_recording_again_removes_the_second_file_of_an_earlier_release(store: Store, recording: Recording) -> None:
    shutil.copytree(VERSION_1, store.directory)
    assert len(contents(store.directory)) == 2
    path = store.save(recording)
    assert list(store.directory.iterdir()) == [path]


# --- writes that fail ------------------------------------------------------------------------------------------


def test_a_failing_rename_leaves_the_old_file(
    stored: Stored, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, *_ = stored
    before = contents(store.directory)

    def fail(self: Path, target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(BaselineError) as caught:
        store.save(dataclasses.replace(recording, processes=recording.processes[1:]))
    assert contents(store.directory) == before
    assert caught.value.why == "No space left on device"
    assert RECORD in caught.value.fix


KILLED_BEFORE_RENAME = """
import os, pathlib, signal, sys
from pytest_flame.baseline.store import Store

def die(self, target):
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(pathlib.Path(sys.argv[1]))
recording = store.load(sys.argv[2])
pathlib.Path.replace = die
import dataclasses
store.save(dataclasses.replace(recording, processes=recording.processes[1:]))
"""


def test_a_run_killed_while_writing_leaves_the_old_file(stored: Stored, recording: Recording) -> None:
    store, path = stored
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_RENAME, store.directory, recording.test_id])
    assert killed.returncode == -signal.SIGKILL
    assert store.load(recording.test_id) == storable(recording)
    assert store.test_ids() == [recording.test_id]
    assert len(contents(store.directory)) == 2

    store.save(recording)
    assert list(store.directory.iterdir()) == [path]


# --- the directory as a whole ----------------------------------------------------------------------------------


def test_test_ids_of_no_directory(store: Store) -> None:
    assert store.test_ids() == []


def test_stale_baselines_are_those_not_collected(store: Store, recording: Recording) -> None:
    for name in "cab":
        store.save(dataclasses.replace(recording, test_id=name))
    assert store.test_ids() == ["a", "b", "c"]
    assert store.stale(["b", "d"]) == ["a", "c"]


def test_foreign_files_in_the_directory_are_no_baselines(stored: Stored, recording: Recording) -> None:
    store, *_ = stored
    (store.directory / "README.md").write_text("")
    (store.directory / ".hidden.json").write_text("")
    assert store.test_ids() == [recording.test_id]


def test_a_broken_file_is_not_skipped_in_a_listing(stored: Stored) -> None:
    store, json_path = stored
    json_path.write_text(conflict(json_path.read_text()))
    with pytest.raises(BaselineError, match="merge conflict"):
        store.test_ids()


def test_a_renamed_file_is_not_skipped_in_a_listing(stored: Stored, recording: Recording) -> None:
    store, json_path = stored
    json_path.rename(store.directory / "renamed.json")
    with pytest.raises(BaselineError) as caught:
        store.stale([recording.test_id])
    assert "renamed.json is not named after" in caught.value.what
    assert recording.test_id in caught.value.why


def test_two_files_of_one_test_name_the_copy(stored: Stored) -> None:
    store, path = stored
    for name in ("a copy", "zzz"):
        copy = store.directory / f"{name}.json"
        shutil.copy(path, copy)
        with pytest.raises(BaselineError) as caught:
            store.test_ids()
        assert copy.name in caught.value.fix
        assert path.name not in caught.value.fix
        copy.unlink()


def test_a_renamed_test_keeps_its_baseline(stored: Stored, recording: Recording) -> None:
    store, *_ = stored
    new_id = "tests/test_orders.py::test_parse_orders"
    path = store.move(recording.test_id, new_id)
    assert path == store.path(new_id)
    assert list(store.directory.iterdir()) == [path]
    assert store.load(new_id) == storable(dataclasses.replace(recording, test_id=new_id))


def test_moving_to_the_same_name_changes_nothing(stored: Stored, recording: Recording) -> None:
    store, *_ = stored
    before = contents(store.directory)
    store.move(recording.test_id, recording.test_id)
    assert contents(store.directory) == before


@pytest.mark.parametrize("suffix", [".json", ".folded"])
def test_moving_replaces_no_file(stored: Stored, recording: Recording, suffix: str) -> None:
    store, *_ = stored
    store.path("new").with_suffix(suffix).write_text("precious")
    before = contents(store.directory)
    with pytest.raises(BaselineError, match="new already has one"):
        store.move(recording.test_id, "new")
    assert contents(store.directory) == before


def test_moving_nothing_or_something_broken_is_an_error(stored: Stored, recording: Recording) -> None:
    store, path = stored
    with pytest.raises(BaselineError, match="no baseline"):
        store.move("no::such", "new")
    path.write_text("")
    with pytest.raises(BaselineError, match="is damaged"):
        store.move(recording.test_id, "new")
    assert not store.path("new").exists()


def test_removing(stored: Stored, recording: Recording) -> None:
    store, *_ = stored
    assert store.remove(recording.test_id) is True
    assert store.remove(recording.test_id) is False
    assert list(store.directory.iterdir()) == []


def test_what_an_earlier_release_left_can_be_removed(store: Store, recording: Recording) -> None:
    shutil.copytree(VERSION_1, store.directory)
    store.path(recording.test_id).unlink()
    assert store.remove(recording.test_id) is True
    assert list(store.directory.iterdir()) == []
