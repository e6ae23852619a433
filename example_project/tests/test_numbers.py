"""The classics."""

from __future__ import annotations

from math import prod

import pytest

from shop.numbers import factorise, fibonacci, fibonacci_cached, primes_below, voucher


@pytest.mark.flame
def test_fibonacci() -> None:
    fibonacci_cached.cache_clear()
    assert fibonacci_cached(300) % 1_000_000_007 == 644_264_086
    assert fibonacci(21) == fibonacci_cached(21) == 10_946


@pytest.mark.flame
def test_vouchers() -> None:
    primes = primes_below(5_000)
    assert len(primes) == 669
    assert voucher(1_001, primes) == "7·11·13"
    assert len({voucher(number, primes) for number in range(1_000_000, 1_000_500)}) == 500


def test_factors_multiply_to_the_number() -> None:
    primes = primes_below(100)
    assert all(prod(factorise(n, primes)) == n for n in range(1, 500))
