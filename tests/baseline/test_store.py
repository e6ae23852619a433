from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame import fold
from pytest_flame.baseline import schema
from pytest_flame.baseline.store import Store
from pytest_flame.errors import BaselineError, IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import Frame, SourceLine

RECORD = "pytest --flame-update=all 'tests/test_orders.py::test_parse[a/b c]'"


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rewrite(path, change):
    """Change a JSON file as its writer would have, hash and all."""
    document = json.loads(path.read_text())
    change(document)
    document["content_sha256"] = schema.content_sha256(document)
    path.write_text(json.dumps(document))


def load_error(store, test_id):
    """The error of loading, having checked that nothing on the disk changed."""
    before = contents(store.directory)
    with pytest.raises(BaselineError) as caught:
        store.load(test_id)
    assert contents(store.directory) == before
    assert caught.value.fix
    return caught.value


@pytest.fixture
def stored(store, recording):
    """The store with one baseline, and its folded and JSON file."""
    return store, *store.save(recording)


# --- whole baselines -------------------------------------------------------------------------------------------


@given(data=st.data())
def test_load_gives_back_what_was_saved(recordings, tmp_path_factory, data):
    recording = data.draw(recordings)
    store = Store(tmp_path_factory.mktemp("store"))
    store.save(recording)
    assert store.load(recording.test_id) == recording
    assert store.test_ids() == [recording.test_id]


def test_the_folded_file_is_the_mean_profile(stored, recording):
    _, folded_path, _ = stored
    assert folded.loads(folded_path.read_text()) == fold.recording_profile(recording).costs


def test_where_libraries_lie_on_this_machine_is_not_stored(store, recording):
    library = Frame("json.decoder", "loads")
    store.save(
        dataclasses.replace(
            recording, lines=recording.lines | {library: SourceLine("/home/ada/lib/json/decoder.py", 7)}
        )
    )
    assert store.load(recording.test_id) == recording
    assert all("ada" not in path.read_text() for path in store.directory.iterdir())


def test_saving_again_changes_no_byte(stored, recording):
    store, *_ = stored
    before = contents(store.directory)
    store.save(recording)
    assert contents(store.directory) == before


def test_a_baseline_is_written_as_ever(stored, golden):
    _, *files = stored
    for path in files:
        golden(f"written/{path.name}", path.read_text())


def test_baselines_of_version_1_stay_readable(recording):
    store = Store(Path(__file__).parent / "golden" / "version-1")
    assert store.load(recording.test_id) == recording


def test_no_baseline_is_none(store, recording, stored):
    assert Store(store.directory / "no").load(recording.test_id) is None
    assert store.load("tests/test_orders.py::test_other") is None


def test_line_ends_changed_by_git_are_no_edit(stored, recording):
    store, *files = stored
    for path in files:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert store.load(recording.test_id) == recording


def test_what_would_not_read_back_is_not_written(store, recording):
    odd = dataclasses.replace(recording, seed=1.5)
    with pytest.raises(IntegrityError, match=r"seed is 1\.5, not a whole number"):
        store.save(odd)
    with pytest.raises(IntegrityError, match="would not read back"):
        store.save(dataclasses.replace(recording, processes=list(recording.processes)))
    assert not store.directory.exists()


# --- broken baselines ------------------------------------------------------------------------------------------


def conflict(text):
    first, rest = text.split("\n", 1)
    return f"{first}\n<<<<<<< HEAD\n{rest}=======\n{rest}>>>>>>> branch\n"


@pytest.mark.parametrize("index", [0, 1])
def test_a_merge_conflict(stored, recording, index):
    store, *files = stored
    files[index].write_text(conflict(files[index].read_text()))
    error = load_error(store, recording.test_id)
    assert "holds an unresolved merge conflict" in error.what
    assert str(files[index]) in error.what
    assert RECORD in error.fix
    assert f"git checkout --theirs -- {files[0]} {files[1]}" in error.fix


def test_truncated_json(stored, recording):
    store, _, json_path = stored
    json_path.write_text(json_path.read_text()[:-300])
    error = load_error(store, recording.test_id)
    assert "is damaged" in error.what
    assert error.why.startswith("line ")
    assert f"git checkout HEAD -- {stored[1]} {stored[2]}" in error.fix
    assert RECORD in error.fix


def test_empty_json(stored, recording):
    store, _, json_path = stored
    json_path.write_text("")
    assert "line 1" in load_error(store, recording.test_id).why


def test_truncated_folded(stored, recording):
    store, folded_path, _ = stored
    folded_path.write_text(folded_path.read_text()[:-12])
    error = load_error(store, recording.test_id)
    assert "is damaged" in error.what
    assert "line 3 is not a folded stack" in error.why


@pytest.mark.parametrize(("lost", "kept"), [(0, 1), (1, 0)])
def test_one_file_missing(stored, recording, lost, kept):
    store, *files = stored
    files[lost].unlink()
    error = load_error(store, recording.test_id)
    assert f"{files[lost]} is missing" in error.what
    assert files[kept].name in error.why


