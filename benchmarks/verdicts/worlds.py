"""Simulated programs and their processes: the truth about them is known.

A program is a random tree of calls whose self costs follow Zipf's law. Its processes are noisy on three levels: each
process, each of its stacks, each of its rounds; some are disturbed, and the machine drifts while pairs are measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_flame.model import (
    Calls,
    Counted,
    ExactComparison,
    Frame,
    Process,
    Recording,
    Round,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
)

T = TypeVar("T")
Costs: TypeAlias = dict[Stack, float]
"""Self cost of each stack; 1.0 is the total of the unchanged program."""
Floats: TypeAlias = NDArray[np.float64]
Pair: TypeAlias = tuple[Process, Process]

SAMPLER = SamplerInfo(rung="perf-sigtrap", event="task-clock", kernel=True, frequency_hz=1997)
PERIOD_NS = 500_751
ROUNDS = 10
SAMPLED = 5
ITERATIONS = 50
MAX_DEPTH = 25
LIBRARY_SHARE = 0.25
DISTURBED = (1.3, 1.6)
"""By how much a disturbed process is more expensive."""
TEST = Frame("tests.test_app", "test")


@dataclass(frozen=True, slots=True)
class Weather:
    """What disturbs processes. All sd are of the natural logarithm."""

    process_sd: float = 0.015
    seconds: float = 0.5
    """CPU time of one process's rounds."""
    outliers: float = 0.0
    """Share of the processes that are ``DISTURBED``."""
    drift: float = 0.0
    """From the first pair to the last of the search; a random walk of a tenth of it per process is added."""
    stack_sd: float = 0.03
    """Each stack for itself (hash seed, layout)."""
    round_sd: float = 0.01
    session_sd: float = 0.0
    """By how much a whole recording is shifted."""


@dataclass(frozen=True, slots=True)
class Case:
    """A program before and after a change, and what is to be found."""

    base: Costs
    head: Costs
    culprits: frozenset[Frame] = frozenset()
    """Each of these is a right answer."""
    upgraded: bool = False
    """Head has a different release of the library."""
    more: tuple[Stack, float] | None = None
    """Where a function is called more often, and by which factor."""

    @property
    def ratio(self) -> float:
        return math.fsum(self.head.values()) / math.fsum(self.base.values())


# --- programs ------------------------------------------------------------------------------------------------


