"""The text of source files as they were measured: a file whose hash differs from the recorded one is not shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pytest_flame.git import Repository
from pytest_flame.git_program import GitError
from pytest_flame.model import Judgement, Recording


@dataclass(frozen=True, slots=True)
class SourceTexts:
    """``root`` is what the recordings' paths are relative to. Without a repository only the checkout is read."""

    root: Path
    repository: Repository | None
    head_ref: str = "HEAD"
    """Head's commit, or the last one before it: head is the working tree."""
    _blobs: dict[tuple[str, str], bytes | None] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, head: str | None = None) -> SourceTexts:
        """``head``: the commit that was measured as head; None: the working tree was."""
        try:
            repository = Repository.find(root)
        except GitError:  # no repository, or no git: the working tree is all there is
            return cls(root, None)
        inside = root.resolve().is_relative_to(repository.top)
        return cls(root, repository if inside else None, head or "HEAD")

    @property
    def head_commit(self) -> str | None:
        """The commit that is checked out, or was measured as head; None if not known."""
        return self.repository.known(self.head_ref) if self.repository is not None else None

    @property
    def prefix(self) -> str:
        """Prefix of the recordings' paths in the repository: empty, or a folder and ``/``."""
        if self.repository is None:
            return ""
        inside = self.root.resolve().relative_to(self.repository.top).as_posix()
        return "" if inside == "." else f"{inside}/"

    def base(self, judgement: Judgement, path: str) -> str | None:
        return self._text(judgement.base, path, (judgement.base_commit, None, "HEAD"))

    def head(self, judgement: Judgement, path: str) -> str | None:
        return self._text(judgement.head, path, (None, self.head_ref))

    def _text(self, recording: Recording | None, path: str, commits: tuple[str | None, ...]) -> str | None:
        """From the first of ``commits`` (None: the working tree) that has the measured content."""
        digest = recording.source_hashes.get(path) if recording is not None else None
        if digest is None or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            return None
        for commit in dict.fromkeys(commits):
            content = self._in_work_tree(path) if commit is None else self._at(commit, path)
            for form in _forms(content):
                if hashlib.sha256(form).hexdigest() == digest:
                    return form.decode("utf-8", "replace")
        return None

    def _in_work_tree(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except OSError:  # gone or unreadable
            return None

    def _at(self, commit: str, path: str) -> bytes | None:
        if self.repository is None:
            return None
        key = commit, self.prefix + path
        if key not in self._blobs:
            try:
                self._blobs[key] = self.repository.blobs(commit, [key[1]])[key[1]]
            except GitError:  # a shallow clone may lack the commit
                self._blobs[key] = None
        return self._blobs[key]


def _forms(content: bytes | None) -> list[bytes]:
    """As stored, and with the other line endings: git may have written either to the working tree."""
    if content is None:
        return []
    plain = content.replace(b"\r\n", b"\n")
    return [content, plain, plain.replace(b"\n", b"\r\n")]
