"""The baseline directory: for each test a folded file to look at and a JSON file to compare with.

The folded file is what the recording folds to; the JSON is the recording itself and holds the folded file's hash. Both
are replaced together, the JSON last. A pair that does not fit together is never used, whatever the reason:
see ``broken`` for every state a stored baseline can be found in.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

from pytest_flame import atomic, fold
from pytest_flame.baseline import broken, schema, sessions
from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.slug import slug
from pytest_flame.errors import BaselineError, FormatError, IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import Recording


class Store:
    """The baselines in one directory. Reading never writes; each error leaves all files as they were."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def paths(self, test_id: str) -> tuple[Path, Path]:
        """The folded and the JSON file of a test, whether they exist or not."""
        stem = slug(test_id)
        return self.directory / f"{stem}.folded", self.directory / f"{stem}.json"

    def load(self, test_id: str) -> Recording | None:
        """The stored recording of a test; None where there is none.

        Raises ``BaselineError`` for anything but a whole, untouched pair of files that belongs to this test.
        """
        folded_path, json_path = self.paths(test_id)
        json_text = _read(json_path, test_id)
        folded_text = _read(folded_path, test_id)
        if json_text is None and folded_text is None:
            return None
        if json_text is None or folded_text is None:
            raise broken.half(test_id, folded_path, json_path, missing_json=json_text is None)
        document = _document(json_path, json_text, test_id)
        if document.get("content_sha256") != schema.content_sha256(document):
            raise broken.edited(test_id, json_path)
        if document.get("folded_sha256") != _sha256(folded_text):
            raise self._mismatch(test_id, folded_text)
        try:
            recording = schema.decode(document)
        except Malformed as error:
            raise broken.malformed(test_id, json_path, str(error)) from error
        if recording.test_id != test_id:
            raise broken.foreign(test_id, json_path, recording.test_id)
        return recording

    def save(self, recording: Recording) -> tuple[Path, Path]:
        """Write or replace a test's baseline; returns the folded and the JSON path.

        Raises ``IntegrityError`` for a recording that would not read back equal, ``BaselineError`` where the
        files cannot be written or were written by a newer version. The stored pair is then unchanged.
        """
        folded_path, json_path = self.paths(recording.test_id)
        folded_text, json_text = _encode(recording)
        _refuse_newer(json_path, recording.test_id)
        try:
            abandoned = [*atomic.leftovers(folded_path), *atomic.leftovers(json_path)]
            self.directory.mkdir(parents=True, exist_ok=True)
            atomic.write_files([(folded_path, folded_text.encode()), (json_path, json_text.encode())])
            for path in abandoned:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise broken.unwritable(recording.test_id, self.directory, error) from error
        return folded_path, json_path

    def add(self, recording: Recording) -> tuple[Path, Path]:
        """Add a recording of the same code to a test's baseline, as one more session; ``save`` where there is none.

        The new recording becomes the full one, the earlier ones stay as ``Session``. Raises ``BaselineError``
        where it is not of the same code, machine and manner, and whatever ``load`` and ``save`` raise.
        """
        stored = self.load(recording.test_id)
        if stored is None:
            return self.save(recording)
        if different := sessions.differences(stored, recording):
            raise broken.another_session(recording.test_id, self.paths(recording.test_id)[1], different)
        return self.save(sessions.added(stored, recording))

    def test_ids(self) -> list[str]:
        """The tests that have a baseline, sorted, as their JSON files state them.

        Raises ``BaselineError`` for a JSON file that cannot be read, is not named after the test it states, or
        states the same test as another one.
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
                raise broken.claimed_twice(test_id, found[test_id], path, right=self.paths(test_id)[1])
            found[test_id] = path
        for test_id, path in found.items():
            if path.name != self.paths(test_id)[1].name:
                raise broken.misnamed(test_id, path, right=self.paths(test_id)[1])
        return sorted(found)

    def stale(self, collected_ids: Iterable[str]) -> list[str]:
        """The stored tests that were not collected: removed, or renamed (see ``move``)."""
        collected = set(collected_ids)
        return [test_id for test_id in self.test_ids() if test_id not in collected]

    def move(self, old_id: str, new_id: str) -> tuple[Path, Path]:
        """Give a renamed test its baseline; the new pair is complete before the old one goes.

        Raises ``BaselineError`` where there is nothing to move or the new name has a baseline already.
        """
        recording = self.load(old_id)
        if recording is None:
            raise broken.nothing_to_move(old_id, self.directory)
        if old_id == new_id:
            return self.paths(old_id)
        for path in self.paths(new_id):
            if path.exists():
                raise broken.in_the_way(old_id, new_id, path)
        paths = self.save(dataclasses.replace(recording, test_id=new_id))
        self.remove(old_id)
        return paths

    def remove(self, test_id: str) -> bool:
        """Delete a test's files, whatever state they are in; False where there were none."""
        # The JSON goes last: until then the test is still listed, and so can be removed again.
        found = False
        for path in self.paths(test_id):
            try:
                path.unlink()
                found = True
            except FileNotFoundError:
                continue
            except OSError as error:
                raise broken.undeletable(test_id, path, error) from error
        return found

    def _mismatch(self, test_id: str, folded_text: str) -> BaselineError:
        """Why the folded file is not the one its JSON was written with."""
        folded_path, json_path = self.paths(test_id)
        if broken.is_conflicted(folded_text):
            return broken.conflicted(test_id, folded_path)
        if self._was_interrupted(json_path, _sha256(folded_text)):
            return broken.interrupted(test_id, folded_path, json_path)
        try:
            folded.loads(folded_text)
        except FormatError as error:
            return broken.malformed(test_id, folded_path, error.what)
        return broken.edited(test_id, folded_path)

    def _was_interrupted(self, json_path: Path, folded_sha256: str) -> bool:
        """A JSON that fits the folded file was written beside the old one, but never took its place."""
        try:
            candidates = atomic.leftovers(json_path)
        except OSError:  # a folder that can be entered and not listed
            return False
        for leftover in candidates:
            try:
                document = schema.parse(leftover.read_bytes().decode())
            except (OSError, ValueError):  # that write was interrupted even earlier
                continue
            if document.get("folded_sha256") == folded_sha256:
                return True
        return False

    def _stated_id(self, path: Path) -> str:
        text = _read(path, None)
        document = _document(path, text or "", None)
        test_id = document.get("test")
        if not isinstance(test_id, str):
            raise broken.malformed(None, path, f"test is {test_id!r}, not a text")
        return test_id


