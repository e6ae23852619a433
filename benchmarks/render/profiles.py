"""Synthetic profiles of any size, the same for the same seed, shaped like those of programs.

Call chains branch off at random callers, not too deep, and continue for a few functions; functions are called from
about ten places; nearly all stacks cost something on both sides, a few on one side only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pytest_flame.compare import compare
from pytest_flame.model import (
    PS_PER_NS,
    Frame,
    Judgement,
    Limits,
    Process,
    Recording,
    Round,
    RunResult,
    SamplerInfo,
    Stack,
    StackSample,
    Verdict,
)

FROM_PLACES = 10
CHAIN = 4
DEEPEST_BRANCH = 20
"""Otherwise larger profiles would also have longer stacks, and be even larger than their number of functions says."""
ONE_SIDED = 0.05
INNER_WITH_COST = 0.5


@dataclass(frozen=True)
class Pair:
    """Two sides of one synthetic test, picoseconds per iteration by stack."""

    nodes: int
    base: dict[Stack, int]
    head: dict[Stack, int]


def make_pair(nodes: int, seed: int = 1) -> Pair:
    """Profiles whose union tree has exactly ``nodes`` nodes."""
    rng = random.Random(seed)
    functions = [function(rng, number) for number in range(max(1, nodes // FROM_PLACES))]
    stacks: list[Stack] = [(Frame("tests.test_made_up", "test_all"),)]
    callees: list[set[Frame]] = [set()]
    while len(stacks) < nodes:
        at = rng.randrange(len(stacks))
        if len(stacks[at]) > DEEPEST_BRANCH:
            continue
        for _ in range(rng.randint(1, 2 * CHAIN - 1)):
            frame = rng.choice(functions)
            if len(stacks) == nodes or frame in callees[at]:
                break
            callees[at].add(frame)
            stacks.append((*stacks[at], frame))
            callees.append(set())
            at = len(stacks) - 1
    base: dict[Stack, int] = {}
    head: dict[Stack, int] = {}
    for stack, below in zip(stacks, callees, strict=True):
        if below and rng.random() > INNER_WITH_COST:
            continue
        cost = 1 + int(rng.lognormvariate(14, 2))
        side = rng.random()
        if side > ONE_SIDED / 2:
            base[stack] = cost
        if side < 1 - ONE_SIDED / 2:
            head[stack] = 1 + int(cost * rng.lognormvariate(0, 0.1))
    shuffled = list(head.items())
    rng.shuffle(shuffled)
    return Pair(nodes, base, dict(shuffled))


def judged(pair: Pair) -> Judgement:
    """The pair as a measured test, with one process per side."""
    base, head = (recorded(side) for side in (pair.base, pair.head))
    comparison = compare(base, head, Limits())
    return Judgement(base.test_id, Verdict.REGRESSED, "made up", comparison, base, head)


def recorded(costs: dict[Stack, int]) -> Recording:
    """A recording whose profile is exactly ``costs``."""
    process = Process(
        rounds=(Round(PS_PER_NS, sum(costs.values()), 0, sampled=True),),
        stacks={stack: StackSample(1, cost) for stack, cost in costs.items()},
    )
    sampler = SamplerInfo("perf-sigtrap", "task-clock", kernel=True, frequency_hz=997)
    return Recording("tests/test_made_up.py::test_all", (process,), sampler, {})


def run_of(*judgements: Judgement) -> RunResult:
    return RunResult(judgements, "interleaved", 1, Limits(), judgements[0].head.sampler if judgements[0].head else None)


def function(rng: random.Random, number: int) -> Frame:
    module = f"package{number % 7}.part{number % 31}.module{number % 97}"
    owner = rng.choice(("", "Reader.", "OrderBook.", "Session.<locals>.", "_Cache."))
    return Frame(module, f"{owner}{rng.choice(('parse', 'load', '_visit', 'to_dict', '__call__'))}_{number}")
