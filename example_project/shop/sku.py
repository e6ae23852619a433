"""Article numbers such as ``TEA-04711-6``: category, serial, check digit."""

from __future__ import annotations

from shop.model import OrderError


def make_sku(category: str, serial: int) -> str:
    body = f"{category}-{serial:05d}"
    return f"{body}-{check_digit(body)}"


def check_sku(sku: str) -> str:
    """The article number itself, once its check digit has been confirmed."""
    body, _, digit = sku.rpartition("-")
    if digit != check_digit(body):
        raise OrderError(f"article number {sku!r} has the wrong check digit")
    return sku


def check_digit(body: str) -> str:
    """Luhn's sum over the alphanumeric characters, letters counted as 10 to 35."""
    total = 0
    double = True
    for char in reversed(body):
        if char == "-":
            continue
        value = int(char, 36)
        if double:
            value *= 2
        total += value // 10 + value % 10
        double = not double
    return str(-total % 10)
