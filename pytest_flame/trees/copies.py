"""The two trees of an interleaved measurement: a commit, and the working tree or another commit, as copies that nothing
else uses.

The user's checkout and everything below its ``.git`` stay unchanged, byte for byte: a commit is written with a separate
index to a separate work tree.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pytest_flame.git import SUBMODULE, Repository
from pytest_flame.git_program import GitError
from pytest_flame.trees.compiled import COMPILED, native_changes, not_shareable
from pytest_flame.trees.ignored import linked
from pytest_flame.trees.overlay import test_parts

_CACHES: Final = frozenset(
    {".git", ".hg", ".svn", ".jj", "__pycache__", "node_modules", ".tox", ".nox", ".eggs", "__pypackages__"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".cache", ".idea", ".vscode", ".direnv"}
    | {"htmlcov", "site-packages", "flame-report"}
)
_OUTPUTS: Final = frozenset({"build", "_build", "dist", "target"})
"""Folders that nothing imports from, like ``_CACHES``; folders of sources may have these names, too, so files in them
that git does not ignore are copied. Tracked files are copied from anywhere."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Both copies. Paths inside are those of the repository."""

    base: Path
    head: Path
    native_changed: tuple[str, ...]
    """Native sources and build files that differ: the sides cannot share compiled modules."""
    shared: tuple[str, ...]
    """Compiled modules that both sides got from the working tree."""
    notes: tuple[str, ...]
    generated: tuple[str, ...] = ()
    """Modules that both sides got from the working tree because git ignores them."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """What git knows about a working tree, including submodules."""

    tracked: frozenset[str]
    untracked: frozenset[str]


def build_trees(
    repository: Repository,
    commit: str,
    scratch: Path,
    patterns: Sequence[str],
    *,
    share_compiled: bool = True,
    copied: Sequence[str] = (),
    inside: str = "",
    head_commit: str | None = None,
) -> Trees:
    """``scratch/base`` is the commit with the working tree's tests, ``scratch/head`` the working tree as it is, or
    ``head_commit`` with its tests; each is at ``inside`` within these folders.

    Generated and ignored files (a generated ``_version.py``, data, compiled modules) are on both sides unless the
    commit tracks a file of that name; large data of that kind is linked, unless a pattern of ``copied`` matches it.
    Raises ``GitError`` if compiled modules cannot be shared and ``share_compiled`` is on.
    """
    base, head = scratch / "base" / inside, scratch / "head" / inside
    notes: list[str] = []
    check_out(repository, commit, base, scratch, notes)
    at_base, at_head = set(files_below(base)), set[str]()
    if head_commit is not None:
        check_out(repository, head_commit, head, scratch, notes)
        at_head = set(files_below(head))
    committed = at_base | at_head
    listing = _listing(repository)
    known = listing.tracked | listing.untracked
    files = _working_files(repository.top, listing, avoid=scratch)
    ignored = {p: (repository.top / p).lstat().st_size for p in files if p not in known | committed}
    links = linked(ignored, known | committed, copied)
    left_out = _below(files, {link.path for link in links})
    files = [p for p in files if p not in left_out]
    tests = test_parts(files, patterns)
    generated = [p for p in files if p in ignored]
    compiled = [p for p in generated if p.endswith(COMPILED)]
    given = [p for p in generated if share_compiled or not p.endswith(COMPILED)]
    taken = files
    if head_commit is not None:
        changed = native_changes(head, repository.top, at_head, known, compiled)
        if compiled and changed and share_compiled:
            raise not_shareable(compiled, changed, "head")
        _remove_tests(head, at_head, files, tests, patterns)
        ignored_now = at_base - at_head - known
        taken = [p for p in files if p in tests.union(given, ignored_now)]
    for path in taken:
        _copy(repository.top / path, head / path)
    changed = native_changes(base, repository.top if head_commit else head, at_base, known, compiled)
    if compiled and changed and share_compiled:
        raise not_shareable(compiled, changed, "base")
    for path in given:
        _copy(head / path, base / path)
    _remove_tests(base, at_base, files, tests, patterns)
    for path in sorted(tests):
        _copy(head / path, base / path)
    for tree in (base, head):
        _relink(tree, repository.top)
        for link in links:
            (tree / link.path).parent.mkdir(parents=True, exist_ok=True)
            (tree / link.path).symlink_to(repository.top / link.path)
    notes += [link.note for link in links]
    return Trees(
        base,
        head,
        native_changed=tuple(changed),
        shared=tuple(compiled) if share_compiled else (),
        notes=tuple(notes),
        generated=tuple(p for p in generated if p.endswith(".py")),
    )


def _remove_tests(tree: Path, own: set[str], files: Sequence[str], tests: set[str], patterns: Sequence[str]) -> None:
    """Removes the tests among a commit's ``own`` files that are not among the working tree's, ``tests``."""
    for path in test_parts(own.union(files), patterns) & own - tests:
        _remove(tree, path)


def check_out(repository: Repository, commit: str, target: Path, scratch: Path, notes: list[str]) -> None:
    """The commit with its submodules, filtered as git would (end of line, LFS), and as sparse as the checkout."""
    target.mkdir(parents=True)
    index = scratch / "index"
    index.unlink(missing_ok=True)
    # The index is the temporary one. Attributes are those of the commit, whatever attr.tree says.
    variables = {"GIT_WORK_TREE": str(target), "GIT_INDEX_FILE": str(index), "GIT_ATTR_SOURCE": commit}
    repository.run("read-tree", "--reset", "-u", "--no-recurse-submodules", commit, variables=variables)
    index.unlink(missing_ok=True)
    for entry in repository.entries(commit):
        if entry.mode != SUBMODULE:
            continue
        place = target / entry.path
        if not place.is_dir():
            continue  # a sparse checkout leaves it out
        submodule = _submodule(repository, commit, entry.path)
        if submodule is None:
            notes.append(f"submodule {entry.path} is not initialised here: its folder is empty at {commit[:12]}")
            continue
        if submodule.known(entry.oid) is None:
            raise GitError(
                f"commit {entry.oid} of the submodule {entry.path}, which {commit[:12]} uses, is not here",
                fix=f"git -C {shlex.quote(entry.path)} fetch origin {entry.oid}",
            )
        place.rmdir()
        check_out(submodule, entry.oid, place, scratch, notes)


def link_ignored(repository: Repository, tree: Path, avoid: Path) -> None:
    """Links what git ignores in the checkout, unless the commit in ``tree`` has something of that name: read-only
    use."""
    listing = _listing(repository)
    for path in _working_files(repository.top, listing, avoid):
        place = tree / path
        if path in listing.tracked or path in listing.untracked or place.exists() or place.is_symlink():
            continue
        if not any(parent.is_file() for parent in place.parents):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(repository.top / path)


def _submodule(repository: Repository, commit: str, path: str) -> Repository | None:
    """The user's own clone of a submodule: in its folder or, if head has dropped it, among git's modules."""
    place = repository.top / path
    if (inside := _cloned_at(place)) is not None:
        return inside
    modules = repository.common_dir() / "modules"
    for name in (*_submodule_names(repository, commit, path), path):
        git_dir = (modules / name).resolve()
        # The commit chooses the name, and a git directory's settings can run commands.
        if git_dir.is_relative_to(modules) and git_dir != modules and (git_dir / "HEAD").is_file():
            return Repository(place, git_dir)
    return None


def _cloned_at(place: Path) -> Repository | None:
    """The repository whose work tree is ``place``, not one that merely contains ``place``."""
    if place.is_symlink() or not (place / ".git").exists():
        return None
    found = Repository.find(place)
    return found if found.top == place.resolve() else None


def _submodule_names(repository: Repository, commit: str, path: str) -> list[str]:
    try:
        listed = repository.run("config", "--null", f"--blob={commit}:.gitmodules", "--get-regexp", r"^submodule\.")
    except GitError:
        return []  # no .gitmodules at that commit: git would have used the folder's name
    settings = (os.fsdecode(line).partition("\n") for line in listed.split(b"\0")[:-1])
    return [
        key.removeprefix("submodule.").removesuffix(".path")
        for key, _, value in settings
        if key.endswith(".path") and value == path
    ]


# --- the working tree -------------------------------------------------------------------------------------------------


def _listing(repository: Repository, prefix: str = "") -> _Listing:
    index = repository.index()
    tracked = {prefix + path for path in index}
    untracked = {prefix + path for path in repository.untracked()}
    for path, mode in index.items():
        if mode == SUBMODULE and (submodule := _cloned_at(repository.top / path)) is not None:
            inner = _listing(submodule, f"{prefix}{path}/")
            tracked |= inner.tracked
            untracked |= inner.untracked
    return _Listing(frozenset(tracked), frozenset(untracked))


def _working_files(top: Path, listing: _Listing, avoid: Path) -> list[str]:
    """Files and links of the working tree: all that git knows, and those ignored ones that a program may need."""
    caches: dict[Path, bool] = {top: False}

    def in_cache(folder: Path) -> bool:
        if folder not in caches:
            caches[folder] = folder == avoid or _is_cache(folder) or in_cache(folder.parent)
        return caches[folder]

    found = set(listing.tracked) | {p for p in listing.untracked if not in_cache((top / p).parent)}
    for folder, names, files in os.walk(top):
        here = Path(folder)
        links = [n for n in names if (here / n).is_symlink()]
        names[:] = [n for n in names if n not in links and n not in _OUTPUTS and not in_cache(here / n)]
        relative = "" if here == top else f"{here.relative_to(top).as_posix()}/"
        # .git is a file in linked work trees and submodules
        found |= {relative + n for n in (*files, *links) if n != ".git" and not n.endswith((".pyc", ".pyo"))}
    return sorted(p for p in found if _is_copied(top / p))


def _below(files: Iterable[str], places: set[str]) -> set[str]:
    return {p for p in files if p in places or any(str(parent) in places for parent in PurePosixPath(p).parents)}


def _is_cache(folder: Path) -> bool:
    marks = ("pyvenv.cfg", "CACHEDIR.TAG", "conda-meta")
    return folder.name in _CACHES or any((folder / mark).exists() for mark in marks)


def _is_copied(path: Path) -> bool:
    try:
        return stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFLNK)
    except (FileNotFoundError, NotADirectoryError):  # deleted, or a folder became a file
        return False


def files_below(tree: Path) -> list[str]:
    """All files and links, relative to ``tree``."""
    found = []
    for folder, names, files in os.walk(tree):
        links = [n for n in names if (Path(folder) / n).is_symlink()]
        relative = Path(folder).relative_to(tree)
        found += [(relative / name).as_posix() for name in (*files, *links)]
    return found


def _copy(source: Path, target: Path) -> None:
    """Copies a file or link with its mode and times; anything in its place is removed."""
    for parent in reversed(target.parents):
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
            break
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    shutil.copy2(source, target, follow_symlinks=False)


def _remove(tree: Path, path: str) -> None:
    (tree / path).unlink()
    for parent in (tree / path).parents:
        if parent == tree or any(parent.iterdir()):
            break
        parent.rmdir()


def _relink(tree: Path, top: Path) -> None:
    """Links out of the checkout keep their target; absolute ones into it point into the tree."""
    for path in files_below(tree):
        link = tree / path
        if not link.is_symlink():
            continue
        target = link.readlink()
        meant = Path(os.path.normpath(top / PurePosixPath(path).parent / target))
        if meant.is_relative_to(top) == (not target.is_absolute()):
            continue
        link.unlink()
        link.symlink_to(tree / meant.relative_to(top) if meant.is_relative_to(top) else meant)
