"""Parses the text of options and ini values. ``ValueError`` if it is invalid."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pytest_flame.errors import UsageError
from pytest_flame.quantities import parse_duration

MAX_CPUS: Final = 8192
"""More than Linux supports."""


def parse_count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parse_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def parse_processes(text: str) -> int:
    value = int(text)
    if value < 3:
        raise ValueError
    return value


def parse_cpus(text: str) -> tuple[int, ...]:
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise ValueError
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < MAX_CPUS:
            raise ValueError
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def parse_shard(text: str) -> tuple[int, int]:
    """``2/5``: the second of five."""
    index, _, count = text.partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    return int(index), int(count)


def choice_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


def parse_deadline(text: str) -> float | None:
    return None if text == "auto" else parse_duration(text)


def parse_alpha(text: str) -> float:
    value = float(text)
    if not 0 < value < 0.5:
        raise ValueError
    return value


def parse_ref(text: str) -> str:
    """A git ref, or ``REF...``. A ref made from an empty variable must not be taken for a different one."""
    first, _, second = text.strip().partition("...")
    if not first or first.startswith(("~", "^")) or any(side.endswith("/") for side in (first, second)):
        raise UsageError(
            f"{text!r} names no commit to compare with",
            why="a variable in the command was probably empty: REF... and origin/REF... need their REF",
            fix="set it: --flame-against=origin/main...",
        )
    if re.fullmatch(r"0{40}|0{64}", first):
        raise UsageError(
            "the all-zero hash names no commit to compare with",
            why="CI services use it for a new branch, which has no previous commit",
            fix="name the branch it started from: --flame-against=origin/main...",
        )
    return text.strip()


def parse_url(text: str) -> str:
    """``"s3://bucket/folder"``, without blanks around it. Raises ``ValueError``."""
    scheme, separator, place = text.strip().partition("://")
    if not (scheme and separator and place.strip("/")):
        raise ValueError(f"{text!r} is not a URL")
    return text.strip()
