"""The title of a picture, how its files are read and how its frames get their names."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import PurePath

from pytest_flame.cli.inputs import STDIN, SUFFIXES
from pytest_flame.formats.content import Bounds
from pytest_flame.formats.format import ReadOptions
from pytest_flame.formats.labels import Naming


def how(arguments: Namespace, *, threads: bool) -> ReadOptions:
    """How files are read, from the options; ``threads`` is the default."""
    return ReadOptions(_naming(arguments, threads=threads), Bounds(size=arguments.max_size), arguments.metric or "")


def _naming(arguments: Namespace, *, threads: bool) -> Naming:
    return Naming(
        functions=arguments.names == "function",
        threads=threads if arguments.threads is None else arguments.threads,
        strip=tuple(folder.replace("\\", "/") for folder in arguments.strip or ()),
    )


def title_of(files: Sequence[str]) -> str:
    """The first file's name without its suffix, and how many more there are."""
    first = "profile" if files[0] == STDIN else stem(files[0])
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"


def title_of_sides(before: Sequence[str], after: Sequence[str]) -> str:
    """``old → new``; with their folders if the files have the same name."""
    short = title_of(before), title_of(after)
    if short[0] != short[1]:
        return f"{short[0]} → {short[1]}"
    return f"{PurePath(before[0]).with_name(short[0])} → {PurePath(after[0]).with_name(short[1])}"


def stem(path: str) -> str:
    name = PurePath(path).name
    suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s) and name != s), "")
    return name.removesuffix(suffix) or path
