"""Changes to the gate itself: what a change removed from it, or made it tolerate, apart from its effect on the code."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_flame.baseline.store import Store
from pytest_flame.errors import FlameError
from pytest_flame.gate.accepted_file import parse_accepted
from pytest_flame.git import Repository
from pytest_flame.git_program import GitError, NotARepository
from pytest_flame.model import Acceptance, GateChange, GateChangeKind, GateChanges
from pytest_flame.render import units, words
from pytest_flame.trees.committed import Collection, changed_baselines, changed_gate_files, committed_state, inside
from pytest_flame.trees.gate_state import GatedTest, GateState
from pytest_flame.trees.scratch import scratch_directory


@dataclass(frozen=True, slots=True)
class Accepted:
    """The file of accepted slowdowns, and its entries in the working tree."""

    path: Path
    entries: Sequence[Acceptance] = ()


def find_changes(
    against: str | None, head: GateState, how: Collection, store: Store, tests: Sequence[Path], accepted: Accepted
) -> GateChanges:
    """Between a commit and the working tree, as far as this run collected it.

    The commit is ``against``; with stored baselines it is HEAD or, if the gate has not changed since HEAD, its parent:
    uncommitted changes, or otherwise those of the last commit. A stored baseline whose test exists but is no longer
    marked always counts.
    """
    unmarked = _unmarked_baselines(head, store) if against is None else []
    try:
        repository = Repository.holding(how.root, *dict.fromkeys(tests))
    except NotARepository:
        return GateChanges(None, tuple(unmarked))
    try:
        commit, changed = _compared(repository, against, how, store, accepted)
        if commit is None:
            return GateChanges(None, tuple(unmarked), "the last commit's parent is not in this clone (fetch-depth: 2)")
        found = _since(repository, commit, changed, head, how, store, accepted)
    except GitError as e:
        if against is not None:
            raise
        return GateChanges(None, tuple(unmarked), e.what)
    known = {change.subject for change in found}
    return GateChanges(commit, (*found, *(change for change in unmarked if change.subject not in known)))


def _compared(
    repository: Repository, against: str | None, how: Collection, store: Store, accepted: Accepted
) -> tuple[str | None, set[str]]:
    commit = repository.resolve(against or "HEAD")
    changed = changed_gate_files(repository, commit, how.patterns, store.directory, accepted.path)
    if against is not None or changed:
        return commit, changed
    parent = repository.known("HEAD^")
    if parent is None:
        return (None if repository.is_shallow() else commit), set()
    return parent, changed_gate_files(repository, parent, how.patterns, store.directory, accepted.path)


def _since(
    repository: Repository,
    commit: str,
    changed: set[str],
    head: GateState,
    how: Collection,
    store: Store,
    accepted: Accepted,
) -> list[GateChange]:
    baselines = changed_baselines(repository, changed, commit, store.directory)
    names = {store.path(test_id).name: test_id for test_id in head.tests}
    found = [
        GateChange(GateChangeKind.BASELINE, names.get(Path(path).name, path), now=what)
        for path, what in baselines.items()
    ]
    file = inside(repository, accepted.path)
    if file in changed:
        content = repository.blobs(commit, [file]).get(file)
        found = [*newly_accepted(content, accepted.entries), *found]
    if all(path.endswith((".json", ".folded")) or path == file for path in changed):
        return found
    try:
        with scratch_directory() as scratch:
            base = committed_state(repository, commit, changed, how, scratch)
    except FlameError as e:
        why = f"{e.what}: {e.why}" if e.why else e.what
        return [GateChange(GateChangeKind.UNKNOWN, f"commit {commit[:7]}", now=why), *found]
    asked = {test_id: test for test_id, test in base.tests.items() if how.holds(test_id)}
    return [*list_changes(replace(base, tests=asked), head), *found]


def list_changes(base: GateState, head: GateState) -> list[GateChange]:
    """Where ``head`` is less strict than ``base``: lost marks first. A setting that differs is always listed."""
    found = [
        change
        for test_id, test in base.tests.items()
        if test.marked and (change := _of_test(test_id, test, base, head)) is not None
    ]
    found += [GateChange(GateChangeKind.UNKNOWN, subject, now=why) for subject, why in base.unknown.items()]
    if base.settings:
        found += [
            GateChange(GateChangeKind.SETTING, name, was=was, now=head.settings[name])
            for name, was in base.settings.items()
            if name in head.settings and head.settings[name] != was
        ]
    order = list(GateChangeKind)
    return sorted(found, key=lambda change: order.index(change.kind))


def newly_accepted(before: bytes | None, now: Sequence[Acceptance]) -> list[GateChange]:
    """Entries that ``before``, the file as committed, does not have, or has with other words."""
    try:
        entries = parse_accepted((before or b"").decode("utf-8", "replace"), "")
    except FlameError:
        entries = ()  # it accepted nothing
    was = {(entry.test, entry.culprit): words.acceptance(entry) for entry in entries}
    return [
        GateChange(
            GateChangeKind.ACCEPTED, entry.test, was.get((entry.test, entry.culprit), ""), words.acceptance(entry)
        )
        for entry in now
        if entry not in entries
    ]


def _of_test(test_id: str, was: GatedTest, base: GateState, head: GateState) -> GateChange | None:
    now = head.tests.get(test_id)
    if now is None:
        return None if test_id in head.unknown else GateChange(GateChangeKind.GONE, test_id)
    if not now.marked:
        return GateChange(GateChangeKind.UNMARKED, test_id)
    if now.skipped and not was.skipped:
        return GateChange(GateChangeKind.SKIPPED, test_id, now=now.skipped)
    loosened = [
        name
        for name in ("threshold", "frame_threshold")
        if (getattr(now, name) or 0.0) > (getattr(was, name) or 0.0) and not _is_the_runs(name, was, now, base, head)
    ]
    if not loosened:
        return None
    shown = [", ".join(f"{name} {units.setting(getattr(test, name))}" for name in loosened) for test in (was, now)]
    return GateChange(GateChangeKind.LOOSENED, test_id, was=shown[0], now=shown[1])


def _is_the_runs(name: str, was: GatedTest, now: GatedTest, base: GateState, head: GateState) -> bool:
    """Both sides' values come from the settings, whose change is listed once."""
    setting = f"flame_{name}"
    return all(
        state.settings.get(setting) == f"{(getattr(test, name) or 0.0) * 100:g}%"
        for state, test in ((base, was), (head, now))
    )


def _unmarked_baselines(head: GateState, store: Store) -> list[GateChange]:
    """Stored baselines whose test was collected but is no longer measured."""
    try:
        stored: Ids[str] = store.test_ids()
    except FlameError:
        return []  # reported by the check for stale baselines
    tests: Mapping[str, GatedTest] = head.tests
    return [
        GateChange(GateChangeKind.UNMARKED, test_id, was="it has a baseline")
        for test_id in stored
        if test_id in tests and not tests[test_id].marked
    ]
