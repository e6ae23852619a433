"""Real projects at their commits, and how their own tests are run: by a launcher, or by pytest directly."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.measure.counting import Countable, Passes, count
from pytest_flame.measure.launch import Launcher
from pytest_flame.trees.scratch import Scratch

ENVIRONMENT: Final = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Installed plugins import releases of the same projects."""


@dataclass(frozen=True, slots=True)
class Project:
    """``parts`` are all paths that its tests need; a commit that changes none of them is not looked at."""

    name: str
    imports: str
    """The folder that its package is imported from."""
    parts: tuple[str, ...]
    requires: tuple[str, ...]
    modules: tuple[str, ...]
    """Of the standard library and of what it requires, imported by most of its tests."""

    def commits(self, repository: Path, until: str, most: int) -> list[str]:
        """The latest commits of the main line up to ``until`` that change ``parts``, the oldest first."""
        log = ("log", "--first-parent", "--format=%H", f"--max-count={most}", until, "--", *self.parts)
        return git(repository, *log).split()[::-1]

    def export(self, repository: Path, commit: str, tree: Path) -> None:
        """Writes the commit's ``parts`` into the folder ``tree``, which is made anew."""
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        listed = git(repository, "ls-tree", "--name-only", commit, "--", *self.parts).split()
        archive = subprocess.Popen(
            ["git", "--git-dir", repository, "archive", commit, "--", *listed], stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", tree], stdin=archive.stdout, check=True)
        if archive.wait():
            raise subprocess.CalledProcessError(archive.returncode, archive.args)

    def arguments(self, tree: Path, packages: Path) -> tuple[str, ...]:
        """pytest's, without its paths. ``packages``: a folder with what the project requires."""
        (tree / "suite.ini").write_text("[pytest]\n", encoding="utf-8")
        found = f"{tree / self.imports} {packages}"
        return (
            f"--rootdir={tree}",
            "-c",
            str(tree / "suite.ini"),
            "-o",
            f"pythonpath={found}",
            "-p",
            "no:cacheprovider",
        )

    def launcher(self, tree: Path, packages: Path, scratch: Path, guard: Scratch) -> Launcher:
        scratch.mkdir(exist_ok=True)
        return Launcher(tree, tree, scratch, self.arguments(tree, packages), guard=guard)


PROJECTS: Final[Mapping[str, Project]] = {
    one.name: one
    for one in (
        Project("jinja", "src", ("src/jinja2", "tests"), ("markupsafe", "trio"), ("asyncio", "trio", "markupsafe")),
        Project(
            "rich",
            "",
            ("rich", "tests"),
            ("pygments", "markdown-it-py", "attrs"),
            ("asyncio", "pygments.lexers", "markdown_it", "attr"),
        ),
    )
}


class Quiet:
    def counted(self, done: int, tests: int) -> None:
        pass


def passes(tests: Sequence[str], sides: Mapping[str, Launcher]) -> dict[str, Passes]:
    """The exact passes of tests, by side. The test files are named relative to the roots, where workers start."""
    countable = [Countable(test, Path(test.partition("::")[0]), None, None, twice=True) for test in tests]
    return count(countable, sides, Quiet(), forks=True, max_time_s=None)[0]


def environment(hash_seed: int = 1) -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT, "PYTHONHASHSEED": str(hash_seed)}


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "--git-dir", repository, *arguments], capture_output=True, text=True, check=True)
    return done.stdout
