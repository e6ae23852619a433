"""Where results go: the suffix of a file's name, or ``--format``, gives the format."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pytest_flame import atomic
from pytest_flame.errors import UsageError
from pytest_flame.formats import registry
from pytest_flame.formats.format import Profiles
from pytest_flame.render.picture import Picture

STDOUT: Final = "-"
SHOWN: Final[Mapping[str, tuple[str, ...]]] = {"svg": (".svg",), "html": (".html", ".htm"), "markdown": (".md",)}
"""Formats for people, with their suffixes; profiles for other programs are in ``formats.registry``."""
Writers = Mapping[str, Callable[[], str]]
"""The writer of each format that a command can write."""


@dataclass(frozen=True, slots=True)
class Output:
    path: str
    format: str


def known_formats(*shown: str) -> tuple[str, ...]:
    """What a command can write: these of ``SHOWN``, and every writable profile format."""
    return (*shown, *registry.written())


def profile_writers(profiles: Profiles) -> dict[str, Callable[[], str]]:
    """One for each format that is written."""
    return {name: partial(known.write, profiles) for name, known in registry.written().items() if known.write}


def suffixes(name: str) -> tuple[str, ...]:
    return SHOWN[name] if name in SHOWN else registry.written()[name].suffixes


def outputs(paths: Sequence[str], asked: str | None, known: Sequence[str]) -> list[Output]:
    """The format of each file. Raises ``UsageError`` before anything is read or written."""
    if asked is not None and asked not in known:
        raise UsageError(f"--format {asked} is not for this command", why=f"expected one of {', '.join(known)}")
    found = [Output(path, asked or _by_suffix(path, known)) for path in paths]
    if [output.path for output in found].count(STDOUT) > 1:
        raise UsageError("-o - is standard output, which takes only one result")
    return found


def write(results: Sequence[Output], writers: Writers) -> None:
    """Write each result, each file atomically. Raises ``UsageError`` if one can't be written."""
    for output in results:
        text = writers[output.format]()
        if output.path == STDOUT:
            sys.stdout.buffer.write(text.encode("utf-8"))
            sys.stdout.buffer.flush()
            continue
        try:
            atomic.write_bytes(Path(output.path), text.encode("utf-8"), durable=False)
        except OSError as e:
            folder = Path(output.path).parent
            fix = "" if folder.is_dir() else f"create its folder first: mkdir -p {shlex.quote(str(folder))}"
            raise UsageError(f"{output.path} can't be written", why=e.strerror or str(e), fix=fix) from e


def svg_text(picture: Picture, *, static: bool) -> str:
    """A picture with its script, which is static in viewers that remove scripts; or without."""
    if static:
        from pytest_flame.render.svg import static_svg

        return static_svg(picture)
    from pytest_flame.render.interactive_svg import interactive_svg

    return interactive_svg(picture)


def _by_suffix(path: str, known: Sequence[str]) -> str:
    expected = f"expected one that ends in {_listed(known)}"
    if path == STDOUT:
        raise UsageError("-o - does not give the format", fix=f"add --format {'|'.join(known)}")
    for name in known:
        if path.lower().endswith(suffixes(name)):
            return name
    if path.lower().endswith(".json"):
        raise UsageError(f"-o {path}: no format has that suffix", why=expected, fix="name it ….speedscope.json")
    raise UsageError(f"-o {path}: no format has that suffix", why=expected, fix="or give --format")


def _listed(known: Sequence[str]) -> str:
    return ", ".join(suffixes(name)[0] for name in known)
