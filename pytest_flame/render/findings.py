"""Where a regression is shown in a review: the culprit's line, or that of the nearest code of the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_flame.installed import in_project
from pytest_flame.model import Frame, FrameDelta, Judgement, RunResult, SourceLine, Verdict
from pytest_flame.render import units, words
from pytest_flame.render.text import printable


@dataclass(frozen=True, slots=True)
class Finding:
    """One test that regressed."""

    judgement: Judgement
    culprit: FrameDelta | None
    """None if the whole test is slower and no function stands out."""
    path: str
    """Relative to the repository, with ``/``."""
    line: int
    """From 1; 1 if only the file is known."""

    @property
    def title(self) -> str:
        """``tests/test_a.py::test_b regressed, +13.9 % [11.8, 16.0]``."""
        comparison = self.judgement.comparison
        effect = f", {words.effect(comparison)}" if comparison else ""
        return printable(f"{self.judgement.test_id} regressed{effect}")

    @property
    def message(self) -> str:
        """The culprit and its growth, or the reason."""
        comparison = self.judgement.comparison
        if comparison is None or self.culprit is None:
            return printable(self.judgement.reason)
        name = f"{self.culprit.frame.name}{words.in_diff(self.culprit)}"
        growth = words.growth(comparison, self.culprit)
        others = len(comparison.culprits) - 1
        more = f"; and {units.count(others, 'more function')}" if others else ""
        return printable(f"{name}: {growth}, {words.what_happened(self.culprit)}{more}")

    @property
    def fingerprint(self) -> str:
        """The same for the same test and function, wherever they move in their files."""
        function = self.culprit.frame.name if self.culprit else ""
        return hashlib.sha256(f"{self.judgement.test_id}\0{function}".encode("utf-8", "surrogatepass")).hexdigest()


def findings(result: RunResult, prefix: str) -> Iterator[Finding]:
    """One for each test that is REGRESSED and not accepted, the largest effect first. ``prefix`` makes a recording's
    paths relative to the repository."""
    for judgement in words.worst_first(result):
        if judgement.verdict is Verdict.REGRESSED and judgement.baseline_written is None:
            comparison = judgement.comparison
            culprit = comparison.culprits[0] if comparison and comparison.culprits else None
            place = _place(judgement, culprit)
            yield Finding(judgement, culprit, prefix + place.path, place.line)


def place_of_test(judgement: Judgement) -> SourceLine:
    """The test's own function, or the first line of its file where no recording knows it."""
    path, _, name = judgement.test_id.partition("::")
    function = name.partition("[")[0].replace("::", ".")
    for recording in (judgement.head, judgement.base):
        for frame, line in recording.lines.items() if recording is not None else ():
            if line.path == path and frame.qualname == function:
                return line
    return SourceLine(path, 1)


def _place(judgement: Judgement, culprit: FrameDelta | None) -> SourceLine:
    """A library's function has no line in the repository: its caller in the project has."""
    if culprit is not None:
        callers = (culprit.called_from, culprit.changed_caller, culprit.caller)
        for line in (culprit.line, *(_line(judgement, frame) for frame in callers)):
            if line is not None and in_project(line.path):
                return line
    return place_of_test(judgement)


def _line(judgement: Judgement, frame: Frame | None) -> SourceLine | None:
    recording = judgement.head
    return recording.lines.get(frame) if recording is not None and frame is not None else None
