"""Random data are the same in both processes of a pair, and different in every pair.

The generators are seeded once, before any module of the project or its tests is loaded: a test module, a fixture or a
plugin that seeds them later takes precedence. Those of libraries that may never be imported are seeded on import.
"""

from __future__ import annotations

import copy
import functools
import importlib.abc
import random
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import ModuleType
from typing import Final

_GENERATORS: Final[Mapping[str, str]] = {
    "numpy.random": "seed",
    "faker.generator": "random.seed",  # also factory_boy's
    "model_bakery.random_gen": "baker_random.seed",
    "polyfactory.constants": "DEFAULT_RANDOM.seed",
}
"""Module → the function that seeds the library's shared generator."""

_OPTIONS: Final[Mapping[str, tuple[object, ...]]] = {
    "randomly_seed": ("default", "last"),
    "hypothesis_seed": (None,),
}
"""Options of plugins that do their own seeding → their values if the user gave no seed."""


def seed_generators(seed: int) -> None:
    """``seed``: 0 ≤ seed < 2³², the range of numpy."""
    random.seed(seed)
    for name in _GENERATORS:
        if name in sys.modules:
            _seed(sys.modules[name], seed)
    sys.meta_path.insert(0, _Seeder(seed))


def seed_plugins(options: Namespace, seed: int) -> None:
    """pytest-randomly reseeds before each phase of a test, Hypothesis for each call: with the process's own seed."""
    for option, unset in _OPTIONS.items():
        if getattr(options, option, seed) in unset:
            setattr(options, option, seed)


def _seed(module: ModuleType, seed: int) -> None:
    attrgetter(_GENERATORS[module.__name__])(module)(seed)


class _Seeder(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it only makes the loader of such a module seed it after loading."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _GENERATORS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((found for finder in others if (found := finder.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            # A copy: the loader of a zip file loads everything in it.
            spec.loader = loader = copy.copy(spec.loader)
            loader.exec_module = functools.partial(self._execute, loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _execute(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        _seed(module, self._seed)
