"""Invoices: the lines of an order, added up with their discounts and taxes."""

from __future__ import annotations

from collections.abc import Sequence

Line = tuple[int, int, int]
"""Cents, pieces, percent of tax."""


def orders(number: int = 40, lines: int = 60) -> list[list[Line]]:
    return [[(i * n * 37 % 9_000 + 99, n % 9 + 1, 19 if n % 3 else 7) for n in range(lines)] for i in range(number)]


def invoices(orders: Sequence[Sequence[Line]]) -> list[str]:
    return [invoice(lines) for lines in orders]


def invoice(lines: Sequence[Line]) -> str:
    net = taxes = 0
    for cents, pieces, percent in lines:
        amount = cents * pieces
        if pieces >= 5:
            amount -= amount * 3 // 100
        net += amount
        taxes += (amount * percent + 50) // 100
    return summary(net, taxes, len(lines))


def summary(net: int, taxes: int, lines: int) -> str:
    return (
        "\n".join(f"{name:<12}{cents / 100:>12,.2f}" for name, cents in (("net", net), ("tax", taxes))) + f"\n{lines}"
    )