def _encode(recording: Recording) -> tuple[str, str]:
    recording.check()
    recording = _without_places_of_libraries(recording)
    folded_text = folded.dumps(fold.recording_profile(recording).costs)
    json_text = schema.encode(recording, _sha256(folded_text))
    try:
        same = schema.decode(schema.parse(json_text)) == recording
    except Malformed as error:
        raise IntegrityError(f"{recording.test_id}: the recording cannot be stored: {error}") from error
    if not same:
        raise IntegrityError(f"{recording.test_id}: the recording would not read back as it is")
    return folded_text, json_text


def _without_places_of_libraries(recording: Recording) -> Recording:
    """Where a library lies on this machine says nothing on another one, and may say who its user is."""
    lines = {frame: line for frame, line in recording.lines.items() if not line.path.startswith("/")}
    weights = {frame: weight for frame, weight in recording.line_weights.items() if frame in lines}
    return dataclasses.replace(recording, lines=lines, line_weights=weights)


def _read(path: Path, test_id: str | None) -> str | None:
    """A file's text with ``\\n`` line ends, whatever git made of them; None where it does not exist."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise broken.unreadable(test_id, path, error) from error
    except UnicodeDecodeError as error:
        raise broken.malformed(test_id, path, f"byte {error.start} is not UTF-8") from error
    return text.replace("\r\n", "\n")


def _document(path: Path, text: str, test_id: str | None) -> schema.JsonObject:
    """The JSON object of a baseline in this version's schema."""
    try:
        document = schema.parse(text)
    except Malformed as error:
        if broken.is_conflicted(text):
            raise broken.conflicted(test_id, path) from error
        raise broken.malformed(test_id, path, str(error)) from error
    version = schema.version(document)
    if version is None or version < schema.VERSION:
        raise broken.unknown_schema(test_id, path, document.get("schema"))
    if version > schema.VERSION:
        raise broken.newer(test_id, path, version)
    return document


def _refuse_newer(json_path: Path, test_id: str) -> None:
    """A baseline written by a newer version is not this version's to replace; one that is broken is."""
    try:
        version = schema.version(schema.parse(json_path.read_bytes().decode("utf-8")))
    except (OSError, ValueError):  # nothing there, or nothing that could be lost
        return
    if version is not None and version > schema.VERSION:
        raise broken.newer(test_id, json_path, version)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
