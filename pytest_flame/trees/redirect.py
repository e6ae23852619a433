"""Redirects imports from the user's checkout to a side's tree, however the project is installed.

Loaded from its file by a generated ``sitecustomize`` in every Python process of a side, before any of the project's
modules, with only ``installed.py`` of this package. Both need only the standard library and import as little as
possible.
"""

# pathlib would double the start-up time of every process of a side.
# ruff: noqa: PTH110, PTH112, PTH118, PTH119, PTH120, PTH122
from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType


def _load_beside(path: str) -> ModuleType:
    """Loads another file of the package that needs nothing else from it."""
    spec = spec_from_file_location("_pytest_flame_" + os.path.splitext(os.path.basename(path))[0], path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_installed = _load_beside(os.path.join(os.path.dirname(os.path.dirname(__file__)), "installed.py"))


class PathMap:
    """Where a file of the checkout lies in a tree. All folders are resolved paths."""

    def __init__(self, checkout: str, tree: str, kept: Sequence[str] = (), shares_compiled: bool = False) -> None:
        self.checkout = checkout
        self.tree = tree
        folders = (*kept, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix))
        self.kept = tuple(folder for folder in folders if folder != checkout and _inside(folder, checkout))
        """Folders inside the checkout that are not part of the project: environments, this package."""
        self.shares_compiled = shares_compiled
        self._environments: dict[str, bool] = {}

    def mapped(self, path: str) -> str | None:
        """``path`` in the tree, existing or not; None if it is not in the checkout."""
        real = os.path.realpath(path)
        if not _inside(real, self.checkout) or _inside(real, self.tree):
            return None
        if any(_inside(real, folder) for folder in self.kept) or self._in_environment(real):
            return None
        return self.tree + real[len(self.checkout) :]

    def _in_environment(self, path: str) -> bool:
        return bool(_installed.lies_in_environment(path, self.checkout, self._environments))

    def is_shared(self, path: str) -> bool:
        """A compiled module that only the checkout has, built from sources that are the same on both sides."""
        mapped = self.mapped(path)
        return (
            self.shares_compiled
            and mapped is not None
            and path.endswith(tuple(EXTENSION_SUFFIXES))
            and not os.path.exists(mapped)
        )


class RedirectingFinder:
    """Calls the finders after it and redirects what they found in the checkout to the tree.

    A module that the tree does not have raises ``ModuleNotFoundError``: it must not come from the checkout.
    """

    def __init__(self, places: PathMap) -> None:
        self.places = places
        self.roots: list[str] = []
        """Folders of the tree that hold redirected top-level modules."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = self._found(name, path, target)
        if spec is None:
            return self._only_in_tree(name) if path is None else None
        # Built-in and frozen modules have an origin that is not a path.
        origin = spec.origin if spec.has_location else None
        moved = self.places.mapped(origin) if origin else None
        if moved is None or origin is None or self.places.is_shared(origin):
            return self._with_moved_locations(name, spec)
        if not os.path.exists(moved):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name, path=moved)
        if path is None:
            package = os.path.basename(moved).startswith("__init__.")
            root = os.path.dirname(os.path.dirname(moved) if package else moved)
            if root not in self.roots:
                self.roots.append(root)
        locations = spec.submodule_search_locations
        # Use the loader for the file's suffix: the finder's loader may know the old path.
        there = None if locations is None else self._moved_all(locations)
        return spec_from_file_location(name, moved, submodule_search_locations=there) or spec

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        finders = list(sys.meta_path)
        behind = finders[finders.index(self) + 1 :] if self in finders else finders
        for finder in behind:
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None

    def _only_in_tree(self, name: str) -> ModuleSpec | None:
        """A top-level module that the installation, made from the checkout, cannot know."""
        spec = PathFinder.find_spec(name, self.roots) if self.roots else None
        if spec is None or spec.origin is None or not _inside(spec.origin, self.places.tree):
            return None
        in_checkout = self.places.checkout + spec.origin[len(self.places.tree) :]
        return None if os.path.exists(in_checkout) else spec

    def _with_moved_locations(self, name: str, spec: ModuleSpec) -> ModuleSpec:
        locations = spec.submodule_search_locations
        if locations is not None and any(self.places.mapped(place) for place in locations):
            moved = self._moved_all(locations)
            if spec.origin is None and not any(os.path.isdir(place) for place in moved):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name, path=moved[0])
            spec.submodule_search_locations = moved
        return spec

    def _moved_all(self, locations: Iterable[str]) -> list[str]:
        moved = [self.places.mapped(place) or place for place in locations]
        return list(dict.fromkeys(moved))


def install(places: PathMap) -> None:
    """Redirects this interpreter: the entries of ``sys.path``, and every import from now on."""
    sys.path[:] = list(dict.fromkeys(places.mapped(entry) or entry if entry else entry for entry in sys.path))
    sys.meta_path.insert(0, RedirectingFinder(places))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
