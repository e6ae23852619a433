"""Whether a worker sees the same test as the run and, if not, what differs between the two.

Texts are compared; ``measure/seeing.py`` reads them from pytest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_flame.atomic import write_text

_MOST_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """A test as one process has collected it."""

    skipped: str | None
    """The reason, if its marks skip it."""
    expected_to_fail: bool
    function: str
    fixtures: tuple[str, ...]
    parameters: tuple[str, ...]
    marks: tuple[str, ...]

    def differences(self, worker: Seen) -> Iterator[str]:
        """One phrase per difference; ``self`` is the run's."""
        if worker.skipped is not None and self.skipped is None:
            yield f"skipped there: {worker.skipped}"
        if worker.expected_to_fail != self.expected_to_fail:
            yield "expected to fail there" if worker.expected_to_fail else "expected to fail here, and not there"
        if worker.function != self.function:
            yield f"a different function: {worker.function} there, {self.function} here"
        for name in ("fixtures", "parameters", "marks"):
            here, there = getattr(self, name), getattr(worker, name)
            if here != there:
                yield f"different {name}: {_missing_and_more(here, there)}"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Seen:
        tuples = {name: tuple(fields[name]) for name in ("fixtures", "parameters", "marks")}
        return cls(fields["skipped"], fields["expected_to_fail"], fields["function"], **tuples)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a test can query in order to behave differently, as one process has it."""

    options: Mapping[str, str]
    settings: Mapping[str, str]
    """Ini values."""
    plugins: tuple[str, ...]
    variables: tuple[str, ...]
    """Names of environment variables with a digest: values may be secret."""
    left_out: Mapping[str, str]
    """Options that no worker gets: they differ often and rarely explain anything."""

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Conditions:
        fields = json.loads(path.read_text(encoding="utf-8"))
        plugins, variables = tuple(fields["plugins"]), tuple(fields["variables"])
        return cls(fields["options"], fields["settings"], plugins, variables, fields["left_out"])

    def differences(self, worker: Conditions) -> Iterator[str]:
        """One phrase per difference; ``self`` is the run's."""
        yield from _values("", self.options, worker.options)
        yield from _values("ini ", self.settings, worker.settings)
        for name in sorted({*self.plugins} ^ {*worker.plugins}):
            yield f"plugin {name}: only {'here' if name in self.plugins else 'there'}"
        for name in sorted({v.partition("=")[0] for v in {*self.variables} ^ {*worker.variables}}):
            yield f"environment variable {name}"
        yield from _values("", self.left_out, worker.left_out)
        yield "environment variable PYTEST_FLAME_WORKER: only there"


def _values(kind: str, here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            yield f"{kind}{name}: {here.get(name, 'unknown')} here, {there.get(name, 'unknown')} there"


def said(differences: list[str]) -> str:
    """The first few on one line."""
    more = f" and {len(differences) - _MOST_SHOWN} more" if len(differences) > _MOST_SHOWN else ""
    return "; ".join(differences[:_MOST_SHOWN]) + more


def _missing_and_more(here: tuple[str, ...], there: tuple[str, ...]) -> str:
    missing, more = [x for x in here if x not in there], [x for x in there if x not in here]
    parts = [f"{', '.join(missing)} only here"] * bool(missing) + [f"{', '.join(more)} only there"] * bool(more)
    return "; ".join(parts) or f"{', '.join(there)} there, {', '.join(here)} here"
