"""``flame bisect``: which commit made a test slower, by proofs where possible and pairs where needed."""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_flame import atomic, clocks
from pytest_flame.cli.bisection import Found, Look, most_decisions, search
from pytest_flame.cli.gate_runs import Compared, GateRuns, NotMeasured
from pytest_flame.errors import UsageError
from pytest_flame.git import Commit, Repository
from pytest_flame.render import units
from pytest_flame.render.lines import Line, paint, wants_colour
from pytest_flame.render.text import printable
from pytest_flame.trees.scratch import scratch_directory

NOT_SLOWER: Final = 1
"""Exit status: BAD is not shown to be slower than GOOD."""
SEVERAL: Final = 3
"""Exit status: the first slow commit is one of several."""
SCHEMA: Final = "pytest-flame/bisect/1"
_FIGURES: Final = ("verdict", "reason", "base_ns", "head_ns", "ratio", "low", "high", "culprits")


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    directory = Path.cwd()
    commits = _history(Repository.find(directory), arguments.good, arguments.bad)
    if arguments.json is not None and not Path(arguments.json).parent.is_dir():
        raise UsageError(f"--json {arguments.json}: there is no such folder")
    with scratch_directory() as scratch:
        looking = _Looking(GateRuns(scratch, directory, arguments.arguments), commits)
        answer = _answer(looking, arguments)
    _say(*answer.lines)
    if arguments.json is not None:
        try:
            text = json.dumps(answer.document, indent=1, ensure_ascii=False, allow_nan=False)
            atomic.write_text(Path(arguments.json), f"{text}\n")
        except OSError as e:
            raise UsageError(f"--json {arguments.json} can't be written", why=e.strerror or str(e)) from e
    return answer.status


def _history(repository: Repository, good: str, bad: str) -> list[Commit]:
    """GOOD, and the commits from there to BAD along first parents."""
    first, last = repository.resolve(good), repository.resolve(bad)
    if first == last:
        raise UsageError(f"{good} and {bad} are the same commit, {first[:12]}")
    if not repository.is_ancestor(first, last):
        if repository.is_ancestor(last, first):
            raise UsageError(f"{bad} comes before {good}", fix="flame bisect GOOD BAD: the earlier commit first")
        shallow = repository.is_shallow()
        raise UsageError(
            f"{good} is not an ancestor of {bad}",
            why="the clone is shallow: its history may end before the two meet" if shallow else "",
            fix="git fetch --unshallow" if shallow else f"start where they meet: git merge-base {good} {bad}",
        )
    return [repository.commit(first), *repository.first_parents(first, last)]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    lines: Sequence[Line]
    document: Mapping[str, Any]


def _answer(looking: _Looking, arguments: Namespace) -> _Answer:
    commits = looking.commits
    last = len(commits) - 1
    whole = looking.compare_ends()
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "test": whole.test["id"],
        "good": asdict(commits[0]),
        "bad": asdict(commits[-1]),
        "commits": last,
        "alpha": looking.alpha,
        "whole": _figures(whole),
    }
    if not whole.is_slower:
        shown = f"{_short(commits[-1])} is not shown to be slower than {_short(commits[0])}: {_words(whole)}"
        document |= {"outcome": "not slower", "candidates": [], "step": None, "looks": [], "reproduce": []}
        return _Answer(NOT_SLOWER, [Line(printable(shown), {"yellow": True, "bold": True})], document)
    found = search(last, looking, looking.alpha / 3)
    step = looking.compare_step(found)
    reproduce = [
        shlex.join(
            [
                *("python", "-m", "pytest", "--flame-only", f"--flame-against={commits[found.good].oid[:12]}"),
                *(f"--flame-head={commits[found.bad].oid[:12]}", *arguments.arguments),
            ]
        )
    ]
    candidates = [commits[i] for i in found.candidates]
    if len(candidates) == 1:
        reproduce.append(f"git show {candidates[0].oid[:12]}")
    document |= {
        "outcome": "found" if len(candidates) == 1 else "several",
        "candidates": [asdict(commit) for commit in candidates],
        "step": {"base": asdict(commits[found.good]), **_figures(step)},
        "looks": looking.documents,
        "reproduce": reproduce,
    }
    lines = [*_found_lines(candidates), *_step_lines(step, commits[found.good])]
    step_high, whole_low = step.test["high"], whole.test["low"]
    if found.bad != last and step_high is not None and whole_low is not None and step_high < whole_low:
        again = shlex.join(
            ["flame", "bisect", commits[found.bad].oid[:12], commits[-1].oid[:12], "--", *arguments.arguments]
        )
        lines.append(Line(printable(f"  later commits made it slower, too ({_words(whole)} in all): {again}")))
    lines += [Line(""), *(Line(printable(f"  {command}")) for command in reproduce)]
    return _Answer(0 if len(candidates) == 1 else SEVERAL, lines, document)


