"""Every file of a run's result, by the option that asks for it: a new format is a module and a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pytest_flame.model import RunResult
from pytest_flame.render.codequality import codequality_text
from pytest_flame.render.json import json_text
from pytest_flame.render.markdown import result_markdown
from pytest_flame.render.openmetrics import openmetrics_text
from pytest_flame.render.sarif import sarif_text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, as seen from what it names."""

    prefix: str = ""
    """Makes the recordings' paths relative to the repository."""
    report: str | None = None
    """The folder of the page and its pictures, relative to the file."""


Document = Callable[[RunResult, Place], str]

DOCUMENTS: Final[Mapping[str, Document]] = {
    "json": lambda result, place: json_text(result, report=place.report),
    "markdown": lambda result, _: result_markdown(result),
    "sarif": lambda result, place: sarif_text(result, place.prefix),
    "openmetrics": lambda result, _: openmetrics_text(result),
    "codequality": lambda result, place: codequality_text(result, place.prefix),
}
"""By the name of the option: ``--flame-json``."""
