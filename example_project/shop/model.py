"""The shop's nouns. Money is whole cents, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    category: str
    cents: int


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    number: str
    customer: str
    email: str
    country: str
    placed: date
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order costs: goods after line discounts, minus loyalty, plus tax."""

    net: int
    loyalty: int
    tax: int

    @property
    def total(self) -> int:
        return self.net - self.loyalty + self.tax


class OrderError(ValueError):
    """An order that cannot be accepted, with the value that is wrong."""