def test_folded_edited_by_hand(stored, recording):
    store, folded_path, _ = stored
    folded_path.write_text(folded_path.read_text().replace(" 2616993", " 2616994"))
    error = load_error(store, recording.test_id)
    assert "is not as it was recorded" in error.what
    assert str(folded_path) in error.what


def test_json_edited_by_hand(stored, recording):
    store, _, json_path = stored
    json_path.write_text(json_path.read_text().replace("21000000", "31000000"))
    error = load_error(store, recording.test_id)
    assert "is not as it was recorded" in error.what
    assert str(json_path) in error.what


def test_folded_of_another_recording(stored, recording):
    """Git may merge one file cleanly and the pair no longer fits."""
    store, folded_path, _ = stored
    slower = dataclasses.replace(recording, processes=recording.processes[1:])
    ours = folded_path.read_bytes()
    store.save(slower)
    folded_path.write_bytes(ours)
    assert "put together by a merge" in load_error(store, recording.test_id).why


def test_a_newer_schema(stored, recording):
    store, _, json_path = stored
    rewrite(json_path, lambda d: d.update(schema="pytest-flame/baseline/2", processes={"new": "layout"}))
    error = load_error(store, recording.test_id)
    assert "written by a newer pytest-flame" in error.what
    assert "upgrade" in error.fix
    before = contents(store.directory)
    with pytest.raises(BaselineError, match="newer"):
        store.save(recording)
    assert contents(store.directory) == before


@pytest.mark.parametrize("stated", ["pytest-flame/result/1", "pytest-flame/baseline/0", 1, None])
def test_an_unknown_schema(stored, recording, stated):
    store, _, json_path = stored
    rewrite(json_path, lambda d: d.update(schema=stated))
    error = load_error(store, recording.test_id)
    assert "not in a format this version knows" in error.what
    assert "pytest-flame/baseline/1" in error.why


def test_a_value_that_breaks_the_schema(stored, recording):
    store, _, json_path = stored
    rewrite(json_path, lambda d: d["processes"][1]["rounds"][0].__setitem__(0, 0))
    assert load_error(store, recording.test_id).why.startswith("processes[1].rounds[0][0] is 0")


def test_files_copied_from_another_test(stored, recording):
    store, *files = stored
    other = "tests/test_orders.py::test_render"
    for source, target in zip(files, store.paths(other), strict=True):
        shutil.copy(source, target)
    error = load_error(store, other)
    assert "belongs to another test" in error.what
    assert recording.test_id in error.why
    with pytest.raises(BaselineError, match="two files state"):
        store.test_ids()


@pytest.mark.parametrize("index", [0, 1])
def test_a_file_that_is_not_utf8(stored, recording, index):
    store, *files = stored
    files[index].write_bytes(files[index].read_bytes()[:50] + b"\xff\xfe")
    error = load_error(store, recording.test_id)
    assert str(files[index]) in error.what
    assert error.why == "byte 50 is not UTF-8"


def test_utf16_json(stored, recording):
    store, _, json_path = stored
    json_path.write_bytes(json_path.read_text().encode("utf-16"))
    assert load_error(store, recording.test_id).why == "byte 0 is not UTF-8"


def test_a_file_that_cannot_be_read(stored, recording):
    store, _, json_path = stored
    json_path.unlink()
    json_path.mkdir()
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Is a directory"):
        store.load(recording.test_id)
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Is a directory"):
        store.test_ids()


@pytest.fixture
def ordinary_user():
    """Root reads everything: be somebody else for the length of a test."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_without_permission(stored, recording, ordinary_user):
    store, _, json_path = stored
    if os.getuid() != 0:
        json_path.chmod(0)
    with pytest.raises(BaselineError, match=r"cannot be read(.|\n)*Permission denied"):
        store.load(recording.test_id)


def test_a_directory_that_is_a_file(tmp_path, recording):
    (tmp_path / "flame-baselines").write_text("")
    store = Store(tmp_path / "flame-baselines")
    for action in (lambda: store.load(recording.test_id), store.test_ids, lambda: store.save(recording)):
        with pytest.raises(BaselineError, match=r"Not a directory|File exists"):
            action()
    assert (tmp_path / "flame-baselines").read_text() == ""


def test_recording_anew_repairs_every_broken_state(stored, recording):
    store, folded_path, json_path = stored
    folded_path.write_text(conflict(folded_path.read_text()))
    json_path.write_bytes(b"\xff")
    store.save(recording)
    assert store.load(recording.test_id) == recording


# --- writes that fail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_a_failing_rename_leaves_the_old_pair(stored, recording, monkeypatch, number):
    store, *_ = stored
    before = contents(store.directory)
    replace, calls = Path.replace, iter(range(1, 100))

    def fail(self, target):
        if next(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(BaselineError) as caught:
        store.save(dataclasses.replace(recording, processes=recording.processes[1:]))
    assert contents(store.directory) == before
    assert caught.value.why == "No space left on device"
    assert RECORD in caught.value.fix


KILLED_BETWEEN_RENAMES = """
import os, pathlib, signal, sys
from pytest_flame.baseline.store import Store
from pytest_flame.model import Process, Recording, Round, SamplerInfo

