"""Sides that are two checkouts of one program, compared function by function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_flame.formats.checkouts import Folders, folders, moved, renamed
from pytest_flame.model import Profile


def aligned(before: Sequence[Profile], after: Sequence[Profile]) -> tuple[list[Profile], list[Profile], Folders | None]:
    """Both sides with paths relative to one folder each, if the same files are in two folders; and the folders."""
    found = folders(_paths(before), _paths(after))
    if found is None:
        return list(before), list(after), None
    return [_relative(p, found.before) for p in before], [_relative(p, found.after) for p in after], found


def note(found: Folders) -> str:
    """What was done."""
    one, other = (folder or "the current folder" for folder in (found.before, found.after))
    return f"paths are relative to {one} (before) and {other} (after), which contain the same files"


def _paths(profiles: Sequence[Profile]) -> dict[str, str]:
    return {module: path for profile in profiles for module, path in profile.paths.items()}


def _relative(profile: Profile, folder: str) -> Profile:
    names = renamed(profile.paths, folder)
    if not names:
        return profile
    frames = {frame: moved(frame, names) for stack in profile.costs for frame in stack}
    paths = {names.get(module, module): path for module, path in profile.paths.items()}
    return replace(profile.renamed(frames), paths=paths)