def program(frames: int, rng: np.random.Generator) -> Costs:
    """A tree of ``frames`` functions; a tenth of them are also called from a second place."""
    stacks: list[Stack] = [(TEST,)]
    for i in range(frames - 1):
        reach = min(len(stacks), 15) if rng.random() < 0.7 else len(stacks)
        parent = stacks[-1 - int(rng.integers(reach))]
        parent = parent if len(parent) < MAX_DEPTH else stacks[0]
        in_library = parent[-1].module == "lib" and rng.random() < 0.7
        module = "lib" if in_library or rng.random() < LIBRARY_SHARE else "app"
        stacks.append((*parent, Frame(module, f"f{i}")))
    for helper in rng.choice(len(stacks) - 1, max(1, frames // 10), replace=False) + 1:
        caller = stacks[int(rng.integers(len(stacks)))]
        frame = stacks[int(helper)][-1]
        if frame not in caller and len(caller) < MAX_DEPTH:
            stacks.append((*caller, frame))
    stacks = list(dict.fromkeys(stacks))
    costs = rng.permutation(1 / np.arange(1, len(stacks) + 1))
    return dict(zip(stacks, (costs / costs.sum()).tolist(), strict=True))


def inclusive(costs: Mapping[Stack, float], frame: Frame) -> float:
    return math.fsum(cost for stack, cost in costs.items() if frame in stack)


def counted(case: Case, rng: np.random.Generator) -> ExactComparison:
    """What exact passes would count: every function calls each of its callees a fixed number of times."""
    base: dict[Stack, int] = {}
    for stack in sorted({*case.base, *case.head}, key=len):
        base[stack] = base.get(stack[:-1], 1) * int(rng.integers(1, 6)) * (50 if len(stack) == 2 else 1)
    head = dict(base)
    if case.more is not None:
        place, factor = case.more
        head = {s: round(n * factor) if s[: len(place)] == place else n for s, n in base.items()}
    return ExactComparison(_counted(base, case.base), _counted(head, case.head))


def _counted(calls: Mapping[Stack, int], costs: Costs) -> Counted:
    stacks = {stack: count for stack, count in calls.items() if stack in costs}
    functions: dict[Frame, int] = {}
    edges: dict[tuple[Frame, Frame], int] = {}
    for stack, count in stacks.items():
        functions[stack[-1]] = functions.get(stack[-1], 0) + count
        if len(stack) > 1:
            edges[stack[-2], stack[-1]] = edges.get((stack[-2], stack[-1]), 0) + count
    return Counted(("",), 0, 0, 0, (), Calls(functions, edges))


# --- what a change does. Each picks a place for it; None if the program has none -----------------------------


def unchanged(base: Costs, size: float, rng: np.random.Generator) -> Case:
    return Case(base, base)


def everything(base: Costs, size: float, rng: np.random.Generator) -> Case:
    return Case(base, {stack: cost * (1 + size) for stack, cost in base.items()})


def slower_leaf(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A function of the project that calls nothing costs ``size`` of the test more."""
    stack = _pick([s for s in _leaves(base) if 0.01 <= base[s] <= 0.2], rng)
    return Case(base, base | {stack: base[stack] + size}, frozenset({stack[-1]})) if stack else None


def more_calls(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A function with callees of its own is called more often, from one place. Right: it, no caller, no callee."""
    leaves = set(_leaves(base))
    places = [s for s in _own(base) if s not in leaves and 0.02 <= _below(base, s) <= 0.3]
    place = _pick(places, rng)
    if place is None:
        return None
    factor = 1 + size / _below(base, place)
    head = {s: cost * (factor if s[: len(place)] == place else 1) for s, cost in base.items()}
    return Case(base, head, frozenset({place[-1]}), more=(place, factor))


def slower_caller(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A function that calls others costs ``size`` of the test more itself; they cost the same."""
    leaves = set(_leaves(base))
    stack = _pick([s for s in _own(base) if s not in leaves and _below(base, s) >= 2 * base[s]], rng)
    return Case(base, base | {stack: base[stack] + size}, frozenset({stack[-1]})) if stack else None


def renamed_class(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A function of ``size`` or more and all of the project's functions below it are now methods of a class with
    another name."""
    place = _pick([s for s in _own(base) if size <= _below(base, s) <= 0.5], rng)
    return _as_methods(base, place, 1.0) if place else None


def faster_class(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """The same, and all of it costs half as much: there is no culprit."""
    place = _pick([s for s in _own(base) if size <= _below(base, s) <= 0.5], rng)
    return _as_methods(base, place, 0.5) if place else None


def slower_library(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """In a new release of the library, one of its functions that calls nothing costs ``size`` of the test more."""
    places: dict[Frame, int] = {}
    for stack in base:
        places[stack[-1]] = places.get(stack[-1], 0) + 1
    calling = {frame for stack in base for frame in stack[:-1]}
    leaves = [s for s in base if s[-1].module == "lib" and places[s[-1]] == 1 and s[-1] not in calling]
    leaf = _pick([s for s in leaves if len(s) > 2 and 0.01 <= base[s] <= 0.2], rng)
    return Case(base, base | {leaf: base[leaf] + size}, frozenset({leaf[-1]}), upgraded=True) if leaf else None


def slower_class(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """The class is renamed, and one of its methods, which calls nothing, costs ``size`` of the test more."""
    slower = _pick([s for s in _leaves(base) if len(s) > 2 and 0.01 <= base[s] <= 0.2], rng)
    if slower is None or slower[-2].module != "app":
        return None
    found = _as_methods(base, slower[:-1], 1.0)
    at = next(s for s in found.head if s[-1].qualname == f"New.{slower[-1].qualname}")
    return Case(found.base, found.head | {at: found.head[at] + size}, frozenset({at[-1]}))


def _as_methods(costs: Costs, place: Stack, factor: float) -> Case:
    """The project's functions at and below ``place`` as methods of a class that is renamed."""
    below = {f for s in costs if s[: len(place)] == place for f in s[len(place) - 1 :] if f.module == "app"}

    def methods(of: str, factor: float) -> Costs:
        named = {f: Frame("app", f"{of}.{f.qualname}") for f in below}
        return {
            tuple(named.get(f, f) for f in s): cost * (factor if s[: len(place)] == place else 1)
            for s, cost in costs.items()
        }

    return Case(methods("Old", 1.0), methods("New", factor))


def inlined_faster(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A leaf of ``size`` or more is now part of its caller and costs half: the caller itself costs more."""
    own = set(_own(base))
    leaf = _pick([s for s in _leaves(base) if base[s] >= size and s[:-1] in own], rng)
    if leaf is None:
        return None
    head = {s: cost for s, cost in base.items() if s != leaf}
    head[leaf[:-1]] = head.get(leaf[:-1], 0.0) + base[leaf] / 2
    return Case(base, head)


def new_frame(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    caller = _pick(_own(base), rng)
    added = Frame("app", "added")
    return Case(base, base | {(*caller, added): size}, frozenset({added})) if caller else None


def masked(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A leaf costs ``size`` of the test more, and a leaf of another branch less by the same amount."""
    leaves = _leaves(base)
    slower = _pick([s for s in leaves if 0.01 <= base[s] <= 0.2], rng)
    if slower is None:
        return None
    faster = _pick([s for s in leaves if base[s] > size and s[:2] != slower[:2]], rng)
    if faster is None:
        return None
    return Case(base, base | {slower: base[slower] + size, faster: base[faster] - size}, frozenset({slower[-1]}))


def renamed(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A function of ``size`` or more, with everything below it, has another name."""
    frames = sorted({s[-1] for s in _own(base)})
    before = _pick([f for f in frames if size <= inclusive(base, f) <= 0.5], rng)
    after = Frame("app", "renamed")
    if before is None:
        return None
    return Case(base, {tuple(after if f == before else f for f in s): c for s, c in base.items()})


def extracted(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """``size`` of a function's self cost is in a new function that it calls."""
    stack = _pick([s for s in _own(base) if base[s] > size], rng)
    if stack is None:
        return None
    return Case(base, base | {stack: base[stack] - size, (*stack, Frame("app", "extracted")): size})


def inlined(base: Costs, size: float, rng: np.random.Generator) -> Case | None:
    """A leaf of ``size`` or more is now part of its caller."""
    own = set(_own(base))
    leaf = _pick([s for s in _leaves(base) if base[s] >= size and s[:-1] in own], rng)
    if leaf is None:
        return None
    head = {s: cost for s, cost in base.items() if s != leaf}
    head[leaf[:-1]] = head.get(leaf[:-1], 0.0) + base[leaf]
    return Case(base, head)


CHANGES = {
    f.__name__: f
    for f in (
        unchanged,
        everything,
        slower_leaf,
        slower_caller,
        slower_class,
        slower_library,
        more_calls,
        new_frame,
        masked,
        renamed,
        renamed_class,
        faster_class,
        extracted,
        inlined,
        inlined_faster,
    )
}


def case(change: str, size: float, frames: int, rng: np.random.Generator) -> Case:
    """A program with this change in it."""
    for _ in range(1000):
        found = CHANGES[change](program(frames, rng), size, rng)
        if found is not None:
            return found
    raise ValueError(f"no program of {frames} frames has a place for {change} of {size}")


def _own(costs: Costs) -> list[Stack]:
    """Stacks that end in the project's code, the test itself not counted; functions called from one place only."""
    places: dict[Frame, int] = {}
    for stack in costs:
        places[stack[-1]] = places.get(stack[-1], 0) + 1
    return [s for s in costs if len(s) > 1 and s[-1].module == "app" and places[s[-1]] == 1]


def _leaves(costs: Costs) -> list[Stack]:
    """Of ``_own``, those that call nothing."""
    calling = {frame for stack in costs for frame in stack[:-1]}
    return [s for s in _own(costs) if s[-1] not in calling]


def _below(costs: Costs, place: Stack) -> float:
    return math.fsum(cost for s, cost in costs.items() if s[: len(place)] == place)


def _pick(places: list[T], rng: np.random.Generator) -> T | None:
    return places[int(rng.integers(len(places)))] if places else None


# --- processes -----------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Runs processes, one after the other, and keeps the time that drift depends on."""

    weather: Weather
    rng: np.random.Generator
    slots: int
    """Processes until ``weather.drift`` is reached."""
    _slot: int = 0
    _walk: float = 0.0

    def process(self, costs: Costs, shift: float = 0.0) -> Process:
        w, rng = self.weather, self.rng
        self._walk += w.drift / 10 * rng.standard_normal()
        log = shift + w.process_sd * rng.standard_normal() + w.drift * self._slot / self.slots + self._walk
        self._slot += 1
        if rng.random() < w.outliers:
            log += math.log(rng.uniform(*DISTURBED))
        per_stack = np.fromiter(costs.values(), np.float64) * np.exp(w.stack_sd * rng.standard_normal(len(costs)))
        total = float(per_stack.sum())
        round_ns = w.seconds * 1e9 / ROUNDS
        # Noise only adds: a round is the process's cost, a scatter, and sometimes something more.
        extra = np.exp(np.abs(w.round_sd * rng.standard_normal(ROUNDS)) + 0.02 * (rng.random(ROUNDS) < 0.1))
        rounds = tuple(
            Round(ITERATIONS, round(round_ns * total * math.exp(log) * e), 0, sampled=i < SAMPLED)
            for i, e in enumerate(extra)
        )
        taken = round(w.seconds * SAMPLED / ROUNDS * SAMPLER.frequency_hz)
        counts = rng.multinomial(taken, per_stack / total)
        stacks = {s: StackSample(int(n), int(n) * PERIOD_NS) for s, n in zip(costs, counts, strict=True) if n}
        return Process(rounds, stacks, SampleCounts(taken=taken))

    def pairs(self, base: Costs, head: Costs) -> Iterator[Pair]:
        """One process of each side, in random order within the pair."""
        while True:
            if self.rng.random() < 0.5:
                first = self.process(base)
                yield first, self.process(head)
            else:
                second = self.process(head)
                yield self.process(base), second


def costs_of_pairs(pairs: int, size: float, weather: Weather, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Costs of ``pairs`` pairs without their stacks, with head more expensive by ``size``; of a program of 150
    frames."""
    shares = 1 / np.arange(1, 151)
    scatter = weather.stack_sd * math.sqrt(float((shares**2).sum())) / shares.sum()
    w, slots = weather, 2 * pairs
    logs = math.hypot(w.process_sd, scatter) * rng.standard_normal(slots)
    logs += w.drift * np.arange(slots) / slots + np.cumsum(w.drift / 10 * rng.standard_normal(slots))
    logs += np.where(rng.random(slots) < w.outliers, np.log(rng.uniform(*DISTURBED, slots)), 0.0)
    costs = 1e10 * np.exp(rng.permuted(logs.reshape(-1, 2), axis=1))
    return costs[:, 0], costs[:, 1] * (1 + size)


def recording(costs: Costs, processes: tuple[Process, ...], release: str = "1.0") -> Recording:
    frames = {frame for stack in costs for frame in stack}
    return Recording(
        test_id="tests/test_app.py::test",
        processes=processes,
        sampler=SAMPLER,
        fingerprint={"machine": "made up", "dependencies": f"lib=={release}"},
        lines={f: SourceLine(f"{f.module}.py", 1) for f in frames if f.module != "lib"},
    )


def recorded(costs: Costs, processes: int, weather: Weather, rng: np.random.Generator) -> Recording:
    """One session's recording, shifted as a whole by the effect of its session."""
    machine = Machine(replace(weather, drift=0.0), rng, processes)
    shift = weather.session_sd * rng.standard_normal()
    return recording(costs, tuple(machine.process(costs, shift) for _ in range(processes)))