replace = pathlib.Path.replace
def die(self, target):
    if str(target).endswith(".json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

store = Store(pathlib.Path(sys.argv[1]))
recording = store.load(sys.argv[2])
pathlib.Path.replace = die
import dataclasses
store.save(dataclasses.replace(recording, processes=recording.processes[1:]))
"""


def test_a_run_killed_between_both_files_is_told_from_an_edit(stored, recording):
    store, *_ = stored
    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_RENAMES, store.directory, recording.test_id])
    assert killed.returncode == -signal.SIGKILL
    error = load_error(store, recording.test_id)
    assert "was being replaced when the run was killed" in error.what
    assert RECORD in error.fix
    assert store.test_ids() == [recording.test_id]

    store.save(recording)
    assert store.load(recording.test_id) == recording
    assert sorted(store.directory.iterdir()) == sorted(store.paths(recording.test_id))


# --- the directory as a whole ----------------------------------------------------------------------------------


def test_test_ids_of_no_directory(store):
    assert store.test_ids() == []


def test_stale_baselines_are_those_not_collected(store, recording):
    for name in "cab":
        store.save(dataclasses.replace(recording, test_id=name))
    assert store.test_ids() == ["a", "b", "c"]
    assert store.stale(["b", "d"]) == ["a", "c"]


def test_foreign_files_in_the_directory_are_no_baselines(stored, recording):
    store, *_ = stored
    (store.directory / "README.md").write_text("")
    (store.directory / ".hidden.json").write_text("")
    assert store.test_ids() == [recording.test_id]


def test_a_broken_file_is_not_skipped_in_a_listing(stored):
    store, _, json_path = stored
    json_path.write_text(conflict(json_path.read_text()))
    with pytest.raises(BaselineError, match="merge conflict"):
        store.test_ids()


def test_a_renamed_file_is_not_skipped_in_a_listing(stored, recording):
    store, _, json_path = stored
    json_path.rename(store.directory / "renamed.json")
    with pytest.raises(BaselineError) as caught:
        store.stale([recording.test_id])
    assert "renamed.json is not named after" in caught.value.what
    assert recording.test_id in caught.value.why


def test_two_files_of_one_test_name_the_copy(stored):
    store, folded_path, json_path = stored
    for copy in ("a copy", "zzz"):
        copied = [store.directory / f"{copy}{path.suffix}" for path in (folded_path, json_path)]
        for source, target in zip((folded_path, json_path), copied, strict=True):
            shutil.copy(source, target)
        with pytest.raises(BaselineError) as caught:
            store.test_ids()
        assert copied[1].name in caught.value.fix
        assert json_path.name not in caught.value.fix
        for path in copied:
            path.unlink()


def test_a_renamed_test_keeps_its_baseline(stored, recording):
    store, *_ = stored
    new_id = "tests/test_orders.py::test_parse_orders"
    paths = store.move(recording.test_id, new_id)
    assert paths == store.paths(new_id)
    assert sorted(store.directory.iterdir()) == sorted(paths)
    assert store.load(new_id) == dataclasses.replace(recording, test_id=new_id)


def test_moving_to_the_same_name_changes_nothing(stored, recording):
    store, *_ = stored
    before = contents(store.directory)
    store.move(recording.test_id, recording.test_id)
    assert contents(store.directory) == before


@pytest.mark.parametrize("index", [0, 1])
def test_moving_replaces_no_file(stored, recording, index):
    store, *_ = stored
    store.paths("new")[index].write_text("precious")
    before = contents(store.directory)
    with pytest.raises(BaselineError, match="new has one already"):
        store.move(recording.test_id, "new")
    assert contents(store.directory) == before


def test_moving_nothing_or_something_broken_is_an_error(stored, recording):
    store, folded_path, _ = stored
    with pytest.raises(BaselineError, match="no baseline"):
        store.move("no::such", "new")
    folded_path.unlink()
    with pytest.raises(BaselineError, match="half there"):
        store.move(recording.test_id, "new")
    assert not any(path.exists() for path in store.paths("new"))


def test_removing(stored, recording):
    store, *_ = stored
    assert store.remove(recording.test_id) is True
    assert store.remove(recording.test_id) is False
    assert list(store.directory.iterdir()) == []


def test_half_a_baseline_can_be_removed(stored, recording):
    store, folded_path, json_path = stored
    folded_path.unlink()
    assert store.remove(recording.test_id) is True
    assert not json_path.exists()
