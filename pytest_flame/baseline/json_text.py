"""JSON for committed files: equal data gives equal text, laid out for reviewers, with strict reading."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NoReturn

from pytest_flame.baseline.fields import Malformed

_WIDTH: Final = 120

JsonObject = dict[str, Any]


def parse(text: str) -> JsonObject:
    """Parses text to a JSON object without checking its content. Raises ``Malformed`` with the line."""
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if not isinstance(document, dict):
        raise Malformed("the file is not a JSON object")
    return document


def content_sha256(document: JsonObject) -> str:
    """Hash of everything in the document but this hash itself."""
    content = {key: value for key, value in document.items() if key != "content_sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} appears twice in one object")
    return document


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def layout(value: Any, indent: str = "", label: str = "") -> str:
    """JSON for reviewers: one line per field of an object and per row of a table however long, other lists filled up to
    the line width.

    ``indent`` and ``label`` (``"name": `` before the value) are what the line already contains.
    """
    compact = json.dumps(value)
    if not value or not isinstance(value, (dict, list)):
        return label + compact
    if indent and len(indent) + len(label) + len(compact) < _WIDTH:
        return label + compact
    deeper = indent + " "
    if isinstance(value, dict):
        members = [deeper + layout(member, deeper, f"{json.dumps(name)}: ") for name, member in value.items()]
        return f"{label}{{\n" + ",\n".join(members) + f"\n{indent}}}"
    if any(isinstance(item, list) for item in value):
        inside = ",\n".join(deeper + json.dumps(item) for item in value)
    else:
        inside = _fill([layout(item, deeper) for item in value], deeper)
    return f"{label}[\n{inside}\n{indent}]"


def _fill(items: list[str], indent: str) -> str:
    lines = [indent + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 2 < _WIDTH and "\n" not in item:
            lines[-1] += ", " + item
        else:
            lines[-1] += ","
            lines.append(indent + item)
    return "\n".join(lines)
