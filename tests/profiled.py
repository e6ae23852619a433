"""What the tests of the profiler read from profiles; imports only approx from pytest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest import approx

from pytest_flame.model import Stack


def total(costs: Mapping[Stack, int], *names: str) -> int:
    """Cost of all stacks that contain every one of these functions, by the last part of their names."""
    return sum(cost for stack, cost in costs.items() if set(names) <= {_short(f.qualname) for f in stack})


def stacks_with(costs: Mapping[Stack, Any], name: str) -> set[tuple[str, ...]]:
    """The stacks that contain a function, as short names."""
    found = (tuple(_short(f.qualname) for f in stack) for stack in costs)
    return {names for names in found if name in names}


def about(ns: int, share: float = 0.2, hz: int = 997) -> Any:
    """This much CPU, within a share of it and the random error of samples at random moments."""
    return approx(ns, abs=max(share * ns, 4.5 * (ns * 1e9 / hz) ** 0.5))


def _short(qualname: str) -> str:
    return qualname.rpartition(".")[2]
