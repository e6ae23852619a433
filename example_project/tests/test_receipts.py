"""Receipts fit the paper and name the total."""

from __future__ import annotations

import pytest

from shop.model import Order, Product, Quote
from shop.money import euros
from shop.receipts import WIDTH, receipts


@pytest.mark.flame(frame_threshold="3%")
def test_receipts(batch: list[Order], quotes: list[Quote], goods: list[Product]) -> None:
    paper = receipts(batch, quotes, {product.sku: product for product in goods})
    assert paper.count("TOTAL") == len(batch)
    assert paper.count(euros(quotes[0].total)) >= 1
    assert max(map(len, paper.split("\n"))) == WIDTH
