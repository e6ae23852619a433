"""Paths of the checkout in arguments and commands, moved to a side's tree."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pytest_flame.trees.redirect import PathMap


def moved_paths(text: str, aliases: Sequence[str], places: PathMap) -> str:
    """A text with every absolute path of the checkout moved to a side's tree."""
    for alias in aliases:
        text = re.sub(
            rf"(?<![\w./-]){re.escape(alias)}(?![\w.-])(/[^\s:;,'\"]*)?",
            lambda found: places.mapped(found[0]) or found[0],
            text,
        )
    return text


def from_outside(path: str, directory: Path, places: PathMap) -> str:
    """A relative path that leaves the checkout, resolved from the user's ``directory``; any other unchanged."""
    if path.startswith(".."):
        meant = Path(os.path.normpath(directory / path))
        if meant.exists() and places.mapped(str(meant)) is None:
            return str(meant)
    return path


def moved_command(command: str, aliases: Sequence[str], places: PathMap, directory: Path) -> str:
    """A shell command written for ``directory``, adapted to its copy: it refers to the copy's files, and to the same
    files outside the checkout."""
    return re.sub(
        r"(?<![\w./-])\.\.(?:/[^\s;&|<>()'\"]*)?(?![\w.-])",
        lambda found: from_outside(found[0], directory, places),
        moved_paths(command, aliases, places),
    )
