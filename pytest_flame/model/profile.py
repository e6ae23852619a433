"""Cost by stack, for everything that has stacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_flame.errors import IntegrityError
from pytest_flame.model.frame import Frame, SourceLine, Stack
from pytest_flame.model.metric import Metric

Costs = Mapping[Stack, int]
"""Self cost of each stack's last frame, in whole numbers of ``1/scale`` units of a metric."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Stacks, and for each one whole number per metric; a stack that a column does not have costs nothing there."""

    columns: Mapping[Metric, Costs]
    """The first is what is compared and drawn."""
    name: str = ""
    """What it is the profile of: a file, a program."""
    lines: Mapping[Frame, SourceLine] = field(default_factory=dict)
    """Where functions are defined, or were first seen; of those for which that is known."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """By module, the file that gave it its name; not of installed libraries, and only where a tool says it."""

    @classmethod
    def of(cls, metric: Metric, costs: Costs, name: str = "") -> Profile:
        """A profile of one metric."""
        return cls({metric: costs}, name)

    @property
    def metric(self) -> Metric:
        return next(iter(self.columns))

    @property
    def costs(self) -> Costs:
        """Of the first metric."""
        return next(iter(self.columns.values()))

    @property
    def total(self) -> int:
        return sum(self.costs.values())

    def self_costs(self) -> dict[Frame, int]:
        """By function, what it cost itself; largest first."""
        own: dict[Frame, int] = defaultdict(int)
        for stack, cost in self.costs.items():
            own[stack[-1]] += cost
        return _largest_first(own)

    def total_costs(self) -> dict[Frame, int]:
        """By function, what it cost with all it called; a recursive one counts once. Largest first."""
        whole: dict[Frame, int] = defaultdict(int)
        for stack, cost in self.costs.items():
            for frame in set(stack):
                whole[frame] += cost
        return _largest_first(whole)

    def renamed(self, names: Mapping[Frame, Frame]) -> Profile:
        """These frames under other names; stacks that become equal are added up."""
        if not names:
            return self
        columns = {metric: _renamed(costs, names) for metric, costs in self.columns.items()}
        return replace(self, columns=columns, lines={names.get(f, f): line for f, line in self.lines.items()})

    def check(self) -> None:
        for costs in self.columns.values():
            check_costs(costs)


def check_costs(costs: Costs) -> None:
    """Raises ``IntegrityError`` for an empty stack or a cost that is not a whole number ≥ 0."""
    for stack, cost in costs.items():
        if not stack:
            raise IntegrityError("a profile holds an empty stack")
        if not isinstance(cost, int) or cost < 0:
            raise IntegrityError(f"cost of {stack[-1]} is {cost!r}, not a whole number ≥ 0")


def added(profiles: Sequence[Profile], name: str = "") -> Profile:
    """Profiles of the same metrics as one; of each function the smallest line."""
    columns: dict[Metric, dict[Stack, int]] = {metric: defaultdict(int) for metric in profiles[0].columns}
    for profile in profiles:
        for metric, costs in profile.columns.items():
            column = columns[metric]
            for stack, cost in costs.items():
                column[stack] += cost
    paths = {module: path for profile in profiles for module, path in profile.paths.items()}
    return Profile(columns, name, earliest_lines(profiles), paths)


def earliest_lines(profiles: Iterable[Profile]) -> dict[Frame, SourceLine]:
    """Where functions were seen in any of them, the smallest line."""
    lines: dict[Frame, SourceLine] = {}
    for profile in profiles:
        for frame, line in profile.lines.items():
            if frame not in lines or line.line < lines[frame].line:
                lines[frame] = line
    return lines


def _renamed(costs: Costs, names: Mapping[Frame, Frame]) -> dict[Stack, int]:
    found: dict[Stack, int] = defaultdict(int)
    for stack, cost in costs.items():
        found[tuple(names.get(frame, frame) for frame in stack)] += cost
    return found


def _largest_first(costs: Mapping[Frame, int]) -> dict[Frame, int]:
    return dict(sorted(costs.items(), key=lambda item: (-item[1], item[0])))
