"""Cost by stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_flame.errors import IntegrityError
from pytest_flame.model.frame import Stack


@dataclass(frozen=True, slots=True)
class Profile:
    """Cost by stack: integer picoseconds of CPU per iteration, self cost of the stack's last frame."""

    costs: Mapping[Stack, int]

    @property
    def total(self) -> int:
        return sum(self.costs.values())

    def check(self) -> None:
        for stack, cost in self.costs.items():
            if not stack:
                raise IntegrityError("a profile holds an empty stack")
            if not isinstance(cost, int) or cost < 0:
                raise IntegrityError(f"cost of {stack[-1]} is {cost!r}, not a whole number of picoseconds ≥ 0")
