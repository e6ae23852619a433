"""Several recordings of one baseline: the same code on the same machine, at different times."""

from __future__ import annotations

import dataclasses
from typing import Final

from pytest_flame import fold
from pytest_flame.baseline.fingerprint import differences as machine_differences
from pytest_flame.baseline.fingerprint import sampler_differences
from pytest_flame.model import Recording, Session

MOST: Final = 10
"""The most recordings of one baseline; a further one replaces the oldest."""
_MOST_NAMED: Final = 6


def session_costs(recording: Recording) -> list[tuple[int, ...]]:
    """The costs of the processes in each session of a baseline, oldest first; the last is the recording itself."""
    return [*(session.costs for session in recording.sessions), _session(recording).costs]


def added(stored: Recording, recording: Recording) -> Recording:
    """``recording``, with ``stored`` and its sessions as earlier ones."""
    earlier = (*stored.sessions, _session(stored))
    return dataclasses.replace(recording, sessions=earlier[-(MOST - 1) :])


def differences(stored: Recording, recording: Recording) -> list[str]:
    """Why two recordings are not sessions of the same baseline, one line per reason; empty if they are.

    The test's own sources count, too: its body is part of what was measured.
    """
    lines = _changed_sources(stored, recording)
    lines += machine_differences(stored.fingerprint, recording.fingerprint)
    lines += sampler_differences(stored.sampler, recording.sampler)
    if fold.observed(stored) != fold.observed(recording):
        before, now = (f"with{'' if fold.observed(r) else 'out'} samples" for r in (stored, recording))
        lines.append(f"cost: of rounds {before} when recorded, {now} here")
    if stored.fresh != recording.fresh:
        words = {True: "set up again for each iteration", False: "set up once"}
        lines.append(f"fixtures: {words[stored.fresh]} when recorded, {words[recording.fresh]} here")
    if stored.metric != recording.metric:
        lines.append(f"metric: {stored.metric.name!r} when recorded, {recording.metric.name!r} here")
    return lines


def _session(recording: Recording) -> Session:
    costs = tuple(fold.cost(process) for process in recording.processes)
    return Session(costs, recording.seed, recording.recorded_at)


def _changed_sources(stored: Recording, recording: Recording) -> list[str]:
    before, now = stored.source_hashes, recording.source_hashes
    changed = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    if not changed:
        return []
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    return [f"source changed since it was recorded: {', '.join(changed[:_MOST_NAMED])}{more}"]
