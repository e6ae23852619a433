"""Parcels on their way: one clerk hands orders to several couriers, all in one event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import hypot

from shop.model import Order

DEPOTS: Mapping[str, tuple[float, float]] = {
    "Vienna": (48.2, 16.4), "Zurich": (47.4, 8.5), "Berlin": (52.5, 13.4), "Hamburg": (53.6, 10.0),
    "Lyon": (45.8, 4.8), "Leeds": (53.8, -1.5), "Utrecht": (52.1, 5.1),
}  # fmt: skip
CENTRES: Mapping[str, tuple[float, float]] = {
    "AT": (47.6, 14.1), "CH": (46.8, 8.2), "DE": (51.2, 10.4), "FR": (46.6, 2.5), "GB": (54.0, -2.5), "NL": (52.2, 5.3),
}  # fmt: skip

Tours = dict[str, list[str]]
"""Depot → numbers of the orders it delivers."""


async def dispatch(batch: Sequence[Order], couriers: int = 4) -> Tours:
    """Tours of all depots, order numbers sorted."""
    waiting: asyncio.Queue[Order | None] = asyncio.Queue(maxsize=8)
    tours: Tours = defaultdict(list)
    async with asyncio.TaskGroup() as staff:
        for _ in range(couriers):
            staff.create_task(deliver(waiting, tours))
        await hand_out(batch, waiting, couriers)
    return {depot: sorted(numbers) for depot, numbers in sorted(tours.items())}


async def hand_out(batch: Sequence[Order], waiting: asyncio.Queue[Order | None], couriers: int) -> None:
    for order in batch:
        await waiting.put(order)
    for _ in range(couriers):
        await waiting.put(None)


async def deliver(waiting: asyncio.Queue[Order | None], tours: Tours) -> None:
    while (order := await waiting.get()) is not None:
        tours[nearest_depot(address(order))].append(order.number)


def address(order: Order) -> tuple[float, float]:
    """A made-up place near the centre of the country, always the same for the same order."""
    latitude, longitude = CENTRES[order.country]
    serial = int(order.number[-5:])
    return latitude + serial % 17 / 10, longitude + serial % 23 / 10


def nearest_depot(place: tuple[float, float]) -> str:
    best = ""
    shortest = float("inf")
    for depot, position in DEPOTS.items():
        away = distance(place, position)
        if away < shortest:
            best, shortest = depot, away
    return best


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Straight line in degrees: good enough to choose a depot."""
    return hypot(a[0] - b[0], a[1] - b[1])
