"""Reading a git repository with the git program. Nothing here changes the user's checkout, index, refs or objects."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.git_program import FALSE, GitError, NotARepository, run_git

SUBMODULE: Final = "160000"
"""The mode of an entry that is another repository's commit."""
_WRITE_AN_INDEX: Final = frozenset({"read-tree", "update-index"})
"""A temporary one; hooks would run for it, too."""
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_PARENTS: Final = re.compile(r"(?P<tip>[^~^]+)(?P<steps>(?:[~^]\d*)+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a commit's tree. ``mode`` is git's (``100644``, ``100755``, ``120000``, ``160000`` a submodule)."""

    path: str
    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Commit:
    """``date`` is its author's, in ISO 8601."""

    oid: str
    date: str
    author: str
    subject: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree's ``top`` and its ``git_dir``, both resolved. Paths are relative to ``top``, with ``/``."""

    top: Path
    git_dir: Path

    @classmethod
    def find(cls, path: Path) -> Repository:
        """The repository that contains ``path``. Raises ``GitError`` if there is none, no git, or no permission."""
        folder = path if path.is_dir() else path.parent
        # One command each: a path may contain a line break.
        top, git_dir = (
            Path(os.fsdecode(run_git(["rev-parse", which], folder, {}))[:-1]).resolve()
            for which in ("--show-toplevel", "--absolute-git-dir")
        )
        return cls(top, git_dir)

    @classmethod
    def holding(cls, root: Path, *others: Path) -> Repository:
        """The repository of ``root``, or of the first of ``others`` if ``root`` lies above their clone.

        Raises ``GitError`` as ``find`` does, and if ``others`` lie in several clones.
        """
        try:
            around = cls.find(root)
        except NotARepository:
            if not others:
                raise
            around = None
        if around is not None and all(_lies_in(place.resolve(), around.top) for place in others):
            return around
        folders = {place if place.is_dir() else place.parent for place in others}
        found = {repository.top: repository for repository in map(cls.find, sorted(folders))}
        if around is not None and all(around.top in (r.top, *r.superprojects()) for r in found.values()):
            return around
        if len(found) > 1:
            raise GitError(
                f"the tests lie in several repositories: {', '.join(map(str, sorted(found)))}",
                why="base is one commit of one repository",
                fix="run pytest separately for each of them",
            )
        return next(iter(found.values()))

    def superprojects(self) -> list[Path]:
        """The tops of the work trees that this one is a submodule of, the nearest first."""
        tops: list[Path] = []
        repository = self
        while out := os.fsdecode(repository.run("rev-parse", "--show-superproject-working-tree")).rstrip("\n"):
            repository = Repository.find(Path(out))
            tops.append(repository.top)
        return tops

    def run(self, *args: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        """The output of ``git ARGS``, run at ``top`` (or, if that is gone, in the git directory)."""
        folder = self.top if self.top.is_dir() else self.git_dir
        places = {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(folder), **(variables or {})}
        if args[0] in _WRITE_AN_INDEX:
            args = (*self._configured_hooks(folder, places), *args)
        return run_git(args, folder, places, stdin)

    def _configured_hooks(self, folder: Path, places: Mapping[str, str]) -> list[str]:
        """Options that disable hooks named in settings (git 2.54), in addition to those in a hooks folder."""
        try:
            listed = run_git(["config", "--null", "--name-only", "--get-regexp", r"^hook\."], folder, places)
        except GitError as e:
            if e.why == "status 1":  # none
                return []
            raise
        keys = {os.fsdecode(key).rpartition(".")[0] for key in listed.split(b"\0")[:-1]}
        # Unlike -c, --config-env takes names with a = in them.
        return [f"--config-env={key}.enabled={FALSE}" for key in sorted(keys) if "." in key]

    # --- commits -------------------------------------------------------------------------------------------------

    def resolve(self, ref: str) -> str:
        """The full hash of the commit ``ref`` names; ``REF...`` is the merge base of ``REF`` and ``HEAD``.

        Raises ``GitError`` with the command that fetches it if it is missing.
        """
        if "..." in ref:
            first, _, second = ref.partition("...")
            return self.merge_base(first or "HEAD", second or "HEAD")
        found = self.known(ref)
        if found is None:
            raise self._unknown(ref)
        return found

    def known(self, ref: str) -> str | None:
        """Like ``resolve`` for one commit; None if it is missing."""
        if not ref or ref.startswith("-"):
            return None
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").decode().strip() or None
        except GitError:
            return None

    def merge_base(self, first: str, second: str = "HEAD") -> str:
        """The best common ancestor of two commits."""
        commits = [self.resolve(first), self.resolve(second)]
        try:
            return self.run("merge-base", *commits).decode().split()[0]
        except (GitError, IndexError):
            if self.is_shallow():
                raise GitError(
                    f"the merge base of {first} and {second} is not in this clone",
                    why="the clone is shallow: its history ends before the two meet",
                    fix=f"git fetch --unshallow {self._remote()}    (in GitHub's checkout action: fetch-depth: 0)",
                ) from None
            raise GitError(f"{first} and {second} have no common ancestor") from None

    def is_shallow(self) -> bool:
        """Whether the history is incomplete."""
        return self.run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def common_dir(self) -> Path:
        """The git directory that all linked work trees share, resolved."""
        found = Path(os.fsdecode(self.run("rev-parse", "--git-common-dir")).rstrip("\n"))
        return (self.top / found if self.top.is_dir() else self.git_dir / found).resolve()

    def shallow_boundary(self) -> frozenset[str]:
        """The commits whose parents are missing: each looks as if it had added all of its files."""
        file = Path(os.fsdecode(self.run("rev-parse", "--git-path", "shallow")).rstrip("\n"))
        file = file if file.is_absolute() else self.top / file
        return frozenset(file.read_text(encoding="ascii").split()) if file.is_file() else frozenset()

    def commits_touching(self, paths: Sequence[str], limit: int, start: str = "HEAD") -> list[str]:
        """At most ``limit`` commits that changed one of ``paths``, from ``start`` backwards, newest first."""
        return self.run("rev-list", f"--max-count={limit}", self.resolve(start), "--", *paths).decode().split()

    def is_ancestor(self, first: str, second: str) -> bool:
        """Whether ``second`` contains ``first``; both are commits."""
        return self.run("rev-list", "--max-count=1", first, f"^{second}") == b""

    def commit(self, oid: str) -> Commit:
        (found,) = self._commits("--max-count=1", oid)
        return found

    def first_parents(self, first: str, last: str) -> list[Commit]:
        """The commits after ``first`` up to ``last`` along first parents, oldest first."""
        return self._commits("--first-parent", "--reverse", f"{first}..{last}")

    def _commits(self, *which: str) -> list[Commit]:
        logged = self.run("log", "-z", "--encoding=UTF-8", "--format=tformat:%H%x00%aI%x00%an%x00%s", *which, "--")
        fields = iter(logged.decode("utf-8", "replace").split("\0")[:-1])
        return [Commit(*four) for four in zip(fields, fields, fields, fields, strict=True)]

    # --- content -------------------------------------------------------------------------------------------------

    def entries(self, commit: str, paths: Sequence[str] = ()) -> list[Entry]:
        """All files (and links and submodules) of a commit, or those of ``paths`` that it has."""
        recurse = [] if paths else ["-r"]
        out = self.run("ls-tree", "-z", "--full-tree", *recurse, commit, "--", *paths)
        found = []
        for line in out.split(b"\0")[:-1]:
            meta, _, path = line.partition(b"\t")
            mode, kind, oid = meta.decode("ascii").split()
            if kind != "tree":
                found.append(Entry(os.fsdecode(path), mode, oid))
        return found

    def files(self, commit: str) -> list[str]:
        """The paths of all files of a commit, submodules left out."""
        return [entry.path for entry in self.entries(commit) if entry.mode != SUBMODULE]

    def blobs(self, commit: str, paths: Iterable[str]) -> dict[str, bytes | None]:
        """The content of each of ``paths`` at ``commit``, as stored (no end-of-line or LFS filter); None: no such
        file."""
        contents: dict[str, bytes | None] = dict.fromkeys(paths)
        wanted = list(contents)
        if not wanted:
            return contents
        # Many paths would not fit into a command line.
        listed = self.entries(commit, wanted if len(wanted) <= 200 else ())
        oids = {e.path: e.oid for e in listed if e.path in contents and e.mode != SUBMODULE}
        stored = self._objects(sorted(set(oids.values())))
        return contents | {path: stored[oid] for path, oid in oids.items()}

    def blob(self, commit: str, path: str) -> bytes | None:
        """One file of ``blobs``."""
        return self.blobs(commit, [path])[path]

    def index(self) -> dict[str, str]:
        """The user's index: path → mode. For a sparse index without the folders that are not checked out."""
        listed = self._list_files("--stage").split(b"\0")[:-1]
        entries = (line.partition(b"\t") for line in listed)
        return {os.fsdecode(path): meta.split()[0].decode("ascii") for meta, _, path in entries if path[-1:] != b"/"}

    def untracked(self) -> list[str]:
        """Files that are neither in the index nor ignored; those of nested repositories are left out."""
        listed = self._list_files("--others", "--exclude-standard").split(b"\0")[:-1]
        return [os.fsdecode(path) for path in listed if not path.endswith(b"/")]

    def _list_files(self, *which: str) -> bytes:
        try:
            values = self.run("config", "--show-scope", "--type=bool", "--get-all", "index.sparse").split(b"\n")[:-1]
        except GitError:  # not set
            values = []
        users = [value for value in values if not value.startswith(b"command\t")]
        sparse = bool(users) and users[-1].endswith(b"\ttrue")
        # A sparse index that is expanded, even in memory, touches the objects it is expanded from.
        kept = ("-c", "index.sparse=true", "ls-files", "--sparse") if sparse else ("ls-files",)
        return self.run(*kept, "-z", *which)

    def kind(self, oid: str) -> str | None:
        """``blob``, ``tree``, ``commit`` or ``tag``; None if there is no such object."""
        fields = self.run("cat-file", "--batch-check", stdin=f"{oid}\n".encode()).decode("ascii").split()
        return fields[1] if len(fields) == 3 else None

    def _objects(self, oids: Sequence[str]) -> dict[str, bytes]:
        out = self.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode("ascii"))
        contents, at = {}, 0
        for oid in oids:
            end = out.index(b"\n", at)
            header = out[at:end].split()
            if len(header) != 3:
                raise GitError(f"object {oid} is missing in {self.git_dir}", fix="git fsck; git fetch --refetch")
            at = end + 1 + int(header[2])
            contents[oid] = out[end + 1 : at]
            at += 1
        return contents

    # --- what to do about a commit that is not there ----------------------------------------------------------------

    def _remotes(self) -> list[str]:
        return self.run("remote").decode().split()

    def _remote(self) -> str:
        remotes = self._remotes()
        return "origin" if "origin" in remotes or not remotes else remotes[0]

    def _unknown(self, ref: str) -> GitError:
        shallow = self.is_shallow()
        why = "the clone is shallow: it holds only the newest commits" if shallow else ""
        if not self._remotes():
            return GitError(f"there is no commit {ref!r} in {self.top}", why=why, fix="git log --oneline --all")
        depth = "--depth=1 " if shallow else ""
        remote, fetch = self._remote(), f"git fetch {depth}"
        named, _, branch = ref.removeprefix("refs/remotes/").removeprefix("remotes/").partition("/")
        steps = _PARENTS.fullmatch(ref)
        if steps and (tip := self.known(steps["tip"])):
            count = sum(int(n or 1) if sign == "~" else 1 for sign, n in re.findall(r"([~^])(\d*)", steps["steps"]))
            fix = f"git fetch --deepen={count} {remote} {tip}" if shallow else "git log --oneline --graph"
        elif _SHA.fullmatch(ref):
            fix = f"{fetch}{remote} {ref}"
        elif _SHORT_SHA.fullmatch(ref):
            fix = f"{fetch}{remote} <all 40 digits of {ref}>    (a shortened hash cannot be fetched)"
        elif branch and named in self._remotes():
            fix = f"{fetch}{named} {branch}:refs/remotes/{named}/{branch}"
        elif ref.startswith("refs/"):
            fix = f"{fetch}{remote} {ref}:{ref}"
        elif re.match(r"v?\d", ref):
            fix = f"{fetch}{remote} tag {ref}"
        else:
            fix = f"{fetch}{remote} {ref}:refs/remotes/{remote}/{ref}, then use {remote}/{ref}"
        return GitError(f"there is no commit {ref!r} in {self.top}", why=why, fix=fix)


def _lies_in(place: Path, top: Path) -> bool:
    """Whether it is in this work tree, and not in another one below it."""
    below = [p for p in (place, *place.parents) if p != top and p.is_relative_to(top)]
    return place.is_relative_to(top) and not any((p / ".git").exists() for p in below)
