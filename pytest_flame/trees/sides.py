"""Base and head of an interleaved measurement, ready to measure."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest_flame
from pytest_flame.git import Repository
from pytest_flame.trees import redirect
from pytest_flame.trees.copies import build_trees, files_below
from pytest_flame.trees.environment import (
    Environment,
    checked_interpreter,
    installed_environment,
    refuse_rebuilding,
)
from pytest_flame.trees.existed import test_existed
from pytest_flame.trees.moving import from_outside, moved_command, moved_paths
from pytest_flame.trees.opened import watched
from pytest_flame.trees.overlay import DEFAULT_PATTERNS, test_parts
from pytest_flame.trees.projects import distributions, import_roots, release_before
from pytest_flame.trees.provenance import Provenance
from pytest_flame.trees.scratch import Scratch

_OVERLAID_SETTINGS: Final = frozenset({"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini"})
_STARTER: Final = '''"""Written for the processes of one side of a measurement."""

import sys


def start():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("_pytest_flame_redirect", {code!r})
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = [entry for entry in sys.path if entry != {folder!r}]
    module.install(module.PathMap({checkout!r}, {tree!r}, {kept!r}, {shares_compiled!r}))


def hand_on():
    """The sitecustomize that would have been imported without this one."""
    this = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize
    except ImportError as e:
        if e.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this


start()
hand_on()
'''


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two trees and how its workers are started."""

    name: str
    """``base`` or ``head``: names, and so all paths, have the same length."""
    tree: Path
    root: Path
    """pytest's root directory in the tree."""
    directory: Path
    """Working directory; in the tree if the run was started inside the checkout."""
    python: str
    environment: Mapping[str, str]
    """Set for the workers."""
    commit: str | None
    """None: the working tree."""
    provenance: Provenance
    tests_from: Path
    """The tree whose tests and settings both sides have: head's, or the checkout if head is a commit, too."""
    aliases: tuple[str, ...]
    """Spellings of the checkout's path, including symbolic links."""
    outer: Path | None = None
    """The user's pytest root directory, if it lies above the checkout; ``root`` then replaces it."""
    watched: Path | None = None
    """A file with the code that no process of this side may open (``Watched``)."""

    def place(self, path: Path) -> Path:
        """The same file or folder on this side; paths outside the checkout are unchanged."""
        mapped = self._places().mapped(str(path))
        if mapped is None and self.outer is not None and path.is_relative_to(self.outer):
            return self.root / path.relative_to(self.outer)
        return Path(mapped or path)

    def arguments(self, args: Sequence[str], directory: Path) -> list[str]:
        """pytest's arguments with every path of the checkout moved; ``directory`` is the user's."""
        moved = []
        for previous, argument in zip(("", *args), args, strict=False):
            if previous == "-c":
                moved.append(str(self._settings(directory / argument)))
            elif self.outer is not None and argument == f"--rootdir={self.outer}":
                moved.append(f"--rootdir={self.root}")
            else:
                moved.append(self._moved(argument, directory))
        return moved

    def _moved(self, argument: str, directory: Path) -> str:
        places = self._places()
        argument = moved_paths(argument, self.aliases, places)
        # Relative paths follow the working directory, except those that leave the checkout.
        option, separator, value = argument.rpartition("=")
        return f"{option}{separator}{from_outside(value, directory, places)}"

    def _settings(self, ini: Path) -> Path:
        """pytest's settings file from where the tests are from: it belongs to them, whatever else it contains."""
        here = self.place(ini)
        if here == ini or here.name in _OVERLAID_SETTINGS or not here.is_relative_to(self.tree):
            return here
        copy = here.with_name(f"flame-settings{here.suffix}")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.tests_from / here.relative_to(self.tree), copy)
        return copy

    def _places(self) -> redirect.PathMap:
        return redirect.PathMap(self.provenance.checkout, self.provenance.tree, self.provenance.kept)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, with notes about them."""

    base: Side
    head: Side
    commit: str
    """The base's commit, in full."""
    notes: tuple[str, ...]
    repository: Repository

    def test_existed(self, file: Path, node_id: str) -> bool:
        """Whether the test existed on base; ``file`` is its file in the checkout."""
        return test_existed(self.repository, self.commit, file, node_id)


