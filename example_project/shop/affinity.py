"""What is bought together: the product of the basket matrix with its transpose."""

from __future__ import annotations

from collections.abc import Sequence

from shop.model import Order

Matrix = list[list[int]]


def bought_together(batch: Sequence[Order], skus: Sequence[str]) -> Matrix:
    """``m[i][j]``: number of orders with both ``skus[i]`` and ``skus[j]``."""
    held = baskets(batch, skus)
    return multiply(transpose(held), held)


def baskets(batch: Sequence[Order], skus: Sequence[str]) -> Matrix:
    """One row per order, one column per article: 1 where the order holds it."""
    rows = []
    for order in batch:
        rows.append(basket(order, skus))
    return rows


def basket(order: Order, skus: Sequence[str]) -> list[int]:
    bought = {line.sku for line in order.lines}
    return [1 if sku in bought else 0 for sku in skus]


def transpose(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def multiply(a: Matrix, b: Matrix) -> Matrix:
    columns = transpose(b)
    product = []
    for row in a:
        cells = []
        for column in columns:
            cells.append(dot(row, column))
        product.append(cells)
    return product


def dot(a: list[int], b: list[int]) -> int:
    total = 0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def strongest_pair(matrix: Matrix) -> tuple[int, int]:
    """Row and column of the largest value above the diagonal."""
    best = (0, 1)
    for i, row in enumerate(matrix):
        for j in range(i + 1, len(row)):
            if row[j] > matrix[best[0]][best[1]]:
                best = (i, j)
    return best
