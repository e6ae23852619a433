"""What a worker of an interleaved measurement knows about the two trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a side's code has to come from. All paths are resolved; ``roots`` are relative to a tree."""

    side: str
    """``base`` or ``head``."""
    tree: str
    other: str
    """The other side's tree."""
    checkout: str
    """The user's checkout, which neither side reads."""
    kept: tuple[str, ...] = ()
    """Folders of the checkout that are not part of the project: this package itself."""
    shares_compiled: bool = False
    """Whether modules compiled from the checkout count for this side: for head always, for base if no native source
    differs and it has no installation of its own."""
    own: tuple[str, ...] = ()
    """Folders of an installation made for this side alone."""
    generated: tuple[str, ...] = ()
    """Modules in the trees that a build generated: an installation contains different ones."""
    roots: tuple[str, ...] = ()
    """Folders that top-level modules are imported from; ``""`` is the tree itself."""
    distributions: tuple[str, ...] = ()
    """Normalised names of the projects in the repository, as far as they are declared."""
    tests: tuple[str, ...] = ()
    """Test modules and what belongs to them: files of head on both sides, relative to the tree."""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Provenance:
        """The inverse of ``dataclasses.asdict`` and JSON, which has no tuples."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**plain)
