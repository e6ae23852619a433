"""One comment on a pull request, found again by a hidden mark and updated in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pytest_flame.ci.rest import ApiError

PAGE: Final = 100
_MOST_PAGES: Final = 200


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    body: str
    own: bool
    """Whether the account that asks wrote it: anybody may write a comment with the mark in it."""


class Forge(Protocol):
    """A forge, and one of its pull requests."""

    @property
    def name(self) -> str: ...

    @property
    def limit(self) -> int:
        """Characters of a comment."""
        ...

    def comments(self) -> Iterator[Comment]: ...

    def create(self, body: str) -> str:
        """Returns the new comment's address."""
        ...

    def update(self, comment: Comment, body: str) -> str: ...


def mark(name: str) -> str:
    """The first line of a comment, which is not shown. ``name`` tells the comments of several jobs apart."""
    kept = "".join(c if c.isalnum() or c in "._ " else "_" for c in name)
    return f"<!-- pytest-flame{f': {kept}' if kept else ''} -->"


def write_comment(forge: Forge, text: str, name: str = "") -> str:
    """Update the own comment with this name, or write the first one; its address. Raises ``ApiError``."""
    first_line = mark(name)
    body = shortened(f"{first_line}\n{text}", forge.limit)
    for comment in forge.comments():
        if comment.own and comment.body.partition("\n")[0].strip() == first_line:
            return forge.update(comment, body)
    return forge.create(body)


def shortened(text: str, limit: int) -> str:
    """The last resort: a summary is made to fit, with the important first."""
    note = "\n\n… shortened: see the report\n"
    return text if len(text) <= limit else text[: limit - len(note)] + note


def pages(get: Any, path: str, **query: str | int) -> Iterator[dict[str, Any]]:
    """The members of a list that comes page by page. The pages are counted: a link to the next could lead anywhere."""
    for page in range(1, _MOST_PAGES + 1):
        members = get(path, per_page=PAGE, page=page, **query)
        if not isinstance(members, list):
            raise ApiError(f"{path} was answered with something else than a list")
        yield from (member for member in members if isinstance(member, dict))
        if len(members) < PAGE:
            return


def number_of(found: Mapping[str, Any], name: str) -> int:
    """Raises ``ApiError`` if the answer has no such number."""
    if not isinstance(found.get(name), int):
        raise ApiError(f"the answer has no {name}", why=str(found)[:100])
    return int(found[name])


def inside(found: Any, *names: str) -> Mapping[str, Any]:
    """The object at the end of these names; an empty one if there is none."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def address(answer: Any, name: str) -> str:
    return str(answer.get(name) or "") if isinstance(answer, dict) else ""
