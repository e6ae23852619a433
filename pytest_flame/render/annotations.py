"""A run as annotations of GitHub Actions: workflow commands on standard output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pytest_flame.installed import in_project
from pytest_flame.model import Judgement, RunResult, Verdict
from pytest_flame.render import units, words
from pytest_flame.render.findings import findings, place_of_test
from pytest_flame.render.text import printable

MOST: Final = 10
"""Annotations of a kind that GitHub shows for one step."""


@dataclass(frozen=True, slots=True)
class Annotation:
    kind: str
    """``error``, ``warning`` or ``notice``."""
    title: str
    message: str
    path: str = ""
    line: int = 0

    def command(self) -> str:
        """``::error file=a.py,line=3,title=…::…``."""
        place = {"file": self.path, "line": str(self.line)} if self.path else {}
        properties = ",".join(f"{name}={_property(text)}" for name, text in (place | {"title": self.title}).items())
        return f"::{self.kind} {properties}::{_data(self.message)}"


def annotation_lines(result: RunResult, prefix: str) -> list[str]:
    """At most ten lines of each kind, the most important first; the last one says how many were left out.

    Errors are tests that regressed or could not be measured, and what the gate has lost; warnings are tests that could
    not be judged. ``prefix`` makes paths relative to the repository.
    """
    lines = []
    for kind, noun, found in (
        ("error", "error", list(_errors(result, prefix))),
        ("warning", "warning", list(_warnings(result, prefix))),
    ):
        if len(found) > MOST:
            left = len(found) - MOST + 1
            more = f"and {units.count(left, f'more {noun}')}: see the job summary"
            found = [*found[: MOST - 1], Annotation(kind, "pytest-flame", more)]
        lines += [one.command() for one in found]
    return lines


def _errors(result: RunResult, prefix: str) -> Iterator[Annotation]:
    for finding in findings(result, prefix):
        yield Annotation("error", finding.title, finding.message, finding.path, finding.line)
    for judgement in words.worst_first(result):
        if judgement.verdict is Verdict.ERROR:
            yield _of_test("error", judgement, prefix)
    for change in result.gate.changes:
        if change.lost:
            yield Annotation("error", words.GATE_HEADING, printable(words.gate_change(change)))


def _warnings(result: RunResult, prefix: str) -> Iterator[Annotation]:
    for judgement in words.worst_first(result):
        if judgement.verdict in (Verdict.INCONCLUSIVE, Verdict.INCOMPATIBLE) and judgement.baseline_written is None:
            yield _of_test("warning", judgement, prefix)


def _of_test(kind: str, judgement: Judgement, prefix: str) -> Annotation:
    place = place_of_test(judgement)
    title = printable(f"{judgement.test_id}: {words.LABELS[judgement.verdict]}")
    path = prefix + place.path if in_project(place.path) else ""
    return Annotation(kind, title, printable(judgement.reason), path, place.line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
