"""Baselines in an object store or on another machine: anything that fsspec has a URL for.

All baselines are fetched once, when the store is opened, into a folder that is read like any other; what is written
there is sent at once. Baselines are small, and a run that can't reach them must end before it measures anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from pytest_flame.baseline.store import Store
from pytest_flame.errors import BaselineError, FlameError, UsageError
from pytest_flame.model import Recording

T = TypeVar("T")

_INSTALL: Final = "pip install 'pytest-flame[store]'"


class ObjectStore(Store):
    """The baselines below ``url``. Use ``open``."""

    def __init__(self, url: str, copy: Path, files: Any, root: str) -> None:
        super().__init__(copy)
        self.url = url.rstrip("/")
        self._files = files
        self._root = root.rstrip("/")

    @classmethod
    def open(cls, url: str, copy: Path, *, needed: bool) -> ObjectStore:
        """Fetches everything that is there into ``copy``, an empty folder.

        Raises ``UsageError`` for a URL that fsspec does not understand here, and if there is nothing although it is
        ``needed``; ``BaselineError`` if the store can't be reached or read.
        """
        try:
            from fsspec.core import url_to_fs
        except ImportError as e:
            raise UsageError("flame_store needs fsspec, which is not installed", fix=_INSTALL) from e
        try:
            files, root = url_to_fs(url, use_listings_cache=False)
        except ImportError as e:
            raise UsageError(f"the store {url} cannot be used: {e}", fix=f"{_INSTALL}, and what it says") from e
        except ValueError as e:
            raise UsageError(
                f"the store {url} cannot be used: {e}", fix="flame_store is a URL such as s3://bucket/folder"
            ) from e
        store = cls(url, copy, files, root)
        found = store._reach(lambda: store._fetch())
        if needed and not found:
            raise UsageError(
                f"there are no baselines in {url}",
                why="the store can be read, and is empty: tests would have nothing to be compared with",
                fix="record them: pytest --flame-update; or check the address",
            )
        return store

    def load(self, test_id: str) -> Recording | None:
        return self._told(lambda: super(ObjectStore, self).load(test_id), test_id)

    def test_ids(self) -> list[str]:
        return self._told(super().test_ids, "")

    def save(self, recording: Recording) -> Path:
        path = self._told(lambda: super(ObjectStore, self).save(recording), recording.test_id)
        content = path.read_bytes()
        self._reach(lambda: self._files.pipe_file(self._place(path.name), content))
        return path

    def remove(self, test_id: str) -> bool:
        found = self._told(lambda: super(ObjectStore, self).remove(test_id), test_id)
        if found:
            self._reach(lambda: self._files.rm_file(self._place(self.path(test_id).name)))
        return found

    def where(self, path: Path, root: Path) -> str:
        return f"{self.url}/{path.name}"

    def shown(self, root: Path) -> str:
        return self.url

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _fetch(self) -> int:
        """The number of baselines."""
        try:
            listed = self._files.ls(self._root, detail=True)
        except FileNotFoundError:
            # A store without folders has none before its first object; one that does not exist at all is an error.
            parents = [str(parent) for parent in PurePosixPath(self._root).parents if parent.name]
            if not any(map(self._files.exists, parents)):
                raise
            return 0
        names = [str(one["name"]) for one in listed if one["type"] == "file" and str(one["name"]).endswith(".json")]
        contents = self._files.cat(names) if names else {}
        if not isinstance(contents, dict):  # one file
            contents = dict(zip(names, [contents], strict=True))
        for name, content in contents.items():
            (self.directory / str(name).rpartition("/")[2]).write_bytes(content)
        return len(contents)

    def _reach(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except FlameError:
            raise
        except Exception as e:  # each kind of store has its own errors, for which fsspec has no common class
            said = " ".join(str(e).split()) or "no reason is given"
            raise BaselineError(
                f"the store of baselines cannot be reached: {self.url}",
                why=f"{type(e).__name__}: {said}",
                fix="check the address, the network and the credentials; to compare with a commit instead: "
                "pytest --flame-against=REF",
            ) from e

    def _told(self, do: Callable[[], T], test_id: str) -> T:
        """Errors name the object, and not the file it was fetched into."""
        try:
            return do()
        except BaselineError as e:
            what, why = (text.replace(str(self.directory), self.url) for text in (e.what, e.why))
            record = " ".join(filter(None, ("pytest --flame-update=all", test_id and f"'{test_id}'")))
            raise BaselineError(what, why=why, fix=f"record it again: {record}; or delete the object") from e
