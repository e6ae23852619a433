"""Any profile that is read, whichever of the known formats it is in: the first bytes say which."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, BinaryIO, Final

from pytest_flame.errors import FormatError
from pytest_flame.formats import collapsed, perf_script, registry, sniff
from pytest_flame.formats.content import Content
from pytest_flame.formats.format import Beginning, ReadOptions
from pytest_flame.model import Profile

_HEAD: Final = 200
"""Lines that show what a text is."""


def read(stream: BinaryIO, name: str, how: ReadOptions) -> Profile:
    """One profile in any format of ``FORMATS``; plain or compressed with gzip, in UTF-8, UTF-16 or UTF-32.

    ``name`` is what errors call it. Raises ``FormatError`` for everything else, with what it is and what to do.
    """
    content = Content(stream, name, how.bounds)
    head = _checked(content)
    beginning = Beginning(head.split("\n")[:_HEAD], _document_of(content) if _is_json(head) else None)
    for known in registry.FORMATS:
        if known.recognises is None or known.read is None or not known.recognises(beginning):
            continue
        if how.metric and not known.several_metrics:
            raise FormatError(
                f"{name} has no metric to choose",
                why="folded stacks have one count per line, without a unit",
                fix=f"omit --metric {how.metric}; --unit gives the unit of the counts",
            )
        return known.read(content, how, beginning)
    raise sniff.json_format(beginning.document).refusal(name)


def read_pair(stream: BinaryIO, name: str, how: ReadOptions) -> tuple[Profile, Profile]:
    """Folded stacks with two counts, before and after. Raises as ``read`` does."""
    content = Content(stream, name, how.bounds)
    head = _checked(content)
    if _is_json(head) or perf_script.looks_like(head.split("\n")[:_HEAD]):
        raise FormatError(
            f"{name} has no lines with two counts",
            why="it contains one profile",
            fix="compare two such files: flame diff BEFORE AFTER",
        )
    return collapsed.read_pair(content, how.naming)


def _checked(content: Content) -> str:
    """The beginning as text. Raises ``FormatError`` where it is of a kind that is known and not read."""
    if kind := sniff.binary(content.head):
        raise kind.refusal(content.name)
    head = content.text_head
    lines = head.split("\n")[:_HEAD]
    if kind := sniff.text(head):
        raise kind.refusal(content.name)
    if perf_script.without_stacks(lines):
        raise sniff.PERF_WITHOUT_STACKS.refusal(content.name)
    return head


def _is_json(head: str) -> bool:
    """Names may begin as JSON does."""
    return sniff.is_json(head) and not collapsed.is_one(head.lstrip().partition("\n")[0])


def _document_of(content: Content) -> Any:
    text = content.whole()
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as e:
        first, _, rest = text.strip().partition("\n")
        if rest and (line := _document(first)) is not None:
            raise sniff.json_lines(line).refusal(content.name) from e
        raise FormatError(
            f"{content.name} is invalid JSON",
            why=f"it begins like JSON, but: {e or type(e).__name__}",
            fix="copy or write it again: it is incomplete",
        ) from e


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")
