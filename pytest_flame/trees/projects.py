"""The projects of a repository: their names, where their modules lie, their release."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path

from pytest_flame.git import Repository
from pytest_flame.git_program import GitError
from pytest_flame.trees.proof import normalised


def import_roots(paths: Sequence[str]) -> tuple[str, ...]:
    """Folders that a build could take packages from: each project's folder in the repository, and its sources."""
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


def distributions(tree: Path, roots: Sequence[str]) -> tuple[str, ...]:
    """Names of the repository's projects; none if one of them is only in a setup.py."""
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
        pass  # if we cannot read it, it counts as undeclared
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
    except (ConfigError, ValueError):
        return None
    return parser.get("metadata", "name", fallback=None)


def release_before(repository: Repository, commit: str) -> str:
    """The last release before a commit, for build backends that use git."""
    try:
        tag = repository.run("describe", "--tags", "--abbrev=0", commit).decode().strip()
    except GitError:
        return "0.0.0"
    found = re.search(r"\d+(\.\d+)*", tag)
    return found[0] if found else "0.0.0"
