"""Which libraries the sides of a comparison have in different releases: their code may then be the culprit, too."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from functools import cache

from pytest_flame.model import Recording


def changed_releases(base: Recording, head: Recording) -> list[str]:
    """``click 8.1.7 → 8.2.0`` for each distribution that the sides have in different releases, by name."""
    before, after = _releases(base.fingerprint), _releases(head.fingerprint)
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [f"{name} {before.get(name, 'not installed')} → {after.get(name, 'not installed')}" for name in names]


def changed_packages(base: Recording, head: Recording) -> frozenset[str]:
    """The import names of the distributions that the sides have in different releases, or only one side has.

    Read from what each measured process recorded as installed. Import names are known for distributions installed here;
    any other is assumed to be imported by its own name.
    """
    before, after = _releases(base.fingerprint), _releases(head.fingerprint)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if not changed:
        return frozenset()
    named = {name.replace("-", "_") for name in changed}
    return frozenset(named | {module for module, names in _imported_by().items() if not names.isdisjoint(changed)})


def _releases(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """``name==version …`` as names and versions."""
    pairs = (entry.partition("==") for entry in fingerprint.get("dependencies", "").split())
    return {name: version for name, _, version in pairs}


@cache
def _imported_by() -> dict[str, frozenset[str]]:
    """Import name → normalised names of the distributions that provide it."""
    found = importlib.metadata.packages_distributions()
    return {
        module: frozenset(re.sub(r"[-_.]+", "-", name).lower() for name in names) for module, names in found.items()
    }
