"""What a worker of an interleaved measurement knows of the two trees."""

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
    """The user's, which neither side reads."""
    kept: tuple[str, ...] = ()
    """Folders of the checkout that are not the project's: this package itself."""
    shares_compiled: bool = False
    """What was compiled from the checkout counts for this side: for head always, for base where no native source
    differs and it has no installation of its own."""
    own: tuple[str, ...] = ()
    """Folders of an installation that was made for this side alone."""
    generated: tuple[str, ...] = ()
    """Modules in the trees that a build wrote: an installation holds others."""
    roots: tuple[str, ...] = ()
    """Folders that top-level modules are imported from, ``""`` the tree itself."""
    distributions: tuple[str, ...] = ()
    """Normalised names of the projects in the repository, where they are written down."""
    tests: tuple[str, ...] = ()
    """Test modules and what belongs to them: files of head on both sides, relative to the tree."""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Provenance:
        """The reverse of ``dataclasses.asdict`` and JSON, which knows no tuples."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**plain)