@dataclass
class _Looking:
    """``Looks``, with a line for each."""

    runs: GateRuns
    commits: Sequence[Commit]
    alpha: float = 0.0
    """Of the gate's settings; that of the whole search."""
    documents: list[dict[str, Any]] = field(default_factory=list)
    _codes: dict[int, str | None] = field(default_factory=dict)
    _why: dict[int, str] = field(default_factory=dict)
    _measured: dict[int, Compared] = field(default_factory=dict)
    """Against GOOD."""
    _began: float = field(default_factory=clocks.monotonic)

    def compare_ends(self) -> Compared:
        """GOOD and BAD. Raises ``FlameError`` if the test cannot be executed at one of them."""
        good, bad, last = self.commits[0], self.commits[-1], len(self.commits) - 1
        _say(Line(printable(f"flame bisect: {units.count(last, 'commit')} after {_named(good)}, up to {_named(bad)}")))
        found = self.runs.compare(good.oid, bad.oid, timed=False)
        self.alpha = found.alpha
        if not found.is_executed:
            raise self._unusable(found)
        self._codes |= {0: found.code("base") or "GOOD", last: found.code("head") or "BAD"}
        if not found.same_code:
            decisions = most_decisions(last)
            _say(
                Line(
                    f"error of the whole search: {units.setting(self.alpha)}, a third each for GOOD against BAD, for "
                    f"{units.count(decisions, 'decision')} between them and for the commit against the one before"
                )
            )
            found = self.runs.compare(good.oid, bad.oid, timed=True, alpha=self.alpha / 3)
        if not found.is_executed:
            raise self._unusable(found)
        self._measured[last] = found
        self._line(bad, _words(found))
        return found

    def _unusable(self, found: Compared) -> UsageError:
        good, bad = self.commits[0], self.commits[-1]
        return UsageError(
            f"the test cannot be executed both at GOOD, {_short(good)}, and at BAD, {_short(bad)}",
            why="\n       ".join([found.reason, *(found.test["details"] or "").splitlines()]),
            fix="it has to pass at both with the code of its test file as in the checkout",
        )

    def code(self, commit: int) -> str | None:
        if commit in self._codes:
            return self._codes[commit]
        alone = f"only {self.commits[commit].oid}"
        if self._codes[0] == "GOOD":  # nothing would be proved
            return alone
        code: str | None = None
        try:
            found = self.runs.compare(self.commits[0].oid, self.commits[commit].oid, timed=False)
        except NotMeasured as e:
            self._why[commit] = e.why
        else:
            steady = found.code("base") == self._codes[0]
            if found.is_executed:
                code = (found.code("head") if steady else None) or alone
            else:
                self._why[commit] = found.why_not_executed
        self._codes[commit] = code
        return code

    def is_slower(self, commit: int, alpha: float) -> bool | None:
        try:
            found = self.runs.compare(self.commits[0].oid, self.commits[commit].oid, timed=True, alpha=alpha)
        except NotMeasured as e:
            self._why[commit] = e.why
            return None
        self._measured[commit] = found
        self._why[commit] = _words(found)
        return found.is_slower

    def seen(self, look: Look) -> None:
        at = self.commits[look.commit]
        same = None if look.same_as is None else self.commits[look.same_as]
        reason = f"same code as {_short(same)}" if same is not None else self._why[look.commit]
        measured = self._measured.get(look.commit)
        figures = _figures(measured) if measured is not None else None
        self.documents.append(
            {
                "commit": asdict(at),
                "answer": look.answer.value,
                "same_code_as": same and same.oid,
                "reason": reason,
                "measured": figures,
            }
        )
        self._line(at, f"{look.answer.value}: {reason.splitlines()[-1].strip()}")

    def compare_step(self, found: Found) -> Compared:
        """The first commit known to be slow against the last one known not to be."""
        if self._codes.get(found.good) == self._codes[0]:  # GOOD itself, or provably the same
            bad = found.bad if found.bad in self._measured else self._twin(found.bad)
            return self._measured[bad]
        good, late = self.commits[found.good], self.commits[found.bad]
        step = self.runs.compare(good.oid, late.oid, timed=True, alpha=self.alpha / 3)
        self._line(late, f"against {_short(good)}: {_words(step)}")
        return step

    def _twin(self, commit: int) -> int:
        return next(other for other in self._measured if self._codes.get(other) == self._codes[commit])

    def _line(self, commit: Commit, said: str) -> None:
        passed = units.elapsed(clocks.monotonic() - self._began)
        _say(Line(printable(f"[{passed}] {_named(commit)}: {said}")))


