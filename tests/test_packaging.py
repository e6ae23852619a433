"""What the package says about itself and what goes into it. ``ci/packaging.sh`` really installs it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.sampling import native

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
FOR_THE_C_MODULE = {"cffi"}
DISTRIBUTIONS = {"_pytest": "pytest", "elftools": "pyelftools"}
"""Where the module is called otherwise."""


NOT_FOR_USERS = {"test", "docs"}
"""Extras of the project's own environments."""
FOR_FSSPEC = {"s3fs"}
"""Loaded by fsspec for its URLs."""


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in requirements}


def declared() -> set[str]:
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    optional = [line for name, lines in extras.items() if name not in NOT_FOR_USERS for line in lines]
    return names_of([*PROJECT["dependencies"], *optional])


def imported() -> set[str]:
    """Top-level modules outside the standard library that the package imports anywhere."""
    found = set()
    for path in (ROOT / "pytest_flame").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    tops = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"pytest_flame"}
    return {DISTRIBUTIONS.get(top, top) for top in tops}


def test_dependencies_are_what_is_imported() -> None:
    assert declared() - FOR_THE_C_MODULE - FOR_FSSPEC == imported()


def test_installed_metadata_is_that_of_the_checkout() -> None:
    metadata = distribution("pytest-flame").metadata
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == PROJECT["license"]


def test_supported_pythons_are_listed_once_for_everything_else_to_follow() -> None:
    listed = tuple(
        found[1]
        for classifier in PROJECT["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
    )
    assert listed == native.PYTHONS
    assert PROJECT["requires-python"] == f">={listed[0]}"
    asked = subprocess.run(
        ["sh", "-c", 'ROOT=$1; . "$ROOT/ci/env.sh"; echo $SUPPORTED', "sh", ROOT], capture_output=True, text=True
    )
    assert tuple(asked.stdout.split()) == listed


def test_pytest_finds_the_plugin() -> None:
    found = [entry for entry in entry_points(group="pytest11") if entry.name == "flame"]
    assert [entry.value for entry in found] == ["pytest_flame.plugin"]


def test_the_flame_command_is_installed() -> None:
    found = [entry for entry in entry_points(group="console_scripts") if entry.name == "flame"]
    assert [entry.value for entry in found] == ["pytest_flame.cli.command:main"]


def test_types_and_licence_are_installed() -> None:
    installed = {str(path) for path in distribution("pytest-flame").files or ()}
    licences = [name for name in installed if name.endswith(".dist-info/licenses/LICENSE")]
    assert len(licences) == 1
    assert (ROOT / "pytest_flame" / "py.typed").is_file()
    assert PROJECT["license-files"] == ["LICENSE"]
    assert not [line for line in PROJECT["classifiers"] if line.startswith("License")], "PEP 639 has replaced them"


def test_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert re.sub(r"\s+", " ", citation).count("pytest plugin that gates a Python project on performance") == 1


def test_version_has_a_place_in_the_changelog() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_sdist_holds_what_git_holds(tmp_path: Path) -> None:
    pytest.importorskip("scikit_build_core", reason="the build backend is not installed here")
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")

    def listed(*options: str) -> set[str]:
        out = subprocess.run(["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, text=True, check=True)
        return {
            name
            for name in out.stdout.split("\0")
            if (ROOT / name).is_file() and not name.startswith((".ci/", ".github/"))
        }

    code = f"from scikit_build_core.build import build_sdist; build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()} - {"PKG-INFO"}
    assert listed() <= packed, "tracked files are missing"
    assert packed <= listed("--cached", "--others", "--exclude-standard"), "files nobody wants are packed"
