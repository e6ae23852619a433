"""Orders are priced right, whatever the price book."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import pytest

from shop.model import Line, Order, Product, Quote
from shop.pricing import PriceBook, price_order, price_orders, retail, wholesale


@pytest.mark.flame
@pytest.mark.parametrize(
    ("book", "turnover"), [(retail, 222_409_979), (wholesale, 177_066_600)], ids=["retail", "wholesale"]
)
def test_price_orders(
    book: Callable[[Sequence[Product]], PriceBook], turnover: int, batch: list[Order], goods: list[Product]
) -> None:
    assert sum(quote.total for quote in price_orders(batch, book(goods))) == turnover


@pytest.mark.flame(threshold="10%", frame_threshold="5%")
def test_price_one_order() -> None:
    """A few microseconds: what the web shop does at every click."""
    lines = (Line("TEA-00001-0", 12), Line("CUP-00002-0", 3))
    order = Order("1", "Lovelace, Ada", "ada@example.com", "DE", date(2026, 7, 1), lines)
    book = PriceBook((1, 10), {"TEA-00001-0": (1_000, 900), "CUP-00002-0": (2_500, 2_200)})
    assert price_order(order, book) == Quote(net=18_084, loyalty=362, tax=2_123)
