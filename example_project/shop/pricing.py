"""What an order costs: price breaks, volume and loyalty discounts, tax."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from shop.model import Line, Order, Product, Quote

VOLUME_STEPS = ((10_000, 2), (25_000, 3), (50_000, 5), (100_000, 8))
"""Line value in cents → discount in percent."""

LOYALTY_STEPS = ((0, 0), (90, 1), (180, 2), (270, 3))
"""Days since the start of the programme → discount in percent."""

TAX_RULES = (
    "AT:BOK=1000", "AT:TEA=1000", "AT:*=2000", "CH:BOK=260", "CH:TEA=260", "CH:COF=260", "CH:*=810", "DE:BOK=700",
    "DE:TEA=700", "DE:COF=700", "DE:BIS=700", "DE:*=1900", "FR:BOK=550", "FR:*=2000", "GB:BOK=0", "GB:*=2000",
    "NL:BOK=900", "NL:TEA=900", "NL:*=2100",
)  # fmt: skip
"""Country and category → tax in hundredths of a percent; the first match counts."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Unit prices by article and quantity: ``breaks[i]`` pieces or more cost ``cents[sku][i]`` each."""

    breaks: tuple[int, ...]
    cents: Mapping[str, tuple[int, ...]]

    def unit_price(self, line: Line) -> int:
        return self.cents[line.sku][bisect_right(self.breaks, line.quantity) - 1]


def retail(goods: Sequence[Product]) -> PriceBook:
    return PriceBook((1,), {item.sku: (item.cents,) for item in goods})


def wholesale(goods: Sequence[Product]) -> PriceBook:
    """Four price breaks, up to a quarter cheaper."""
    percents = (100, 92, 85, 75)
    return PriceBook((1, 5, 10, 25), {g.sku: tuple(percent_of(g.cents, p) for p in percents) for g in goods})


def price_orders(batch: Sequence[Order], book: PriceBook) -> list[Quote]:
    quotes = []
    for order in batch:
        quotes.append(price_order(order, book))
    return quotes


def price_order(order: Order, book: PriceBook) -> Quote:
    net = 0
    tax = 0
    loyalty = loyalty_percent(order.placed)
    for line in order.lines:
        amount = price_line(line, book)
        net += amount
        tax += line_tax(order.country, line, amount - percent_of(amount, loyalty))
    return Quote(net, percent_of(net, loyalty), tax)


def price_line(line: Line, book: PriceBook) -> int:
    gross = book.unit_price(line) * line.quantity
    return gross - volume_discount(gross)


def volume_discount(gross: int) -> int:
    best = 0
    for floor, percent in VOLUME_STEPS:
        if gross < floor:
            break
        best = percent
    return percent_of(gross, best)


def loyalty_percent(placed: date) -> int:
    """Discount of a customer of the programme, by the day of the order."""
    days = (placed - date(2026, 1, 1)).days
    best = 0
    for floor, percent in LOYALTY_STEPS:
        if days >= floor:
            best = max(best, percent)
    return best


def line_tax(country: str, line: Line, amount: int) -> int:
    return (amount * tax_rate(country, line.sku[:3]) + 5_000) // 10_000


@cache
def tax_rate(country: str, category: str) -> int:
    """Hundredths of a percent, from the first rule that matches."""
    for rule in TAX_RULES:
        where, _, rate = rule.partition("=")
        if where in (f"{country}:{category}", f"{country}:*"):
            return int(rate)
    raise KeyError(f"no tax rule for {category} in {country}")


def percent_of(cents: int, percent: int) -> int:
    """Rounded half up to a whole cent."""
    return (cents * percent + 50) // 100
