"""Which commit a stored baseline was recorded from: the base for confirming a suspicion.

Usually the commit that last changed the baseline's file contains the sources it was recorded from. It does not after a
squash merge, or if baseline and sources were committed separately; so a commit counts only if its sources have the
hashes in the recording, and otherwise the commits that changed these sources are searched, the nearest first.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_flame.baseline import broken
from pytest_flame.errors import BaselineError
from pytest_flame.git import SUBMODULE, Repository
from pytest_flame.git_program import GitError
from pytest_flame.model import Recording

MOST_COMMITS: Final = 200
"""How many commits are searched on each side of the one that added the baseline."""

_LONGEST_COMMAND: Final = 200
"""From this many paths on, a commit's whole tree is listed instead of single paths."""


class Evidence(enum.Enum):
    """Why a commit is taken for the origin, as in the report."""

    BROUGHT_IN = "the commit that added the baseline"
    HASHES = "found by its source hashes"


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit a baseline was recorded from."""

    commit: str
    how: Evidence
    unverified: tuple[str, ...] = ()
    """Sources that are in no commit (ignored by git, or in a submodule), relative to the project's root."""

    @property
    def line(self) -> str:
        """One line for the report."""
        joint = ": " if self.how is Evidence.BROUGHT_IN else ", "
        return f"base {self.commit[:7]}{joint}{self.how.value}"


