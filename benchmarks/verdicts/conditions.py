"""Conditions of a measured process: nothing else runs, a busy neighbour, bursts, other surroundings in each process."""

from __future__ import annotations

import enum
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

BUSY = "while True: sum(range(5000))"
"""The neighbour that keeps a core busy all the time; a memory-bound one would be another condition."""
BURSTS = """
import random, sys, time
draw = random.Random(int(sys.argv[1]))
table = bytearray(8 << 20)
while True:
    until = time.monotonic() + draw.uniform(0.2, 3)
    while time.monotonic() < until:
        table[::64] = bytes(len(table) // 64)
        sum(range(5000))
    time.sleep(draw.uniform(0.2, 3))
"""
"""Works and sleeps for 0.2–3 s in turn; some of its work drives others out of the caches."""


class Condition(enum.Enum):
    QUIET = "quiet"
    """Nothing else is started. Whatever else the machine does is outside this script's control."""
    NEIGHBOUR = "neighbour"
    """One core is busy all the time: with two cores, the other one is left for what is measured."""
    BURSTS = "bursts"
    """One process for each core works and sleeps in turn."""
    ENVIRONMENT = "environment"
    """The environment has a different size in every process: the stack is elsewhere."""
    HASH_SEED = "hash-seed"
    """Every process has its own hash seed; otherwise both of a pair have the same."""
    PATH = "path"
    """The checkout is at a path of a different length in every process."""
    TIMER = "timer"
    """The sampler's second rung."""
    SURROUNDINGS = "surroundings"
    """Environment, hash seed and path, all three different in every process."""

    def __str__(self) -> str:
        return self.value

    @property
    def sampler(self) -> str:
        return "timer" if self is Condition.TIMER else "auto"

    def changes(self, what: Condition) -> bool:
        """Whether ``what`` of the surroundings differs in every process."""
        return self in (what, Condition.SURROUNDINGS)


@contextmanager
def neighbours(condition: Condition) -> Iterator[None]:
    """The other programs of ``condition``, ended by their own process ids at the end."""
    cores = sorted(os.sched_getaffinity(0))
    commands: list[Sequence[str]] = []
    if condition is Condition.NEIGHBOUR:
        commands = [["-c", BUSY]]
    elif condition is Condition.BURSTS:
        commands = [["-c", BURSTS, str(core)] for core in cores]
    started = [subprocess.Popen([sys.executable, *command]) for command in commands]
    try:
        for process, core in zip(started, reversed(cores), strict=False):
            os.sched_setaffinity(process.pid, [core])
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def surroundings(condition: Condition, draw: random.Random) -> Iterator[str]:
    """Sets the environment for one process and returns the name of its checkout's folder."""
    padding = "FLAME_BANK_PADDING"
    if condition.changes(Condition.ENVIRONMENT):
        os.environ[padding] = "x" * draw.randrange(4096)
    try:
        yield "p" * draw.randrange(1, 120) if condition.changes(Condition.PATH) else "checkout"
    finally:
        os.environ.pop(padding, None)
