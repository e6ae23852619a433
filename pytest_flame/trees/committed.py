"""The gate at a commit: its own tests, marks and settings, collected in a separate tree and never run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pytest_flame
from pytest_flame.errors import FlameError
from pytest_flame.git import Repository
from pytest_flame.trees.copies import check_out, link_ignored
from pytest_flame.trees.gate_state import GateState
from pytest_flame.trees.overlay import is_test_module, test_parts
from pytest_flame.trees.provenance import Provenance
from pytest_flame.trees.redirect import PathMap
from pytest_flame.trees.scratch import Scratch
from pytest_flame.trees.sides import link_surroundings, search_path, starter

SETTINGS: Final = frozenset(
    {"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg", "pyproject.toml"}
)
_DROPPED: Final = ("PYTEST_CURRENT_TEST", "COV_CORE_", "COVERAGE_", "FLAME_PROFILE", "PYTEST_XDIST_")
_LONGEST_S: Final = 600.0
_SHOWN_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Collection:
    """How this run collects, and so how a commit's tests are collected. Paths are the user's."""

    root: Path
    directory: Path
    asked: tuple[str, ...]
    """Beginnings of the test ids that the run selects: folders, files, tests; ``.`` is everything."""
    arguments: tuple[str, ...]
    """pytest's and the gate's options of the command line."""
    python: tuple[str, ...]
    """The command that starts pytest."""
    patterns: tuple[str, ...]
    """pytest's ini value ``python_files``."""

    @property
    def places(self) -> list[Path]:
        """The files and folders that the run selects."""
        return list(dict.fromkeys(Path(os.path.normpath(self.root / name.partition("::")[0])) for name in self.asked))

    def holds(self, test_id: str) -> bool:
        """Whether the run selects a test with this id."""
        return any(
            name == "." or test_id == name or test_id.startswith((f"{name}/", f"{name}::", f"{name}["))
            for name in self.asked
        )


def changed_gate_files(
    repository: Repository, commit: str, patterns: Sequence[str], baselines: Path, accepted: Path
) -> set[str]:
    """Test code, pytest's settings, baselines and ``accepted``, the file of accepted slowdowns, that differ between a
    commit and the working tree."""
    committed = {entry.path for entry in repository.entries(commit)}
    working = {*repository.index(), *repository.untracked()}
    stored = inside(repository, baselines)
    relevant = {p for p in test_parts(committed | working, patterns) if p.endswith(".py")}
    relevant |= {p for p in committed | working if PurePosixPath(p).name in SETTINGS}
    if stored is not None:
        relevant |= {p for p in committed | working if p.startswith(f"{stored}/")}
    relevant |= {p for p in committed | working if p == inside(repository, accepted)}
    before = repository.blobs(commit, sorted(relevant & committed))
    return {p for p in relevant if _with_lf(before.get(p)) != _with_lf(_content(repository.top / p))}


def changed_baselines(repository: Repository, changed: set[str], commit: str, baselines: Path) -> dict[str, str]:
    """From ``changed_gate_files``: each baseline's JSON file that the commit has → ``changed`` or ``removed``."""
    stored = inside(repository, baselines)
    if stored is None:
        return {}
    files = [p for p in sorted(changed) if p.startswith(f"{stored}/") and p.endswith(".json")]
    there = {p for p, content in repository.blobs(commit, files).items() if content is not None}
    return {p: "changed" if (repository.top / p).is_file() else "removed" for p in files if p in there}


def committed_state(
    repository: Repository, commit: str, changed: set[str], how: Collection, scratch: Scratch
) -> GateState:
    """The state at ``commit`` of the test files among ``changed``, or of all if anything else affects them.

    Raises ``FlameError`` if it is not available.
    """
    outer = None if how.root.resolve().is_relative_to(repository.top) else how.root.resolve()
    tree = scratch.path / "gate" / ("" if outer is None else repository.top.relative_to(outer))
    check_out(repository, commit, tree, scratch.path, [])
    link_ignored(repository, tree, scratch.path)
    kept = (str(Path(pytest_flame.__file__).resolve().parent),)
    places = PathMap(str(repository.top), str(tree), kept)
    root = Path(places.mapped(str(how.root)) or scratch.path / "gate")
    if outer is not None:
        link_surroundings(outer, repository.top, root)
    files = _files(how, changed, places, tree)
    if not files:
        return GateState()
    state_path = scratch.path / "gate.json"
    provenance = Provenance("gate", str(tree), "", str(repository.top), kept)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
    environment |= {
        "PYTHONPATH": search_path(places, starter(scratch.path, provenance)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    directory = Path(places.mapped(str(how.directory)) or root)
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        *how.python,
        *("--collect-only", "-q", "--continue-on-collection-errors", "-p", "no:cacheprovider"),
        *("-p", "pytest_flame.gated", f"--flame-gate-state={state_path}", f"--rootdir={root}"),
        *how.arguments,
        *map(str, files),
    ]
    output = _run(command, directory, environment, scratch)
    try:
        return GateState.read(state_path)
    except (OSError, ValueError) as e:
        raise FlameError("its tests could not be collected", why=output.strip()[-_SHOWN_CHARACTERS:]) from e


def _files(how: Collection, changed: set[str], places: PathMap, tree: Path) -> list[Path]:
    modules = [p for p in changed if is_test_module(p, how.patterns) and PurePosixPath(p).name != "conftest.py"]
    asked = [Path(places.mapped(str(place)) or tree) for place in how.places]
    baselines_aside = {p for p in changed if p.endswith(".py") or PurePosixPath(p).name in SETTINGS}
    if baselines_aside - set(modules):
        return [place for place in asked if place.exists()]
    there = [tree / p for p in sorted(modules) if (tree / p).is_file()]
    return [file for file in there if any(file.is_relative_to(place) for place in asked)]


def _run(command: Sequence[str], directory: Path, environment: dict[str, str], scratch: Scratch) -> str:
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    scratch.guard(process.pid)
    try:
        output, _ = process.communicate(timeout=_LONGEST_S)
    except subprocess.TimeoutExpired as e:
        raise FlameError(f"its tests were not collected within {_LONGEST_S:.0f} s") from e
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        scratch.release(process.pid)
    return output.decode(errors="replace")


def inside(repository: Repository, place: Path) -> str | None:
    """A path as git writes it; None outside the repository."""
    resolved = place.resolve()
    return resolved.relative_to(repository.top).as_posix() if resolved.is_relative_to(repository.top) else None


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _with_lf(content: bytes | None) -> bytes | None:
    return None if content is None else content.replace(b"\r\n", b"\n")
