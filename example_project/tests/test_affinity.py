"""What is bought together, in the style of ``unittest``."""

from __future__ import annotations

import unittest

import pytest

from shop.affinity import bought_together, multiply, strongest_pair
from shop.model import Order
from shop.samples import orders, products


class AffinityTest(unittest.TestCase):
    batch: list[Order]
    skus: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        goods = products(count=24)
        cls.batch = orders(80, goods)
        cls.skus = [item.sku for item in goods]

    @pytest.mark.flame
    def test_bought_together(self) -> None:
        counts = bought_together(self.batch, self.skus)
        self.assertEqual(counts[0][0], sum(any(x.sku == self.skus[0] for x in o.lines) for o in self.batch))
        self.assertEqual(strongest_pair(counts), (4, 13))

    def test_multiply(self) -> None:
        self.assertEqual(multiply([[1, 2], [3, 4]], [[5, 6, 0], [7, 8, 1]]), [[19, 22, 2], [43, 50, 4]])
