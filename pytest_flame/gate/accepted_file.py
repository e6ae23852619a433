"""The file of accepted slowdowns, ``flame-accepted.toml``: one entry for each, with a reason and an end."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pytest_flame.errors import UsageError
from pytest_flame.model import Acceptance
from pytest_flame.quantities import parse_percent

_TABLE: Final = "accepted"
_EXAMPLE: Final = {
    "test": 'test = "tests/test_orders.py::test_total", a test id or a pattern with *',
    "culprit": 'culprit = "orders.tax:rate", the function as the report prints it, or no such line',
    "limit": 'limit = "+12 %", the largest slowdown that is accepted',
    "reason": 'reason = "rates are checked now, see the changelog", why it is worth its cost',
    "until": "until = 2031-12-31, the last day on which it is accepted",
}
"""Key → what to write. All but the culprit are required."""


def read_accepted(path: Path, *, required: bool = False) -> tuple[Acceptance, ...]:
    """The entries, in the order of the file; none if there is no file.

    Raises ``UsageError`` that names the file, the entry and what to write; also for a missing file if it is
    ``required``.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as e:
        if required:
            raise UsageError(
                f"the file of accepted slowdowns does not exist: {path}",
                why="flame_accepted names it",
                fix=f"create it (an empty file accepts nothing), or leave flame_accepted out: touch {path}",
            ) from e
        return ()
    except OSError as e:
        raise UsageError(f"{path} cannot be read", why=str(e.strerror or e), fix=f"ls -l {path}") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{path} is not UTF-8", why=f"byte {e.start}", fix="save it as UTF-8") from e
    return parse_accepted(text, path.name)


def parse_accepted(text: str, name: str) -> tuple[Acceptance, ...]:
    """The entries of a file with this content. Raises ``UsageError``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise UsageError(
            f"{name} is not TOML: {e}", fix="write each entry under its own [[accepted]], and texts in quotes"
        ) from e
    unknown = [key for key in document if key != _TABLE]
    if unknown:
        raise UsageError(f"{name} has {unknown[0]!r}, which is not known", fix="write entries under [[accepted]]")
    entries = document.get(_TABLE, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{name}: accepted is not a list of entries", fix="write [[accepted]], with two brackets")
    return tuple(_entry(entry, f"{name}, entry {number}") for number, entry in enumerate(entries, 1))


def _entry(entry: Mapping[str, Any], place: str) -> Acceptance:
    named = f"{place} ({entry['test']})" if isinstance(entry.get("test"), str) else place
    for key in entry:
        if key not in _EXAMPLE:
            raise UsageError(f"{named}: {key!r} is not known", fix=f"an entry has {', '.join(_EXAMPLE)}")

    def value(key: str, kind: str, read: Callable[[Any], Any]) -> Any:
        if key not in entry:
            raise UsageError(f"{named}: {key} is missing", fix=f"write {_EXAMPLE[key]}")
        try:
            return read(entry[key])
        except ValueError as e:
            shown = repr(entry[key]) if isinstance(entry[key], str) else str(entry[key])
            raise UsageError(f"{named}: {key} is {shown}, not {kind}", fix=f"write {_EXAMPLE[key]}") from e

    return Acceptance(
        test=value("test", "a test id", _text),
        limit=value("limit", "a percentage", _percent),
        reason=value("reason", "a reason", _text),
        until=value("until", "a date", _date),
        culprit=value("culprit", "a function", _text) if "culprit" in entry else None,
        place=place,
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def _percent(value: object) -> float:
    return parse_percent(_text(value).removeprefix("+"))


def _date(value: object) -> datetime.date:
    if isinstance(value, str):
        return datetime.date.fromisoformat(value.strip())
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise ValueError(value)
    return value