@contextlib.contextmanager
def open_sides(
    ref: str,
    scratch: Scratch,
    *,
    root: Path,
    directory: Path,
    test_patterns: Sequence[str] = DEFAULT_PATTERNS,
    base_python: Path | None = None,
    base_install: str | None = None,
    base_install_from: Path | None = None,
    tests: Sequence[Path] = (),
    copied: Sequence[str] = (),
    head: str | None = None,
) -> Iterator[Sides]:
    """Makes both trees; they are removed with ``scratch``.

    ``ref`` is a commit, or ``REF...`` for the merge base with HEAD; ``head`` is one, too, or None for the working tree.
    ``root`` is pytest's root directory, ``directory``
    the working directory, ``tests`` the files of the tests: they determine the repository if ``root`` lies above it.
    Raises ``FlameError`` before anything is measured.
    """
    repository = Repository.holding(root, *dict.fromkeys(tests))
    commit, head_commit = repository.resolve(ref), None if head is None else repository.resolve(head)
    own_compiled = base_python is not None or base_install is not None
    if base_install is None:
        refuse_rebuilding(repository.top)
    outer = None if root.resolve().is_relative_to(repository.top) else root.resolve()
    inside = "" if outer is None else repository.top.relative_to(outer).as_posix()
    trees = build_trees(
        repository,
        commit,
        scratch.path,
        test_patterns,
        share_compiled=not own_compiled,
        copied=copied,
        inside=inside,
        head_commit=head_commit,
    )
    paths = sorted({*files_below(trees.base), *files_below(trees.head)})
    roots = import_roots(paths)
    kept = Path(pytest_flame.__file__).resolve().parent
    aliases = _aliases(repository.top, (root, directory))
    sides = {}
    for name, tree, other, at in (
        ("base", trees.base, trees.head, commit),
        ("head", trees.head, trees.base, head_commit),
    ):
        places = redirect.PathMap(str(repository.top), str(tree), (str(kept),))
        side_root = Path(places.mapped(str(root)) or root)
        if outer is not None:
            side_root = scratch.path / name
            link_surroundings(outer, repository.top, side_root)
        environment = Environment(sys.executable, {})
        if base_install is not None:
            version = release_before(repository, at or commit)
            folder = scratch.path / "env" / name
            started = base_install_from or root
            here = Path(places.mapped(str(started)) or side_root)
            command = moved_command(base_install, aliases, places, started)
            environment = installed_environment(folder, here, command, repository.top, scratch, version)
        elif base_python is not None and name == "base":
            environment = checked_interpreter(base_python)
        provenance = Provenance(
            side=name,
            tree=str(tree),
            other=str(other),
            checkout=str(repository.top),
            kept=(str(kept),),
            shares_compiled=at is None or not (own_compiled or trees.native_changed),
            own=(environment.prefix,) if environment.prefix else (),
            generated=trees.generated,
            roots=roots,
            distributions=distributions(trees.head, roots),
            tests=tuple(sorted(test_parts(paths, test_patterns))),
        )
        variables = {**environment.variables, "PYTHONPATH": search_path(places, starter(scratch.path, provenance))}
        side_directory = Path(places.mapped(str(directory)) or directory)
        if outer is not None and side_directory == outer:
            side_directory = side_root
        side_directory.mkdir(parents=True, exist_ok=True)  # a folder may be new since REF
        if "PWD" in os.environ:
            variables["PWD"] = str(side_directory)
        sides[name] = Side(
            name=name,
            tree=tree,
            root=side_root,
            directory=side_directory,
            python=environment.python,
            environment=variables,
            commit=at,
            provenance=provenance,
            tests_from=trees.head if head_commit is None else repository.top,
            aliases=aliases,
            outer=outer and root,
            watched=_watched(scratch.path, provenance, paths),
        )
    notes = trees.notes
    if head_commit is not None:
        notes = (f"head is {head_commit[:12]} (--flame-head) with the tests of the working tree", *notes)
    yield Sides(sides["base"], sides["head"], commit, notes, repository)


def link_surroundings(outer: Path, top: Path, copy: Path) -> None:
    """What lies outside the checkout below pytest's root directory: its settings, conftest files and data."""
    here = outer
    for part in top.relative_to(outer).parts:
        for entry in here.iterdir():
            if entry.name != part:
                (copy / entry.relative_to(outer)).symlink_to(entry)
        here /= part


def starter(scratch: Path, provenance: Provenance) -> Path:
    """A folder whose ``sitecustomize`` redirects every Python process that has it in ``PYTHONPATH``."""
    folder = scratch / "site" / provenance.side
    folder.mkdir(parents=True)
    text = _STARTER.format(
        code=redirect.__file__,
        folder=str(folder),
        checkout=provenance.checkout,
        tree=provenance.tree,
        kept=provenance.kept,
        shares_compiled=provenance.shares_compiled,
    )
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return folder


def _watched(scratch: Path, provenance: Provenance, paths: Sequence[str]) -> Path:
    installed = [*sys.path, *(str(site) for own in provenance.own for site in Path(own).glob("lib/python*/*-packages"))]
    file = scratch / f"watched-{provenance.side}.json"
    watched(provenance, paths, dict.fromkeys(installed)).write(file)
    return file


def search_path(places: redirect.PathMap, starter: Path) -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    entries = [places.mapped(entry) or entry if entry else entry for entry in inherited.split(os.pathsep)]
    return os.pathsep.join([str(starter), *(entries if inherited else ())])


def _aliases(top: Path, places: Sequence[Path]) -> tuple[str, ...]:
    found = {str(top)}
    for place in places:
        found |= {str(p) for p in (place, *place.parents) if p.resolve() == top}
    return tuple(sorted(found, key=len, reverse=True))
