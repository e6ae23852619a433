"""Which files of a project are its tests: what base gets from head. Pure functions of paths, all with ``/``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final

DEFAULT_PATTERNS: Final = ("test_*.py", "*_test.py")
_TEST_FOLDERS: Final = frozenset({"test", "tests", "testing"})
_BENCHMARK_FOLDERS: Final = frozenset({"benchmark", "benchmarks", "bench", "benches", "perf"})
_SOURCE_FOLDERS: Final = frozenset({"src", "lib", "python"})
_SCRIPTS: Final = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py"})
_SETTINGS: Final = frozenset({"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini"})
_HELPER: Final = re.compile(r"(^|_)(helpers?|fixtures?|factory|factories|fakes?|mocks?)(_|$)", re.IGNORECASE)


def test_parts(paths: Iterable[str], patterns: Sequence[str] = DEFAULT_PATTERNS) -> set[str]:
    """The tests among all ``paths`` of a repository: test modules, conftest files, whole test folders with their data,
    and pytest's own settings files.

    A folder is a test folder if it is named test, tests or testing, or if its modules are only tests and their helpers.
    Inside a package, ``pkg/testing`` is part of the package, and ``pkg/test`` or ``pkg/tests`` are tests only if they
    contain a test module. Benchmark folders count if they contain a test module and are not the project itself. A
    pattern that ends in ``/`` is a test folder, by its name or the end of its path. Other code next to tests never
    belongs to them.
    """
    everything = set(paths)
    modules = {p for p in everything if is_test_module(p, patterns)}
    folders = _test_folders(everything, modules)
    named = tuple(f"/{pattern.strip('/')}" for pattern in patterns if pattern.endswith("/"))
    folders |= {parent for p in everything for parent in _parents(p) if f"/{parent}".endswith(named)}
    parts = {p for p in everything if p in modules or PurePosixPath(p).name in _SETTINGS}
    return parts | {p for p in everything if any(parent in folders for parent in _parents(p))}


test_parts.__test__ = False  # type: ignore[attr-defined]


def is_test_module(path: str, patterns: Sequence[str] = DEFAULT_PATTERNS) -> bool:
    """Whether it is a conftest file or matches the ini value ``python_files``, the way pytest matches it."""
    name = PurePosixPath(path).name
    if name == "conftest.py":
        return True
    return path.endswith(".py") and any(
        fnmatch.fnmatchcase(path, f"*{pattern}") if "/" in pattern else fnmatch.fnmatchcase(name, pattern)
        for pattern in patterns
    )


def _test_folders(everything: set[str], modules: set[str]) -> set[str]:
    with_tests = {parent for p in modules for parent in _parents(p)}
    folders = {parent for p in everything for parent in _parents(p)}
    found = set()
    for folder in folders:
        path = PurePosixPath(folder)
        in_package = str(path.parent) != "." and f"{path.parent}/__init__.py" in everything
        if path.name in _TEST_FOLDERS and (not in_package or (path.name != "testing" and folder in with_tests)):
            found.add(folder)
        benchmarks = path.name in _BENCHMARK_FOLDERS and not in_package and folder in with_tests
        if benchmarks and (f"{folder}/__init__.py" not in everything or _is_beside(path, everything, modules)):
            found.add(folder)
    direct: dict[str, list[str]] = {}
    for p in everything:
        if p.endswith(".py") and "/" in p:
            direct.setdefault(str(PurePosixPath(p).parent), []).append(p)
    for folder, inside in direct.items():
        if any(p in modules for p in inside) and all(p in modules or _goes_with_tests(p, everything) for p in inside):
            deeper = {f for f in direct if f.startswith(f"{folder}/")}
            # Folders of code below it are excluded: only folders without modules are data.
            if not deeper or all(any(p in modules for p in direct[f]) for f in deeper):
                found.add(folder)
    return found


def _is_beside(package: PurePosixPath, everything: set[str], modules: set[str]) -> bool:
    """Whether it is a package of benchmarks and not a project of that name: it contains test modules outside its own
    test folder, and there is other code as well."""
    if package.parent.name in _SOURCE_FOLDERS or not any(PurePosixPath(p).parent == package for p in modules):
        return False
    return any(
        p.endswith(".py")
        and p not in modules
        and not p.startswith(f"{package}/")
        and not _TEST_FOLDERS & set(PurePosixPath(p).parts)
        and PurePosixPath(p).name not in _SCRIPTS
        for p in everything
    )


def _goes_with_tests(path: str, everything: set[str]) -> bool:
    module = PurePosixPath(path)
    if module.stem == "__init__":
        return True
    return bool(_HELPER.search(module.stem)) and str(module.with_name(f"test_{module.name}")) not in everything


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
