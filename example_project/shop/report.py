"""The day's orders as a page of HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, Template

from shop.model import Order, Quote
from shop.money import euros


@dataclass(frozen=True, slots=True)
class Row:
    number: str
    customer: str
    pieces: int
    total: int
    share: float
    """Of the day's turnover, 0 to 1."""


def render(batch: Sequence[Order], quotes: Sequence[Quote]) -> str:
    turnover = sum_totals(quotes)
    rows = []
    for order, quote in zip(batch, quotes, strict=True):
        rows.append(make_row(order, quote, turnover))
    return page().render(rows=rows, turnover=turnover, countries=by_country(batch, quotes))


@cache
def page() -> Template:
    environment = Environment(loader=PackageLoader("shop"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"euros": euros, "bar": bar, "initials": initials}
    return environment.get_template("report.html")


def sum_totals(quotes: Sequence[Quote]) -> int:
    total = 0
    for quote in quotes:
        total += quote.total
    return total


def make_row(order: Order, quote: Quote, turnover: int) -> Row:
    return Row(order.number, order.customer, count_pieces(order), quote.total, quote.total / turnover)


def count_pieces(order: Order) -> int:
    pieces = 0
    for line in order.lines:
        pieces += line.quantity
    return pieces


def by_country(batch: Sequence[Order], quotes: Sequence[Quote]) -> list[tuple[str, int]]:
    """Turnover per country, largest first."""
    totals: dict[str, int] = defaultdict(int)
    for order, quote in zip(batch, quotes, strict=True):
        totals[order.country] += quote.total
    return sorted(totals.items(), key=lambda item: -item[1])


def bar(share: float, width: int = 40) -> str:
    """A share as a bar of text, in eighths of a character."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def initials(customer: str) -> str:
    """``Lovelace, Ada`` → ``AL``."""
    last, _, first = customer.partition(", ")
    return first.strip('"')[:1] + last[:1]
