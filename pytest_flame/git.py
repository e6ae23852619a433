"""Reading a git repository with the git program. Nothing here changes the user's checkout, index, refs or objects."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.errors import FlameError

SUBMODULE: Final = "160000"
"""The mode of an entry that is another repository's commit."""
_SETTINGS: Final = (
    # Each of these would let a reading command write below .git: a shared index, a monitor's socket, a fresher index.
    *("core.splitIndex=false", "core.fsmonitor=false", "core.untrackedCache=false", "diff.autoRefreshIndex=false"),
    *("core.sparseCheckout=false", "index.sparse=false", "submodule.recurse=false", "advice.detachedHead=false"),
)
_LOCAL_VARIABLES: Final = (
    # Set inside hooks; they would name another repository, index or work tree than the one that was found.
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE"),
)
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_PARENTS: Final = re.compile(r"(?P<tip>[^~^]+)(?P<steps>(?:[~^]\d*)+)")


class GitError(FlameError):
    """Git is missing, the place is no repository, or a commit is not there; ``fix`` is the command that helps."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a commit's tree. ``mode`` is git's (``100644``, ``100755``, ``120000``, ``160000`` a submodule)."""

    path: str
    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree's ``top`` and its ``git_dir``, both resolved. Paths are relative to ``top``, with ``/``."""

    top: Path
    git_dir: Path

    @classmethod
    def find(cls, path: Path) -> Repository:
        """The repository that holds ``path``. Raises ``GitError`` where there is none, no git, or no permission."""
        folder = path if path.is_dir() else path.parent
        out = _run(["rev-parse", "--show-toplevel", "--absolute-git-dir"], folder, {})
        lines = os.fsdecode(out).splitlines()
        if len(lines) != 2:
            raise GitError(f"{folder} lies in a repository without a work tree", fix="run in a checkout")
        return cls(Path(lines[0]).resolve(), Path(lines[1]).resolve())

    def run(self, *args: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        """What ``git ARGS`` prints, run at ``top`` (or, where that is gone, in the git directory)."""
        folder = self.top if self.top.is_dir() else self.git_dir
        return _run(
            args, folder, {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(folder), **(variables or {})}, stdin
        )

    # --- commits -------------------------------------------------------------------------------------------------

    def resolve(self, ref: str) -> str:
        """The full hash of the commit ``ref`` names; ``REF...`` is the merge base of ``REF`` and ``HEAD``.

        Raises ``GitError`` with the command that fetches it where it is not there.
        """
        if "..." in ref:
            first, _, second = ref.partition("...")
            return self.merge_base(first or "HEAD", second or "HEAD")
        found = self.known(ref)
        if found is None:
            raise self._unknown(ref)
        return found

    def known(self, ref: str) -> str | None:
        """Like ``resolve`` for one commit, None where it is not there."""
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
                    why="the clone is shallow: its history is cut off before the two meet",
                    fix=f"git fetch --unshallow {self._remote()}    (in GitHub's checkout action: fetch-depth: 0)",
                ) from None
            raise GitError(f"{first} and {second} have no common ancestor") from None

    def is_shallow(self) -> bool:
        """Whether history is cut off."""
        return self.run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def shallow_boundary(self) -> frozenset[str]:
        """The commits whose parents are missing: each looks as if it had brought in all of its files."""
        file = Path(os.fsdecode(self.run("rev-parse", "--git-path", "shallow")).rstrip("\n"))
        file = file if file.is_absolute() else self.top / file
        return frozenset(file.read_text(encoding="ascii").split()) if file.is_file() else frozenset()

    def commits_touching(self, paths: Sequence[str], limit: int, start: str = "HEAD") -> list[str]:
        """At most ``limit`` commits that changed one of ``paths``, newest first, from ``start`` back."""
        out = self.run("log", "--format=%H", f"--max-count={limit}", "--no-renames", self.resolve(start), "--", *paths)
        return out.decode().split()

    def is_ancestor(self, first: str, second: str = "HEAD") -> bool:
        """Whether ``first`` is in the history of ``second``, as far as this clone knows."""
        return self.run("rev-list", "-n1", self.resolve(first), f"^{self.resolve(second)}") == b""

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
        """What each of ``paths`` held at ``commit``, as stored (no end-of-line or LFS filter); None: no such file."""
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

    def changed(self, old: str, new: str, paths: Sequence[str] = ()) -> list[str]:
        """The paths (of ``paths``, files or folders, where given) that differ between two commits."""
        out = self.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", old, new, "--", *paths)
        return [os.fsdecode(path) for path in out.split(b"\0")[:-1]]

    def is_clean(self) -> bool:
        """The working tree holds what HEAD does; ignored files do not count."""
        return self.run("status", "--porcelain", "-z", "--untracked-files=normal") == b""

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
            fix = f"{fetch}{remote} {ref}:refs/remotes/{remote}/{ref}, then name it {remote}/{ref}"
        return GitError(f"there is no commit {ref!r} in {self.top}", why=why, fix=fix)


def _run(args: Sequence[str], folder: Path, variables: Mapping[str, str], stdin: bytes = b"") -> bytes:
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL_VARIABLES}
    environment |= {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        **variables,
    }
    command = ["git", *(part for setting in _SETTINGS for part in ("-c", setting)), *args]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True)
    except FileNotFoundError as e:
        if not folder.is_dir():
            raise GitError(f"there is no folder {folder}") from e
        raise GitError("the program git was not found", fix="install git (apt-get install git)") from e
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if "dubious ownership" in said:
        named = re.search(r"repository at '([^']+)'", said)
        place = named[1] if named else str(folder)
        raise GitError(
            f"git refuses to read {place}",
            why="it belongs to another user, as is usual where a container runs as root on a mounted checkout",
            fix=f"git config --global --add safe.directory {place}",
        )
    if "not a git repository" in said:
        raise GitError(
            f"{folder} is not in a git repository",
            why="the commit to compare with is taken from the project's own history",
            fix="run in a clone of the project; a CI job needs the .git directory too",
        )
    raise GitError(f"git {args[0]} failed", why=said or f"status {done.returncode}")
