"""Which files a worker really imported: the project's must be from its own side."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from pytest_flame import installed
from pytest_flame.trees.opened import source_of
from pytest_flame.trees.provenance import Provenance
from pytest_flame.trees.redirect import PathMap

_SUFFIXES: Final = (".py", ".pyc", *EXTENSION_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Stray:
    """A file of the project that came from elsewhere."""

    module: str
    file: str
    why: str


def imported_files() -> Iterator[tuple[str, str]]:
    """Name and file of every module imported so far, including compiled ones; without this package's own modules, which
    measure and are not measured."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "pytest_flame":
            continue
        # Not getattr: lazy modules would import something.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith(_SUFFIXES):
            yield name, file


Known = dict[tuple[str, str], Stray | None]
"""Module and file → what is wrong with it."""


def strays(
    provenance: Provenance, imported: Iterator[tuple[str, str]] | None = None, known: Known | None = None
) -> list[Stray]:
    """What was imported from the wrong place, sorted by file. ``known``: what was checked before, and is not checked
    again; it is completed.

    Wrong are files of the other side's tree or of the user's checkout, and an installed copy of one of the project's
    modules whose content is not this side's. Raises ``OSError`` if a file cannot be read.
    """
    places = PathMap(provenance.checkout, provenance.tree, provenance.kept, provenance.shares_compiled)
    known = {} if known is None else known
    found = {}
    for module, file in imported if imported is not None else imported_files():
        if (module, file) not in known:
            real = os.path.realpath(file)
            why = _wrong(module, real, provenance, places)
            known[module, file] = Stray(module, real, why) if why else None
        if (stray := known[module, file]) is not None:
            found[stray.file] = stray
    return [found[file] for file in sorted(found)]


def _wrong(module: str, file: str, provenance: Provenance, places: PathMap) -> str:
    path = Path(file)
    if path.is_relative_to(provenance.tree):
        return ""
    if path.is_relative_to(provenance.other):
        return "the other side's tree"
    if places.mapped(file) is not None:
        return _wrong_compiled(module, path, provenance) if places.is_shared(file) else "the checkout itself"
    if any(path.is_relative_to(kept) for kept in provenance.kept):
        return ""
    return _wrong_copy(module, path, provenance)


def _wrong_copy(module: str, file: Path, provenance: Provenance) -> str:
    """For a file outside all trees: installed, or from another checkout."""
    top, *rest = module.split(".")
    for root in provenance.roots:
        here = [Path(tree, root) for tree in (provenance.tree, provenance.other)]
        if not any((place / top / "__init__.py").is_file() or (place / f"{top}.py").is_file() for place in here):
            continue
        if _is_another_distribution(top, provenance):
            return ""
        if file.name.endswith(tuple(EXTENSION_SUFFIXES)):
            return _wrong_compiled(module, file, provenance)
        inside = Path(top, *rest, "__init__.py") if file.stem == "__init__" else Path(top, *rest).with_suffix(".py")
        own, other = (place / inside for place in here)
        if (Path(root) / inside).as_posix() in provenance.generated:
            return ""
        if not own.is_file():
            return "an installed copy of a file that this side does not have" if other.is_file() else ""
        if file.suffix == ".py" and own.read_bytes() != file.read_bytes():
            return "an installed copy that differs from this side's file"
        return ""
    return ""


def _wrong_compiled(module: str, file: Path, provenance: Provenance) -> str:
    if any(file.is_relative_to(own) for own in provenance.own):
        return ""
    if not provenance.shares_compiled:
        return "a module compiled from sources that are not this side's"
    if provenance.side == "head":
        return ""
    # mypyc and Cython compile Python modules: if the module differs, what was built from head's is not base's.
    modules = [Path(root, *module.split(".")).with_suffix(".py") for root in provenance.roots]
    differ = any(_content(Path(provenance.tree) / m) != _content(Path(provenance.other) / m) for m in modules)
    return "a compiled form of head's module" if differ else ""


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _is_another_distribution(top: str, provenance: Provenance) -> bool:
    """Whether the project vendors a third-party package, and the installed one was imported."""
    owners: Mapping[str, list[str]] = importlib.metadata.packages_distributions()
    names = {normalised(name) for name in owners.get(top, ())}
    return bool(names and provenance.distributions) and names.isdisjoint(provenance.distributions)


def normalised(distribution: str) -> str:
    """A distribution's name, normalised as in the packaging specifications."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def misread(provenance: Provenance, files: Iterable[str]) -> list[Stray]:
    """Which of the ``files`` opened while this side was measured its processes must not run."""
    places = PathMap(provenance.checkout, provenance.tree, provenance.kept, provenance.shares_compiled)
    found = {}
    for file in files:
        source = source_of(os.path.realpath(file))
        module = _module_of(source, provenance)
        try:
            why = _wrong(module, source, provenance, places)
        except OSError:
            why = "a file that is gone"
        if why:
            found[source] = Stray(module, source, why)
    return [found[file] for file in sorted(found)]


def _module_of(source: str, provenance: Provenance) -> str:
    path = Path(source)
    tops = [Path(top, root) for top in (provenance.other, provenance.checkout) for root in provenance.roots]
    tops += [parent for parent in path.parents if parent.name in installed.FOLDERS]
    inside = [path.relative_to(top) for top in tops if path.is_relative_to(top)]
    if not inside:
        return path.stem
    shortest = min(inside, key=lambda found: len(found.parts)).with_suffix("")
    return ".".join(part for part in shortest.parts if part != "__init__")


def misread_message(stray: Stray, started: Sequence[str], provenance: Provenance) -> str:
    """One line; ``started`` are the test's own commands."""
    who = "a process that the test started"
    if len(started) == 1:
        who = f"`{started[0]}`"
    return f"{who} ran, on {provenance.side}, the code of {stray.why}: {stray.file}"


def misread_details(found: list[Stray], commands: Sequence[str], provenance: Provenance) -> str:
    """All files, what the test had started, and what to do."""
    lines = [f"{s.module}: {s.file} ({s.why})" for s in found]
    lines += [f"started: {command}" for command in dict.fromkeys(commands)]
    lines.append(f"expected: files below {provenance.tree}")
    lines.append(
        "fix: start Python with the environment of the test (env=os.environ | {...}) and without -I and -E, so that "
        "its imports are redirected to its side's copy; name files relative to the test, not by the checkout's path"
    )
    return "\n".join(lines)


def message(stray: Stray, provenance: Provenance) -> str:
    """One line."""
    return f"{provenance.side} imported {stray.module} from {stray.why}: {stray.file}"


def details(found: list[Stray], provenance: Provenance) -> str:
    """All files and what to do."""
    lines = [f"{s.module}: {s.file} ({s.why})" for s in found]
    lines.append(f"expected: files below {provenance.tree}")
    lines.append(
        "fix: install the project editable (python -m pip install -e .), so that each side can read its own files, or "
        "give each side its own installation: --flame-base-install='pip install .'"
    )
    return "\n".join(lines)
