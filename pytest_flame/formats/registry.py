"""All profile formats. To add one, write a module with a ``Format`` and add a line here."""

from __future__ import annotations

from typing import Final

from pytest_flame.formats import collapsed, perf_script, speedscope
from pytest_flame.formats.format import Format

FORMATS: Final[list[Format]] = [speedscope.FORMAT, perf_script.FORMAT, collapsed.FORMAT]
"""In the order they are tried: folded stacks are any text that no other format recognises."""


def written() -> dict[str, Format]:
    """Those that are written, by name."""
    return {known.name: known for known in FORMATS if known.write is not None}
