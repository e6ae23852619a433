"""The baseline directory: one JSON file per test.

See ``broken`` for every state in which a stored baseline cannot be used. Earlier releases wrote a second file next to
it, ``.folded``, which is no longer read and is removed by the next recording of its test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pytest_flame import atomic
from pytest_flame.baseline import broken, sessions, stored, wire
from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.json_text import JsonObject, content_sha256, parse
from pytest_flame.baseline.slug import slug
from pytest_flame.errors import IntegrityError
from pytest_flame.model import Recording


class Store:
    """The baselines in one directory. Reading never writes; every error leaves all files unchanged."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, test_id: str) -> Path:
        """The file of a test, whether it exists or not."""
        return self.directory / f"{slug(test_id)}.json"

    def shown(self, root: Path) -> str:
        """Where the baselines are, as it is reported: relative to ``root`` if inside it."""
        return self.where(self.directory, root)

    def where(self, path: Path, root: Path) -> str:
        """Where one of its files is, as it is reported."""
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def load(self, test_id: str) -> Recording | None:
        """The stored recording of a test; None if there is none.

        Raises ``BaselineError`` for anything but a complete, unmodified file that belongs to this test.
        """
        path = self.path(test_id)
        text = _read(path, test_id)
        if text is None:
            if _folded(path).exists():
                raise broken.half(test_id, _folded(path), path)
            return None
        recording = _recording(path, text, test_id)
        if recording.test_id != test_id:
            raise broken.foreign(test_id, path, recording.test_id)
        return recording

    def save(self, recording: Recording) -> Path:
        """Write or replace a test's baseline; returns its file. ``stored.storable`` is what is kept of the recording.

        Raises ``IntegrityError`` for a recording that would not read back equal, ``BaselineError`` if the file cannot
        be written or was written by a newer version. The stored baseline is then unchanged.
        """
        path = self.path(recording.test_id)
        text = _encode(recording)
        _refuse_newer(path, recording.test_id)
        try:
            abandoned = [*atomic.leftovers(_folded(path)), *atomic.leftovers(path)]
            self.directory.mkdir(parents=True, exist_ok=True)
            atomic.write_files([(path, text.encode())])
            for other in (*abandoned, _folded(path)):
                other.unlink(missing_ok=True)
        except OSError as error:
            raise broken.unwritable(recording.test_id, self.directory, error) from error
        return path

    def add(self, recording: Recording) -> Path:
        """Add a recording of the same code to a test's baseline, as one more session; ``save`` if there is none.

        The new recording becomes the full one, the earlier ones are kept as ``Session``. Raises ``BaselineError`` if it
        is not of the same code, machine and settings, and whatever ``load`` and ``save`` raise.
        """
        earlier = self.load(recording.test_id)
        if earlier is None:
            return self.save(recording)
        if different := sessions.differences(earlier, recording):
            raise broken.another_session(recording.test_id, self.path(recording.test_id), different)
        return self.save(sessions.added(earlier, recording))

    def test_ids(self) -> list[str]:
        """The tests that have a baseline, sorted, as their JSON files state them.

        Raises ``BaselineError`` for a JSON file that cannot be read, is not named after the test it states, or
        states the same test as another file.
        """
        found: dict[str, Path] = {}
        try:
            files = sorted(path for path in self.directory.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise broken.unreadable(None, self.directory, error) from error
        for path in files:
            test_id = self._stated_id(path)
            if test_id in found:
                raise broken.claimed_twice(test_id, found[test_id], path, right=self.path(test_id))
            found[test_id] = path
        for test_id, path in found.items():
            if path.name != self.path(test_id).name:
                raise broken.misnamed(test_id, path, right=self.path(test_id))
        return sorted(found)

    def stale(self, collected_ids: Iterable[str]) -> list[str]:
        """The stored tests that were not collected: removed, or renamed (see ``move``)."""
        collected = set(collected_ids)
        return [test_id for test_id in self.test_ids() if test_id not in collected]

    def move(self, old_id: str, new_id: str) -> Path:
        """Give a renamed test its baseline; the new file is complete before the old one goes.

        Raises ``BaselineError`` if there is nothing to move or the new name already has a baseline.
        """
        recording = self.load(old_id)
        if recording is None:
            raise broken.nothing_to_move(old_id, self.directory)
        if old_id == new_id:
            return self.path(old_id)
        for path in (self.path(new_id), _folded(self.path(new_id))):
            if path.exists():
                raise broken.in_the_way(old_id, new_id, path)
        moved = self.save(dataclasses.replace(recording, test_id=new_id))
        self.remove(old_id)
        return moved

    def remove(self, test_id: str) -> bool:
        """Delete a test's files, whatever state they are in; False if there were none."""
        # The JSON is deleted last: until then the test is still listed, so removal can be retried.
        found = False
        for path in (_folded(self.path(test_id)), self.path(test_id)):
            try:
                path.unlink()
                found = True
            except FileNotFoundError:
                continue
            except OSError as error:
                raise broken.undeletable(test_id, path, error) from error
        return found

    def _stated_id(self, path: Path) -> str:
        text = _read(path, None)
        document = _document(path, text or "", None)
        test_id = document.get("test")
        if not isinstance(test_id, str):
            raise broken.malformed(None, path, f"test is {test_id!r}, not a string")
        return test_id


def _encode(recording: Recording) -> str:
    recording.check()
    kept = stored.storable(recording)
    text = stored.encode(kept)
    try:
        same = stored.decode(parse(text)) == kept
    except Malformed as error:
        raise IntegrityError(f"{recording.test_id}: the recording cannot be stored: {error}") from error
    if not same:
        raise IntegrityError(f"{recording.test_id}: the recording would not read back unchanged")
    return text


def _read(path: Path, test_id: str | None) -> str | None:
    """A file's text with ``\\n`` line endings, whatever git made of them; None if it does not exist."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise broken.unreadable(test_id, path, error) from error
    except UnicodeDecodeError as error:
        raise broken.malformed(test_id, path, f"byte {error.start} is not UTF-8") from error
    return text.replace("\r\n", "\n")


_DECODERS: Final[Mapping[int, Callable[[JsonObject], Recording]]] = {1: wire.decode, 2: stored.decode}
"""By the schema's version."""


def read(path: Path) -> Recording:
    """A baseline by itself, whichever test it is for. Raises ``BaselineError``."""
    return _recording(path, _read(path, None) or "", None)


def _recording(path: Path, text: str, test_id: str | None) -> Recording:
    document = _document(path, text, test_id)
    if document.get("content_sha256") != content_sha256(document):
        raise broken.edited(test_id, path)
    try:
        return _DECODERS[stored.version(document) or 0](document)
    except Malformed as error:
        raise broken.malformed(test_id, path, str(error)) from error


def _folded(path: Path) -> Path:
    """The second file of a baseline that an earlier release wrote."""
    return path.with_suffix(".folded")


def _document(path: Path, text: str, test_id: str | None) -> JsonObject:
    """The JSON object of a baseline in a schema that is read."""
    try:
        document = parse(text)
    except Malformed as error:
        if broken.is_conflicted(text):
            raise broken.conflicted(test_id, path) from error
        raise broken.malformed(test_id, path, str(error)) from error
    version = stored.version(document)
    if version is None or version < min(_DECODERS):
        raise broken.unknown_schema(test_id, path, document.get("schema"))
    if version > stored.VERSION:
        raise broken.newer(test_id, path, version)
    return document


def _refuse_newer(json_path: Path, test_id: str) -> None:
    """This version may not replace a baseline written by a newer version, but may replace a broken one."""
    try:
        version = stored.version(parse(json_path.read_bytes().decode("utf-8")))
    except (OSError, ValueError):  # missing, or nothing that could be lost
        return
    if version is not None and version > stored.VERSION:
        raise broken.newer(test_id, json_path, version)