@dataclass(frozen=True, slots=True)
class OriginFinder:
    """Finds the origins of a project's baselines.

    ``root`` is the folder that the paths of ``Recording.source_hashes`` are relative to. ``is_test`` says whether such
    a path belongs to the tests (conftest, helpers, data): those are taken from head and say nothing about base.
    """

    repository: Repository
    root: Path
    is_test: Callable[[str], bool]
    _digests: dict[str, frozenset[str]] = field(default_factory=dict)
    """Object → SHA-256 of its content with either line ending."""

    def find(self, recording: Recording, json_path: Path) -> Origin:
        """The commit ``recording`` was made from, stored in ``json_path``.

        Raises ``BaselineError`` if no reachable commit has its sources, ``GitError`` if git cannot read.
        """
        recorded = {p: digest for p, digest in recording.source_hashes.items() if not self.is_test(p)}
        places = {p: self._source_in_repository(p) for p in recorded}
        left_out = self._not_in_commits(place for place in places.values() if place is not None)
        sources = {place: recorded[p] for p, place in places.items() if place is not None and place not in left_out}
        unverified = tuple(sorted(p for p, place in places.items() if place is None or place in left_out))

        stored_at = self._path_in_repository(json_path)
        brought_in = self._brought_in(stored_at, json_path)
        if brought_in is not None and self._mismatch(brought_in, sources) is None:
            return Origin(brought_in, Evidence.BROUGHT_IN, unverified)
        found = self._search(brought_in or "HEAD", sources, stored_at) if sources else None
        if found is None:
            raise self._not_found(recording.test_id, json_path, sources, committed=brought_in is not None)
        return Origin(found, Evidence.HASHES, unverified)

    # --- the commit that brought it in -----------------------------------------------------------------------------

    def _brought_in(self, stored_at: str | None, json_path: Path) -> str | None:
        """The commit that last changed the baseline; None if its current state is not committed, or was before the
        shallow boundary."""
        if stored_at is None or self.repository.known("HEAD") is None:
            return None
        commits = self.repository.commits_touching([stored_at], limit=1)
        if not commits or commits[0] in self.repository.shallow_boundary():
            return None
        committed = self.repository.blob(commits[0], stored_at)
        same = committed is not None and _with_lf(committed) == _with_lf(json_path.read_bytes())
        return commits[0] if same else None

    def _source_in_repository(self, path: str) -> str | None:
        """``root`` may also lie above the clone; files outside the clone are in no commit."""
        place = self.root.resolve() / path
        top = self.repository.top
        return place.relative_to(top).as_posix() if place.is_relative_to(top) else None

    def _path_in_repository(self, path: Path) -> str | None:
        try:
            return path.resolve().relative_to(self.repository.top).as_posix()
        except ValueError:
            return None

    # --- other commits -----------------------------------------------------------------------------------------------

    def _search(self, start: str, sources: Mapping[str, str], stored_at: str | None) -> str | None:
        """The commit nearest to ``start`` that has these sources: in HEAD's history, then on any branch."""
        if self.repository.known("HEAD") is None:
            return None
        paths = [*sources, *([stored_at] if stored_at else [])]
        later = self._commits(f"{start}..HEAD", paths=paths)[-MOST_COMMITS:]
        earlier = self._commits(f"--max-count={MOST_COMMITS}", start, paths=paths)
        line = [*later, *earlier]
        nearest = sorted(line, key=lambda commit: abs(line.index(commit) - len(later)))
        found = self._first_match([*nearest, self.repository.resolve("HEAD")], sources)
        if found is not None:
            return found
        everywhere = ("--branches", "--remotes", "--tags", "--not", "HEAD")
        return self._first_match(self._commits(f"--max-count={MOST_COMMITS}", *everywhere, paths=paths), sources)

    def _commits(self, *which: str, paths: Sequence[str]) -> list[str]:
        """Commits that changed one of ``paths``, newest first."""
        return self.repository.run("rev-list", *which, "--", *paths).decode("ascii").split()

    def _first_match(self, commits: Sequence[str], sources: Mapping[str, str]) -> str | None:
        remaining = list(dict.fromkeys(commits))
        while remaining:
            different = self._mismatch(remaining[0], sources)
            if different is None:
                return remaining[0]
            # A file that rules out one commit mostly rules out many: check it in all of them at once.
            remaining = self._having(different, sources[different], remaining[1:])
        return None

    def _having(self, path: str, digest: str, commits: Sequence[str]) -> list[str]:
        """The ``commits`` in which ``path`` has this content."""
        if "\n" in path:  # cannot be requested line by line
            return list(commits)
        names = "".join(f"{commit}:{path}\n" for commit in commits).encode("utf-8", "surrogateescape")
        out = self.repository.run("cat-file", "--batch-check=%(objectname)", stdin=names)
        oids = [line.decode("utf-8", "surrogateescape") for line in out.split(b"\n")[:-1]]
        self._read(oid for oid in oids if not oid.endswith(" missing"))
        return [c for c, oid in zip(commits, oids, strict=True) if digest in self._digests.get(oid, ())]

    # --- hashes ------------------------------------------------------------------------------------------------------

    def _mismatch(self, commit: str, sources: Mapping[str, str]) -> str | None:
        """One of ``sources`` (path in the repository → SHA-256 in a work tree) that the commit lacks; None if it has
        all."""
        if not sources:
            return None
        listed = self.repository.entries(commit, list(sources) if len(sources) < _LONGEST_COMMAND else ())
        oids = {entry.path: entry.oid for entry in listed if entry.path in sources}
        self._read(oids.values())
        differ = (path for path, digest in sources.items() if digest not in self._digests.get(oids.get(path, ""), ()))
        return next(differ, None)

    def _read(self, oids: Iterable[str]) -> None:
        unread = sorted(set(oids) - self._digests.keys())
        if not unread:
            return
        out = self.repository.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in unread).encode("ascii"))
        at = 0
        for oid in unread:
            end = out.index(b"\n", at)
            header = out[at:end].split()
            size = int(header[2]) if len(header) == 3 else -1  # "missing": in a submodule, or fetched without blobs
            self._digests[oid] = _digests(out[end + 1 : end + 1 + size]) if size >= 0 else frozenset()
            at = end + size + 2

    # --- what cannot be verified or found -----------------------------------------------------------------------------

    def _not_in_commits(self, paths: Iterable[str]) -> set[str]:
        """Paths that no commit can contain: in a submodule, or untracked and ignored (a generated version file)."""
        tracked = self.repository.index()
        untracked = {path for path in paths if path not in tracked}
        submodules = [path for path, mode in tracked.items() if mode == SUBMODULE]
        foreign = {path for path in untracked if any(path.startswith(f"{module}/") for module in submodules)}
        return foreign | self._ignored(untracked - foreign)

    def _ignored(self, paths: set[str]) -> set[str]:
        if not paths:
            return set()
        try:
            out = self.repository.run(
                *("check-ignore", "-z", "--no-index", "--stdin"),
                stdin="".join(f"{path}\0" for path in sorted(paths)).encode("utf-8", "surrogateescape"),
                variables={"GIT_LITERAL_PATHSPECS": "0"},  # this command refuses it
            )
        except GitError as error:
            if error.why == "status 1":  # none is ignored
                return set()
            raise
        return set(out.decode("utf-8", "surrogateescape").split("\0")) & paths

    def _not_found(
        self, test_id: str, json_path: Path, sources: Mapping[str, str], *, committed: bool
    ) -> BaselineError:
        if self.repository.is_shallow():
            return broken.origin_cut_off(test_id)
        if not sources:
            return broken.origin_without_sources(test_id, json_path)
        if all(self._in_work_tree(path) == digest for path, digest in sources.items()):
            return broken.origin_uncommitted(test_id)
        return broken.origin_unknown(test_id, json_path, committed=committed)

    def _in_work_tree(self, path: str) -> str | None:
        file = self.repository.top / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _digests(content: bytes) -> frozenset[str]:
    """The hashes of a stored file as any checkout may write it: unchanged, with ``\\n`` and with ``\\r\\n``."""
    plain = _with_lf(content)
    return frozenset(hashlib.sha256(form).hexdigest() for form in (content, plain, plain.replace(b"\n", b"\r\n")))


def _with_lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")
