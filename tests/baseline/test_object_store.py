"""Baselines behind a URL: what is stored reads back, what can't be reached is an error, and messages name objects."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.baseline.object_store import ObjectStore
from pytest_flame.baseline.store import Store
from pytest_flame.baseline.stored import storable
from pytest_flame.errors import BaselineError, UsageError
from pytest_flame.model import Recording

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/main"
    (tmp_path / "store").mkdir()
    return (tmp_path / "store" / "main").as_uri()


def opened(url: str, tmp_path: Path, *, needed: bool = False) -> ObjectStore:
    copy = tmp_path / uuid.uuid4().hex
    copy.mkdir()
    return ObjectStore.open(url, copy, needed=needed)


def prepare(url: str) -> Any:
    """A store that exists, as a bucket does, without anything in it; memory has no folders of its own."""
    files, root = fsspec.core.url_to_fs(url)
    files.makedirs(root, exist_ok=True)
    return files


def test_what_is_stored_is_there_for_the_next_run(url: str, tmp_path: Path, recording: Recording) -> None:
    prepare(url)
    first = opened(url, tmp_path)
    assert first.load(recording.test_id) is None
    path = first.save(recording)
    assert first.where(path, tmp_path) == f"{url}/{path.name}" and first.shown(tmp_path) == url
    again = opened(url, tmp_path, needed=True)
    assert again.load(recording.test_id) == storable(recording)
    assert again.test_ids() == [recording.test_id]
    again.add(dataclasses.replace(recording, recorded_at="2031-01-01T00:00:00+00:00"))
    third = opened(url, tmp_path).load(recording.test_id)
    assert third is not None and len(third.sessions) == 1


def test_moved_and_removed(url: str, tmp_path: Path, recording: Recording) -> None:
    prepare(url)
    store = opened(url, tmp_path)
    store.save(recording)
    store.move(recording.test_id, "tests/test_b.py::test_new")
    assert opened(url, tmp_path).test_ids() == ["tests/test_b.py::test_new"]
    assert opened(url, tmp_path).stale(["tests/test_b.py::test_new"]) == []
    assert store.remove("tests/test_b.py::test_new")
    assert not store.remove("tests/test_b.py::test_new")
    assert opened(url, tmp_path).test_ids() == []


def test_only_baselines_are_fetched(url: str, tmp_path: Path, recording: Recording) -> None:
    files = prepare(url)
    opened(url, tmp_path).save(recording)
    root = fsspec.core.url_to_fs(url)[1]
    files.pipe_file(f"{root}/README.md", b"text")
    files.makedirs(f"{root}/other.json", exist_ok=True)
    files.pipe_file(f"{root}/other.json/x.json", b"{}")
    store = opened(url, tmp_path)
    assert [path.name for path in store.directory.iterdir()] == [store.path(recording.test_id).name]


def test_an_empty_store_is_an_error_where_baselines_are_needed(url: str, tmp_path: Path) -> None:
    prepare(url)
    with pytest.raises(UsageError, match="there are no baselines in") as e:
        opened(url, tmp_path, needed=True)
    assert "pytest --flame-update" in e.value.fix
    assert opened(url, tmp_path).test_ids() == []


def test_a_damaged_object_is_named_by_its_address(url: str, tmp_path: Path, recording: Recording) -> None:
    files = prepare(url)
    path = opened(url, tmp_path).save(recording)
    root = fsspec.core.url_to_fs(url)[1]
    files.pipe_file(f"{root}/{path.name}", b'{"schema": ')
    store = opened(url, tmp_path)
    with pytest.raises(BaselineError) as e:
        store.load(recording.test_id)
    assert f"{url}/{path.name}" in e.value.what and str(store.directory) not in str(e.value)
    assert "--flame-update=all" in e.value.fix and "git" not in str(e.value)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("nosuch://bucket/folder", UsageError, "cannot be used"),
        ("file:///nowhere/at/all", BaselineError, "cannot be reached"),
    ],
)
def test_what_cannot_be_used_or_reached_is_an_error(
    tmp_path: Path, url: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as e:
        opened(url, tmp_path)
    assert url in str(e.value) and "fix:" in str(e.value)


def test_an_object_that_cannot_be_written_is_an_error(tmp_path: Path, recording: Recording) -> None:
    url = (tmp_path / "store").as_uri()
    prepare(url)
    store = opened(url, tmp_path)
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("a file in its place")
    with pytest.raises(BaselineError, match="cannot be reached"):
        store.save(recording)


def test_it_is_a_store() -> None:
    """What has no place of its own would be read and written in the copy only."""
    own = {name for name, value in vars(Store).items() if callable(value) and not name.startswith("_")}
    assert own - vars(ObjectStore).keys() == {"path", "add", "stale", "move"}
