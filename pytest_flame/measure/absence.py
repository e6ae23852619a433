"""Whether a test failed on base because what it tests does not exist there yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

from pytest_flame.trees.provenance import Provenance


def absence(error: BaseException, provenance: Provenance) -> str | None:
    """One line naming the project's module or symbol that ``error`` could not find; None for any other failure.

    Only if a test, a conftest file or a helper needed it: if the project's own code cannot find something, that is a
    failure of that code.
    """
    for e in _causes(error):
        if isinstance(e, (ImportError, AttributeError)) and _asked_by_test(e.__traceback__, provenance):
            return _missing_module(e, provenance) if isinstance(e, ImportError) else _missing_attribute(e, provenance)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the first cause first."""
    chain: list[BaseException] = []
    e: BaseException | None = error
    while e is not None and e not in chain:
        chain.append(e)
        cause = getattr(e, "cause", None)  # pytest's ConftestImportFailure
        e = cause if isinstance(cause, BaseException) else e.__cause__
    return reversed(chain)


def _asked_by_test(traceback: TracebackType | None, provenance: Provenance) -> bool:
    files = []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    own = [Path(file) for file in files if _in_tree(file, provenance)]
    return bool(own) and own[-1].resolve().relative_to(provenance.tree).as_posix() in provenance.tests


def _missing_module(e: ImportError, provenance: Provenance) -> str | None:
    if e.name is None:
        return None
    top = e.name.partition(".")[0]
    if isinstance(e, ModuleNotFoundError):
        for root in provenance.roots:
            place = Path(provenance.other, root)
            if (place / top).is_dir() or (place / f"{top}.py").is_file():
                return f"there is no module {e.name}"
        return None
    # from module import symbol
    module = sys.modules.get(e.name)
    file = e.path or getattr(module, "__file__", None)
    if not isinstance(file, str) or not _in_tree(file, provenance):
        return None
    symbol = getattr(e, "name_from", None) or _quoted(str(e))
    return f"there is no {e.name}.{symbol}" if symbol else f"{e.name} lacks a name"


def _quoted(text: str) -> str:
    """``cannot import name 'x' from …``: before Python 3.12 only the text names it."""
    return text.split("'")[1] if text.count("'") >= 2 else ""


def _missing_attribute(e: AttributeError, provenance: Provenance) -> str | None:
    owner = e.obj
    if owner is None or e.name is None:
        return None
    if not isinstance(owner, (type, ModuleType)):
        owner = type(owner)
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    file = getattr(sys.modules.get(module), "__file__", None)
    if not isinstance(file, str) or not _in_tree(file, provenance):
        return None
    if Path(file).resolve().relative_to(provenance.tree).as_posix() in provenance.tests:
        return None
    shown = f"{module}.{owner.__qualname__}" if isinstance(owner, type) else module
    return f"there is no {shown}.{e.name}"


def _in_tree(file: str, provenance: Provenance) -> bool:
    return not file.startswith("<") and Path(file).resolve().is_relative_to(provenance.tree)
