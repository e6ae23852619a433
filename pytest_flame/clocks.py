"""The system's clocks, even if a program stopped its own.

freezegun replaces functions of ``time`` in every module that has them; time-machine replaces the behaviour of those for
the time of day. Neither touches ``clock_gettime`` with another clock, and a ``partial`` of a function is not that
function: these keep running even if they are bound while time stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

monotonic_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
monotonic: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
process_time_ns: Final[Callable[[], int]] = partial(time.process_time_ns)
thread_time_ns: Final[Callable[[], int]] = partial(time.thread_time_ns)
time_of_day: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_REALTIME)
