"""Exact cost of rounds, with the source of samples switched on in some."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable
from typing import Final

from pytest_flame import clocks
from pytest_flame.errors import FlameError, UsageError
from pytest_flame.model import Round
from pytest_flame.sampling import outside
from pytest_flame.sampling.descendants import Children, Waited
from pytest_flame.sampling.profile_source import ProfileSource

NS_PER_S: Final = 1_000_000_000


def waited_ns() -> int:
    """How long the process waited for a CPU, to be subtracted from wall time; 0 if the kernel does not report it."""
    return outside.queued_ns() or 0


class Meter:
    """One round at a time: ``begin``, any number of ``enter``/``leave`` around what is measured, ``end``.

    CPU is that of all threads of the process, user and kernel, minus that of the sampler's own helper thread; plus that
    of ``children``: by default, those it waited for.
    """

    def __init__(
        self,
        source: ProfileSource,
        rng: random.Random,
        between: Callable[[], object] = lambda: None,
        children: Children | None = None,
    ) -> None:
        """``between`` is called before each round."""
        self._source = source
        self._rng = rng
        self._between = between
        self._children = children or Waited()
        self._sampled = False
        self._inside = False
        self._cpu_ns = self._wall_ns = self._child_ns = self._system_ns = self._faults = 0
        self._regions = 0
        self._began_ns = self._queued_ns = self._spin_ns = 0
        self._started = (0, 0, 0, 0)
        self._children_started = 0
        self._amount = 0
        self._amount_started: int | None = None
        self.region_cost_ns = 0.0
        """Measured CPU of one empty ``enter``/``leave``; subtracted from each region."""
        self.sampled_cpu_ns = 0
        self.sampled_child_ns = 0
        self.sampled_system_ns = 0
        self.ticks_due = 0.0
        """Sampling periods that fit into the CPU time of the sampled rounds."""

    def begin(self, *, sampled: bool) -> None:
        self._between()
        self._sampled = sampled
        self._spin_ns = outside.spin_ns()
        self._cpu_ns = self._wall_ns = self._child_ns = self._system_ns = 0
        self._faults = self._regions = self._amount = 0
        self._queued_ns = waited_ns()
        self._began_ns = clocks.monotonic_ns()
        if sampled:
            # A period drawn for each round, ±10 %: a fixed one would alias with the program's own.
            base = NS_PER_S / self._source.info.frequency_hz
            self._period_ns = round(base * self._rng.uniform(0.9, 1.1))
            # And its own phase: otherwise the first period of what is measured would never be sampled.
            try:
                self._source.start(self._period_ns, self._rng.getrandbits(63))
            except OSError as e:
                raise FlameError("sampling could not be restarted for the next round", why=str(e.strerror)) from e

    def enter(self) -> None:
        if self._inside:
            raise UsageError("`with flame:` inside another one", fix="measure the outer block, or the inner one")
        self._inside = True
        self._regions += 1
        # The cost of reading other processes is neither sampled nor timed.
        self._children_started = self._children.cpu_ns()
        self._amount_started = self._source.total()
        if self._sampled:
            self._source.resume()
        self._started = self._clocks()

    def leave(self) -> None:
        cpu, system, wall, faults = self._clocks()
        if self._sampled:
            self._source.pause()
        amount = self._source.total()
        if amount is not None and self._amount_started is not None:
            self._amount += amount - self._amount_started
        self._inside = False
        self._cpu_ns += cpu - self._started[0]
        self._child_ns += self._children.cpu_ns() - self._children_started
        self._system_ns += system - self._started[1]
        self._wall_ns += wall - self._started[2]
        self._faults += faults - self._started[3]

    @property
    def counts(self) -> bool:
        """The cost is what the source counts, not CPU time."""
        return self._source.total() is not None

    @property
    def regions(self) -> int:
        """Regions entered since ``begin``."""
        return self._regions

    @property
    def own_cpu_ns(self) -> int:
        """CPU of this process alone since ``begin``."""
        return self._cpu_ns

    @property
    def elapsed_ns(self) -> int:
        """Wall time since ``begin``, measured or not, without the time that other programs took the CPU."""
        return max(0, clocks.monotonic_ns() - self._began_ns - (waited_ns() - self._queued_ns))

    def end(self, iterations: int) -> Round:
        if self._sampled:
            self._source.stop()
            self.sampled_cpu_ns += self._cpu_ns
            self.sampled_child_ns += self._child_ns  # in ticks if a child waits for its own: may go back by one
            self.sampled_system_ns += self._system_ns
            self.ticks_due += self._cpu_ns / self._period_ns
        cpu = self._cpu_ns + self._child_ns - self._regions * self.region_cost_ns
        wall = max(0, self._wall_ns - (waited_ns() - self._queued_ns))
        amount = None if self._amount_started is None else self._amount
        return Round(iterations, max(0, round(cpu)), wall, self._sampled, self._spin_ns, self._faults, amount)

    def unseen(self, counted_ns: int) -> str | None:
        """Why the rounds so far, which cost ``counted_ns``, missed some CPU; called when the last has ended."""
        return self._children.unseen(counted_ns)

    def abandon(self) -> None:
        """The body raised: stop sampling, discard the round."""
        if self._sampled:
            self._source.stop()
            self._sampled = False
        self._inside = False

    def _clocks(self) -> tuple[int, int, int, int]:
        own = clocks.process_time_ns() - self._source.helper_cpu_ns()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return own, round(usage.ru_stime * NS_PER_S), clocks.monotonic_ns(), usage.ru_minflt
