"""Data that many tests share, made once: none of it is part of what is measured."""

from __future__ import annotations

import pytest

from shop import samples
from shop.model import Order, Product, Quote
from shop.pricing import price_orders, retail


@pytest.fixture(scope="session")
def goods() -> list[Product]:
    return samples.products()


@pytest.fixture(scope="session")
def batch(goods: list[Product]) -> list[Order]:
    return samples.orders(500, goods)


@pytest.fixture(scope="session")
def quotes(batch: list[Order], goods: list[Product]) -> list[Quote]:
    return price_orders(batch, retail(goods))
