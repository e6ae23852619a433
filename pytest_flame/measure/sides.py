"""Base and head of an interleaved measurement, ready to be measured."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest_flame
from pytest_flame.git import Repository
from pytest_flame.git_program import GitError
from pytest_flame.measure import redirect
from pytest_flame.measure.environment import Environment, checked_interpreter, installed_environment
from pytest_flame.measure.existed import test_existed
from pytest_flame.measure.overlay import DEFAULT_PATTERNS, test_parts
from pytest_flame.measure.proof import normalised
from pytest_flame.measure.provenance import Provenance
from pytest_flame.measure.scratch import Scratch
from pytest_flame.measure.trees import build_trees, files_below

_OVERLAID_SETTINGS: Final = frozenset({"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini"})
_STARTER: Final = '''"""Written for the processes of one side of a measurement."""

import sys


def start():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("_pytest_flame_redirect", {code!r})
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = [entry for entry in sys.path if entry != {folder!r}]
    module.install(module.Places({checkout!r}, {tree!r}, {kept!r}, {shares_compiled!r}))


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
    """``base`` or ``head``: of the same length, and so are all paths."""
    tree: Path
    root: Path
    """pytest's root directory in the tree."""
    directory: Path
    """Working directory; in the tree where the run was started inside the checkout."""
    python: str
    environment: Mapping[str, str]
    """Set for the workers."""
    commit: str | None
    """None: the working tree."""
    provenance: Provenance
    aliases: tuple[str, ...]
    """How the checkout is spelled, symbolic links included."""

    def place(self, path: Path) -> Path:
        """The same file or folder on this side; what is not the checkout's stays where it is."""
        return Path(self._places().mapped(str(path)) or path)

    def arguments(self, args: Sequence[str], directory: Path) -> list[str]:
        """pytest's arguments with every path of the checkout moved; ``directory`` is the user's."""
        moved = []
        for previous, argument in zip(("", *args), args, strict=False):
            if previous == "-c":
                moved.append(str(self._settings(directory / argument)))
            else:
                moved.append(self._moved(argument, directory))
        return moved

    def _moved(self, argument: str, directory: Path) -> str:
        places = self._places()
        for alias in self.aliases:
            argument = re.sub(
                rf"(?<![\w./-]){re.escape(alias)}(?![\w.-])(/[^\s:;,]*)?",
                lambda found: places.mapped(found[0]) or found[0],
                argument,
            )
        # Relative paths follow the working directory, except those that leave the checkout.
        option, separator, value = argument.rpartition("=")
        if value.startswith(".."):
            meant = Path(os.path.normpath(directory / value))
            if meant.exists() and places.mapped(str(meant)) is None:
                return f"{option}{separator}{meant}"
        return argument

    def _settings(self, ini: Path) -> Path:
        """pytest's settings file as head has it: it belongs to the tests, whatever else stands in it."""
        here = self.place(ini)
        if here == ini or here.name in _OVERLAID_SETTINGS:
            return here
        head = Path(self.provenance.tree if self.name == "head" else self.provenance.other)
        copy = here.with_name(f"flame-settings{here.suffix}")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(head / here.relative_to(self.tree), copy)
        return copy

    def _places(self) -> redirect.Places:
        return redirect.Places(self.provenance.checkout, self.provenance.tree, self.provenance.kept)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both, and what is worth saying about them."""

    base: Side
    head: Side
    commit: str
    """The base's, in full."""
    notes: tuple[str, ...]
    repository: Repository

    def test_existed(self, file: Path, node_id: str) -> bool:
        """Whether the test was there at the base; ``file`` is its file in the checkout."""
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
) -> Iterator[Sides]:
    """Makes both trees; they vanish with ``scratch``.

    ``ref`` is a commit, or ``REF...`` for the merge base with HEAD; ``root`` is pytest's root directory and
    ``directory`` the working directory, both in the checkout. Raises ``FlameError`` before anything is measured.
    """
    repository = Repository.find(root)
    commit = repository.resolve(ref)
    own_compiled = base_python is not None or base_install is not None
    trees = build_trees(repository, commit, scratch.path, test_patterns, share_compiled=not own_compiled)
    paths = sorted({*files_below(trees.base), *files_below(trees.head)})
    roots = _import_roots(paths)
    kept = Path(pytest_flame.__file__).resolve().parent
    aliases = _aliases(repository.top, (root, directory))
    sides = {}
    for name, tree, other in (("base", trees.base, trees.head), ("head", trees.head, trees.base)):
        places = redirect.Places(str(repository.top), str(tree), (str(kept),))
        side_root = Path(places.mapped(str(root)) or root)
        environment = Environment(sys.executable, {})
        if base_install is not None:
            version = _version(repository, commit)
            folder = scratch.path / "env" / name
            environment = installed_environment(folder, side_root, base_install, repository.top, scratch, version)
        elif base_python is not None and name == "base":
            environment = checked_interpreter(base_python)
        provenance = Provenance(
            side=name,
            tree=str(tree),
            other=str(other),
            checkout=str(repository.top),
            kept=(str(kept),),
            shares_compiled=name == "head" or not (own_compiled or trees.native_changed),
            own=(environment.prefix,) if environment.prefix else (),
            generated=trees.generated,
            roots=roots,
            distributions=_distributions(trees.head, roots),
            tests=tuple(sorted(test_parts(paths, test_patterns))),
        )
        variables = {**environment.variables, "PYTHONPATH": _search_path(places, _starter(scratch.path, provenance))}
        side_directory = Path(places.mapped(str(directory)) or directory)
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
            commit=commit if name == "base" else None,
            provenance=provenance,
            aliases=aliases,
        )
    yield Sides(sides["base"], sides["head"], commit, trees.notes, repository)