def _found_lines(candidates: Sequence[Commit]) -> list[Line]:
    loud = {"red": True, "bold": True}
    if len(candidates) == 1:
        (one,) = candidates
        return [Line(printable(f"{one.oid} is the first slow commit"), loud), *_about(one)]
    lines = [Line("The first slow commit could be any of:", loud)]
    lines += [Line(f"  {commit.oid}") for commit in candidates]
    return [*lines, Line("There are only skipped commits left to look at.")]


def _about(commit: Commit) -> list[Line]:
    return [
        Line(printable(f"  author  {commit.author}")),
        Line(printable(f"  date    {commit.date}")),
        Line(printable(f"  subject {commit.subject}")),
    ]


def _step_lines(step: Compared, before: Commit) -> list[Line]:
    said = f"  against {_short(before)}: {_words(step)}"
    if not step.is_slower:
        said += "; so no single commit: small slowdowns add up, and from this commit on they exceed the threshold"
        if step.is_slower is None:
            said = f"  against {_short(before)} alone it is not clear: {_words(step)}"
    return [Line(printable(said)), *(Line(printable(f"  culprit {_culprit(one)}")) for one in step.test["culprits"])]


def _culprit(one: Mapping[str, Any]) -> str:
    place = f"{one['path']}:{one['line']}" if one["path"] is not None else ""
    changed = {"changed": "changed in this step", "added": "added in this step"}.get(one["code_change"] or "", "")
    if one["changed_caller"] is not None:
        changed = f"called by {one['changed_caller']}, which changed in this step"
    growth = f"+{one['own_delta_ns'] / 1e6:.3g} ms per iteration" if one["own_delta_ns"] else ""
    return " · ".join(fact for fact in (one["frame"], growth, changed, place) if fact)


def _words(compared: Compared) -> str:
    """``REGRESSED +48.2 % [44.1, 52.3]``; without figures, the reason."""
    test = compared.test
    if test["ratio"] is None or test["low"] is None or test["high"] is None:
        return f"{compared.verdict}: {compared.reason}"
    interval = units.percent_interval(test["low"] - 1, test["high"] - 1)
    effect = f"{compared.verdict} {units.signed_percent(test['ratio'] - 1)} {interval}"
    return effect if compared.is_slower is not None else f"{effect}: {compared.reason}"


def _figures(compared: Compared) -> dict[str, Any]:
    return {name: compared.test[name] for name in _FIGURES}


def _short(commit: Commit) -> str:
    return commit.oid[:7]


def _named(commit: Commit) -> str:
    return f"{_short(commit)} {commit.subject}"


def _say(*lines: Line) -> None:
    sys.stdout.write(paint(lines, colour=wants_colour(sys.stdout, os.environ)))
    sys.stdout.flush()
