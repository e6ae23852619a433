"""Recordings with a known truth: a cost per stack, and the noise real processes have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pytest_flame.model import Frame, Process, Recording, Round, SampleCounts, SamplerInfo, SourceLine, StackSample

SAMPLER = SamplerInfo(rung="perf-sigtrap", event="task-clock", kernel=True, frequency_hz=997)
MS = 10**9  # picoseconds


@dataclass(frozen=True)
class Noise:
    """What disturbs a recording. All sd are of the natural logarithm."""

    processes: int = 10
    samples: int = 500
    between: float = 0.01
    """From process to process, everything alike."""
    per_stack: float = 0.03
    """From process to process, each stack for itself (hash seed, layout)."""
    outliers: float = 0.0
    """Part of the processes that are 1.3–1.6 times as expensive."""
    session: float = 0.0
    """The whole recording by this much: the true shift, not an sd."""


CALM = Noise()


def stack(names: str) -> tuple[Frame, ...]:
    """``"test > orders.f > json:dumps"``: frames are in module ``app`` unless they name theirs."""
    return tuple(Frame.parse(n if ":" in n else f"app:{n}") for n in names.split(" > "))


def record(
    costs: Mapping[str, float], rng: np.random.Generator, noise: Noise = CALM, *, library: tuple[str, ...] = ()
) -> Recording:
    """Record a program whose stacks cost this much (any unit: 1.0 is one millisecond per iteration).

    Frames of the modules in ``library`` are outside the repository.
    """
    stacks = [stack(names) for names in costs]
    truth = np.array(list(costs.values())) * np.exp(noise.session)
    processes = [_process(stacks, truth, rng, noise) for _ in range(noise.processes)]
    frames = {frame for s in stacks for frame in s}
    return Recording(
        test_id="tests/test_app.py::test",
        processes=tuple(processes),
        sampler=SAMPLER,
        fingerprint={"cpu": "simulated"},
        lines={
            f: SourceLine(f"/usr/lib/{f.module}.py" if f.module in library else f"{f.module}.py", 1) for f in frames
        },
    )


def _process(stacks: list[tuple[Frame, ...]], truth: np.ndarray, rng: np.random.Generator, noise: Noise) -> Process:
    costs = truth * np.exp(noise.per_stack * rng.standard_normal(len(truth)))
    factor = np.exp(noise.between * rng.standard_normal())
    if rng.random() < noise.outliers:
        factor *= rng.uniform(1.3, 1.6)
    total = costs.sum()
    counts = rng.multinomial(noise.samples, costs / total)
    return Process(
        rounds=(Round(iterations=1, cpu_ns=max(0, round(total * factor * MS / 1000)), wall_ns=0, sampled=True),),
        stacks={
            s: StackSample(count=int(n), weight_ns=int(n) * 1_003_009) for s, n in zip(stacks, counts, strict=True) if n
        },
        counts=SampleCounts(taken=noise.samples),
    )


SHOP: dict[str, float] = {
    "test": 0.02,
    "test > price": 0.10,
    "test > price > load": 0.02,
    "test > price > load > parse": 0.02,
    "test > price > load > parse > lookup": 0.01,
    "test > price > tax": 0.08,
    "test > price > tax > rate": 0.04,
    "test > show": 0.15,
    "test > show > fmt": 0.20,
    "test > show > fmt > pad": 0.06,
    "test > show > json:dumps": 0.06,
    "test > show > json:dumps > json:encode": 0.06,
    "test > lex": 0.10,
    "test > lex > scan": 0.05,
    "test > lex > tax": 0.02,
    "test > lex > tax > rate": 0.01,
}
"""A small program that costs 1.0 in all; ``json`` and ``copy`` are libraries."""

LIBRARY = ("json", "copy")


def changed(change: Mapping[str, float], program: Mapping[str, float] = SHOP) -> dict[str, float]:
    """The program with these costs added; stacks that cost nothing any more are gone."""
    costs = {names: program.get(names, 0.0) + change.get(names, 0.0) for names in {**program, **change}}
    return {names: cost for names, cost in costs.items() if cost > 1e-9}


def times(factor: float, frame: str, program: Mapping[str, float] = SHOP) -> dict[str, float]:
    """The program with everything at and below a frame this many times as expensive."""
    return {names: cost * (factor if frame in names.split(" > ") else 1.0) for names, cost in program.items()}


def renamed(old: str, new: str, program: Mapping[str, float] = SHOP) -> dict[str, float]:
    return {" > ".join(new if f == old else f for f in names.split(" > ")): cost for names, cost in program.items()}


def zipf_program(frames: int, seed: int) -> dict[str, float]:
    """A random tree of calls whose self costs follow Zipf's law; 1.0 in total."""
    rng = np.random.default_rng(seed)
    paths = ["test > run"]
    for i in range(frames - 2):
        parent = paths[rng.integers(max(0, len(paths) - 12), len(paths))]
        paths.append(f"{parent if parent.count('>') < 9 else paths[0]} > f{i}")
    costs = rng.permutation(1 / np.arange(1, len(paths) + 1))
    return dict(zip(paths, (costs / costs.sum()).tolist(), strict=True))
