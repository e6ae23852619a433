"""A test's id without the location of the checkout: the same on both sides of a pair and in every clone.

Ids of parametrised tests may contain paths (``ids=str`` of files next to the test). Code that compares or stores tests
uses the portable id; users see pytest's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = "{rootdir}"
TOP: Final = "{checkout}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Ids and parameters as spelled in one process."""

    places: tuple[tuple[str, str], ...]
    """Spellings of a folder, and their placeholder; longer ones first."""

    @classmethod
    def at(cls, *roots: tuple[Path, Path | None]) -> Identity:
        """``roots`` are pytest's root directory and the top of its checkout, in each possible location."""
        found: dict[str, str] = {}
        for root, top in roots:
            for place, sign in ((root, ROOT), *([(top, TOP)] if top is not None else ())):
                for spelled in (str(place), os.path.realpath(place)):
                    found.setdefault(spelled, sign)
                    found.setdefault(spelled.encode("unicode_escape").decode("ascii"), sign)  # as in pytest's ids
        found.pop("/", None)
        return cls(tuple(sorted(found.items(), key=lambda place: -len(place[0]))))

    def portable(self, text: str) -> str:
        """``text`` with each path of the checkout replaced by a placeholder."""
        for place, sign in self.places:
            if place in text:
                text = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w.])", sign, text)
        return text

    def test_id(self, node_id: str) -> str:
        """Only the parameters; the path before them is already relative."""
        name, bracket, parameters = node_id.partition("[")
        return name + bracket + self.portable(parameters)

    def test_ids(self, node_ids: Sequence[str]) -> list[str]:
        """The ids of all tests of a run: two that would get the same id keep their own."""
        portable = [self.test_id(node_id) for node_id in node_ids]
        taken = {i for i in portable if portable.count(i) > 1} if len(set(portable)) < len(portable) else set()
        return [own if i in taken else i for own, i in zip(node_ids, portable, strict=True)]


def top_of(root: Path) -> Path | None:
    """The checkout that contains ``root``, found by its ``.git``."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
