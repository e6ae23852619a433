"""Where a report's source lines link to: the repository's pages, and the reader's editor."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

EDITORS: Final = {
    "vscode": "vscode://file{file}:{line}",
    "cursor": "cursor://file{file}:{line}",
    "pycharm": "pycharm://open?file={file}&line={line}",
    "idea": "idea://open?file={file}&line={line}",
    "sublime": "subl://open?url=file://{file}&line={line}",
    "emacs": "emacs://open?url=file://{file}&line={line}",
    "none": "",
}
"""URL schemes that editors register; ``{file}`` is an absolute path."""

_PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Links:
    """``source`` and ``editor`` are templates; empty for no such links."""

    source: str = ""
    editor: str = ""
    commit: str = ""
    """The value of ``{commit}``: head's commit."""
    prefix: str = ""
    """Prefix that makes a frame's path relative to the repository."""
    root: str | None = None
    """From the page to the folder that paths are relative to, as a relative URL: a shared report does not contain
    anyone's home directory."""


NO_LINKS: Final = Links()


def source_template(text: str) -> str:
    """A template for web pages. Raises ValueError for any other scheme, which might run what it names."""
    if not re.match(r"https?://[^/\s]", text) or re.search(r"[\s\"'<>\\]", text):
        raise ValueError(text)
    names = set(_PLACEHOLDER.findall(text))
    if not {"path", "line"} <= names or not names <= {"path", "line", "commit"}:
        raise ValueError(text)
    return text


def editor_template(text: str) -> str:
    """The template of an editor by name."""
    if text not in EDITORS:
        raise ValueError(text)
    return EDITORS[text]


def relative_root(page_folder: Path, root: Path) -> str | None:
    """``../..``, percent-encoded; None if there is no relative path (another drive)."""
    try:
        relative = os.path.relpath(root.resolve(), page_folder.resolve())
    except ValueError:
        return None
    return quote(PurePath(relative).as_posix())
