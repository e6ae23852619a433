"""The results of all shards as that of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from pytest_flame.errors import UsageError
from pytest_flame.model import DiffCoverage, EntryState, EntryUse, RunResult
from pytest_flame.render.from_json import read_document, result_of

_ALIKE: Final = ("mode", "threshold", "frame_threshold", "alpha", "base", "head", "processes")
"""Fields in which all shards of a run agree."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one shard wrote."""

    path: Path
    document: Mapping[str, Any]
    result: RunResult

    @property
    def report(self) -> Path | None:
        """The folder of its pictures, if it is there."""
        folder = self.path.parent / (self.document["report"] or ".")
        return folder if self.document["report"] is not None and folder.is_dir() else None


def read_parts(paths: Sequence[Path]) -> list[Part]:
    """In the order of their numbers. Raises ``UsageError`` unless they are all parts of one run."""
    parts = []
    for path in paths:
        document = read_document(path)
        parts.append(Part(path, document, result_of(document, str(path))))
    _refuse_strangers(parts)
    return sorted(parts, key=lambda part: part.result.shard.index if part.result.shard else 0)


def _refuse_strangers(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts:
        if part.result.shard is None:
            raise UsageError(
                f"{part.path} is the result of a whole run", fix="merge results of runs with --flame-shard=I/N"
            )
        for name in _ALIKE:
            if part.document[name] != first.document[name]:
                raise UsageError(
                    f"{first.path} and {part.path} are not parts of one run",
                    why=f"{name} is {first.document[name]} and {part.document[name]}",
                )
        assert first.result.shard is not None
        if (part.result.shard.count, part.result.shard.division) != (
            first.result.shard.count,
            first.result.shard.division,
        ):
            raise UsageError(
                f"{first.path} and {part.path} divided the tests differently",
                why="they collected different tests, or were given different --flame-durations: some tests may not "
                "have been measured by any of them",
                fix="run all shards on the same commit with the same options and durations",
            )
    assert first.result.shard is not None
    found = [part.result.shard.index for part in parts if part.result.shard is not None]
    missing = sorted(set(range(1, first.result.shard.count + 1)) - set(found))
    if missing:
        raise UsageError(
            f"{'shard' if len(missing) == 1 else 'shards'} {', '.join(map(str, missing))} of "
            f"{first.result.shard.count} {'is' if len(missing) == 1 else 'are'} missing",
            why="their tests would pass unseen",
            fix="give the results of all shards",
        )
    if twice := sorted({index for index in found if found.count(index) > 1}):
        raise UsageError(f"shard {twice[0]} is given twice", fix="give each result once")


def joined(parts: Sequence[Part]) -> RunResult:
    """As if one run had measured all tests: each shard has decided with its part of the accepted error."""
    results = [part.result for part in parts]
    first = results[0]
    overheads = [result.overhead for result in results if result.overhead is not None]
    changes = dict.fromkeys(change for result in results for change in result.gate.changes)
    return replace(
        first,
        judgements=tuple(judgement for result in results for judgement in result.judgements),
        sampler=next((result.sampler for result in results if result.sampler is not None), None),
        overhead=fmean(overheads) if overheads else None,
        duration_s=sum(result.duration_s for result in results),
        interrupted=any(result.interrupted for result in results),
        notes=tuple(dict.fromkeys(note for result in results for note in result.notes)),
        gate=replace(first.gate, changes=tuple(changes)),
        coverage=_coverage(results),
        accepted=_entries(results),
        shard=None,
    )


_STRONGEST_FIRST: Final = (
    *(EntryState.ACCEPTS, EntryState.EXCEEDED, EntryState.EXPIRED, EntryState.UNNEEDED, EntryState.UNMATCHED),
    EntryState.UNDECIDED,
)


def _entries(results: Sequence[RunResult]) -> tuple[EntryUse, ...]:
    """What became of each accepted slowdown, in the shard that can say most about it."""
    uses: dict[str, list[EntryUse]] = {}
    for result in results:
        for use in result.accepted:
            uses.setdefault(use.entry.place, []).append(use)
    joined_uses = []
    for found in uses.values():
        state = min((use.state for use in found), key=_STRONGEST_FIRST.index)
        tests = dict.fromkeys(test for use in found if use.state is state for test in use.tests)
        joined_uses.append(EntryUse(found[0].entry, state, tuple(tests)))
    return tuple(joined_uses)


def _coverage(results: Sequence[RunResult]) -> tuple[DiffCoverage, ...]:
    """What no shard ran."""
    by_commit: dict[str, list[DiffCoverage]] = {}
    for result in results:
        for coverage in result.coverage:
            by_commit.setdefault(coverage.commit, []).append(coverage)
    return tuple(
        DiffCoverage(
            commit,
            found[0].changed,
            tuple(one for one in found[0].missed if all(one in other.missed for other in found)),
            all(coverage.exact for coverage in found),
            tuple(dict.fromkeys(file for coverage in found for file in coverage.unknown)),
        )
        for commit, found in by_commit.items()
    )


def joined_document(parts: Sequence[Part], result: RunResult, written: Mapping[str, Any]) -> dict[str, Any]:
    """``written`` is ``result`` as ``json.py`` writes it; the tests are those of the shards, with all their fields."""
    assert len(result.judgements) == sum(len(part.document["tests"]) for part in parts)
    return {**written, "tests": [test for part in parts for test in part.document["tests"]]}
