"""Divides the gated tests among several runs, by what measuring them took in an earlier one.

Each run divides all tests, and so finds the same parts: which ones only depends on the tests and the earlier result.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_flame.model import Shard
from pytest_flame.render.from_json import read_document, result_of


def part(tests: Sequence[str], shard: Shard, seconds: Mapping[str, float]) -> tuple[frozenset[str], Shard]:
    """The tests of ``shard``, and the shard with its ``division``. A test without ``seconds`` takes the mean of the
    others. The longest come first, each goes to the part with the least to do."""
    typical = statistics.fmean(known) if (known := [seconds[test] for test in tests if test in seconds]) else 1.0
    takes = {test: seconds.get(test, typical) for test in tests}
    parts: list[set[str]] = [set() for _ in range(shard.count)]
    sums = [0.0] * shard.count
    for test in sorted(takes, key=lambda test: (-takes[test], test)):
        least = min(range(shard.count), key=lambda i: (sums[i], len(parts[i]), i))
        parts[least].add(test)
        sums[least] += takes[test]
    text = json.dumps([shard.count, [sorted(one) for one in parts]])
    division = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return frozenset(parts[shard.index - 1]), Shard(shard.index, shard.count, division)


def measured_seconds(path: Path) -> dict[str, float]:
    """By test id: how long measuring took, of a result that ``--flame-json`` or ``flame merge`` wrote. Tests that were
    not measured, since they executed the same code, are left out: next time they may be. Raises ``UsageError``."""
    result = result_of(read_document(path), str(path))
    return {judgement.test_id: judgement.wall_s for judgement in result.judgements if judgement.wall_s}