def _starter(scratch: Path, provenance: Provenance) -> Path:
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


def _search_path(places: redirect.Places, starter: Path) -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    entries = [places.mapped(entry) or entry if entry else entry for entry in inherited.split(os.pathsep)]
    return os.pathsep.join([str(starter), *(entries if inherited else ())])


def _aliases(top: Path, places: Sequence[Path]) -> tuple[str, ...]:
    found = {str(top)}
    for place in places:
        found |= {str(p) for p in (place, *place.parents) if p.resolve() == top}
    return tuple(sorted(found, key=len, reverse=True))


def _import_roots(paths: Sequence[str]) -> tuple[str, ...]:
    """Folders that a build could take packages from: of each project in the repository, itself and its sources."""
    projects = {""} | {
        path.rpartition("/")[0]
        for path in paths
        if path.rpartition("/")[2] in ("pyproject.toml", "setup.py", "setup.cfg")
    }
    folders = {parent for path in paths for parent in _folders(path)}
    found = {f"{project}/{name}".strip("/") for project in projects for name in ("", "src", "lib", "python")}
    return tuple(sorted(found & (folders | {""})))


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _distributions(tree: Path, roots: Sequence[str]) -> tuple[str, ...]:
    """Names of the repository's projects; none where one of them is only known to a setup.py."""
    names = set()
    for root in roots:
        folder = tree / root
        found = _declared_name(folder)
        if found:
            names.add(normalised(found))
        elif (folder / "setup.py").is_file():
            return ()
    return tuple(sorted(names))


def _declared_name(folder: Path) -> str | None:
    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        name = document.get("project", {}).get("name") or document.get("tool", {}).get("poetry", {}).get("name")
        if name:
            return str(name)
    except (OSError, ValueError):
        pass  # unreadable for us is undeclared
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
    except (ConfigError, ValueError):
        return None
    return parser.get("metadata", "name", fallback=None)


def _version(repository: Repository, commit: str) -> str:
    """The last release before a commit, for build backends that ask git."""
    try:
        tag = repository.run("describe", "--tags", "--abbrev=0", commit).decode().strip()
    except GitError:
        return "0.0.0"
    found = re.search(r"\d+(\.\d+)*", tag)
    return found[0] if found else "0.0.0"
