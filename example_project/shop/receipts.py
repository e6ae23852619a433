"""Receipts for the till's printer: 42 characters wide, built line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shop.model import Line, Order, Product, Quote
from shop.money import euros

WIDTH = 42
BARS = {digit: pattern for digit, pattern in zip("0123456789-", "▏▎▍▌▋▊▉▐░▒▓", strict=True)}


def receipts(batch: Sequence[Order], quotes: Sequence[Quote], goods: Mapping[str, Product]) -> str:
    """The receipts of a batch on one roll of paper."""
    paper = []
    for order, quote in zip(batch, quotes, strict=True):
        paper.extend(receipt(order, quote, goods))
    return "\n".join(paper)


def receipt(order: Order, quote: Quote, goods: Mapping[str, Product]) -> list[str]:
    rows = heading(order)
    for line in order.lines:
        rows.append(item_row(line, goods[line.sku]))
    rows.extend(totals(quote))
    rows.append(barcode(order.number))
    rows.append("")
    return rows


def heading(order: Order) -> list[str]:
    return [f"{'Tea & Biscuits':^{WIDTH}}", columns(f"Order {order.number}", order.placed.isoformat()), "-" * WIDTH]


def item_row(line: Line, product: Product) -> str:
    price = euros(product.cents)
    left = f"{line.quantity:>3} × "
    return left + columns(shorten(product.name, WIDTH - len(left) - len(price) - 1), price, WIDTH - len(left))


def totals(quote: Quote) -> list[str]:
    return [
        "-" * WIDTH,
        columns("Goods", euros(quote.net)),
        columns("Loyalty", euros(-quote.loyalty)),
        columns("Tax", euros(quote.tax)),
        columns("TOTAL", euros(quote.total)),
    ]


def columns(left: str, right: str, width: int = WIDTH) -> str:
    """Two texts at the two edges of the paper, dots between them."""
    return left + "." * (width - len(left) - len(right)) + right


def shorten(name: str, width: int) -> str:
    """As many whole words of the name as fit."""
    kept = ""
    for word in name.split():
        longer = f"{kept} {word}" if kept else word
        if len(longer) > width:
            break
        kept = longer
    return kept


def barcode(number: str) -> str:
    """Each digit as three bars, wide ones for odd places."""
    bars = []
    for place, digit in enumerate(number):
        pattern = BARS[digit]
        bars.append(pattern * 3 if place % 2 else pattern + " " + pattern)
    return "".join(bars).center(WIDTH)
