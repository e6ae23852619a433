"""A file's exact counts by stack: decimals are kept as they are written, however many stacks have them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext
from typing import Final

from pytest_flame.errors import FormatError
from pytest_flame.formats.content import Bounds, size_text
from pytest_flame.formats.labels import Namer
from pytest_flame.model import Profile, Stack, metric_of

NUMBER: Final = r"(?:[0-9]{1,30}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?"
"""A count as text, with an exponent if a program printed a small float."""

_PER_STACK: Final = 300
_PER_FRAME: Final = 8
"""Bytes that each takes in memory, about."""


class Tally:
    """Sums counts by stack, in one column or more, within the bounds."""

    def __init__(self, name: str, bounds: Bounds, columns: int = 1) -> None:
        self.columns: list[dict[Stack, int]] = [defaultdict(int) for _ in range(columns)]
        self.decimals = 0
        self._one = 1
        self._name = name
        self._bounds = bounds
        self._stacks = 0
        self._frames = 0

    def add(self, stack: Stack, number: str, column: int = 0, times: int = 1) -> None:
        """``number`` is as ``NUMBER`` describes it."""
        if number.isdigit():
            self.columns[column][stack] += int(number) * times * self._one
        else:
            self.add_decimal(stack, Decimal(number), column, times)

    def add_decimal(self, stack: Stack, number: Decimal, column: int = 0, times: int = 1) -> None:
        """A finite number ≥ 0."""
        with localcontext() as context:
            context.prec = 200
            number = number.normalize()
            exponent = number.as_tuple().exponent
            assert isinstance(exponent, int), "neither infinite nor NaN"
            if -exponent > self.decimals:
                self._refine(-exponent)
            self.columns[column][stack] += int(number.scaleb(self.decimals)) * times

    def _refine(self, decimals: int) -> None:
        factor = 10 ** (decimals - self.decimals)
        for column in self.columns:
            for stack in column:
                column[stack] *= factor
        self.decimals = decimals
        self._one = 10**decimals

    def check(self, names: int, stacks: int, frames: int) -> None:
        """Called occasionally: ``stacks`` were added since, with ``frames`` frames in all, whose names take ``names``
        bytes so far. Raises ``FormatError`` if this is too much."""
        self._stacks += stacks
        self._frames += frames
        held = len(self.columns[0])
        depth = self._frames / max(self._stacks, 1)
        if held * (_PER_STACK + _PER_FRAME * depth) + names > self._bounds.held:
            raise FormatError(
                f"{self._name} contains too many different stacks: more than {held:,}",
                why=f"they would take more than {size_text(self._bounds.held)} of memory",
                fix="omit the rarest, such as: awk '$NF > 1' FILE; or raise --max-size, which is "
                f"{size_text(self._bounds.size)}",
            )

    def profile(self, namer: Namer, unit: str = "", column: int = 0) -> Profile:
        """The nonzero counts as in the file: whole numbers of 10^-``decimals`` of its ``unit``; samples if it contains
        none. Raises ``FormatError`` if all are zero."""
        counts = self._result(column)
        return Profile({metric_of(unit, 10**self.decimals): counts}, self._name, namer.lines, namer.paths)

    def _result(self, column: int) -> dict[Stack, int]:
        found = {stack: count for stack, count in self.columns[column].items() if count}
        if not found:
            count = len(self.columns[column])
            side = "" if len(self.columns) == 1 else f" {('before', 'after')[column]}"
            raise FormatError(
                f"{self._name} counts nothing{side}",
                why=f"all {count:,} stacks in it count 0" if count > 1 else "the only stack in it counts 0",
                fix="record again, for longer or at a higher rate, while the program works",
            )
        return found
