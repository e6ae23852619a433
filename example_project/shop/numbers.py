"""The numbers behind the voucher game: points grow like Fibonacci's rabbits, codes are products of primes."""

from __future__ import annotations

from functools import cache


def fibonacci(n: int) -> int:
    """By its definition: two calls for every one."""
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


@cache
def fibonacci_cached(n: int) -> int:
    """By its definition, each value computed once."""
    if n < 2:
        return n
    return fibonacci_cached(n - 1) + fibonacci_cached(n - 2)


def primes_below(limit: int) -> list[int]:
    """Sieve of Eratosthenes."""
    prime = bytearray([1]) * limit
    prime[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if prime[n]:
            prime[n * n :: n] = bytes(len(range(n * n, limit, n)))
    return [n for n in range(limit) if prime[n]]


def voucher(number: int, primes: list[int]) -> str:
    """A voucher's code: the prime factors of its number, smallest first."""
    return "·".join(map(str, factorise(number, primes)))


def factorise(number: int, primes: list[int]) -> list[int]:
    factors = []
    for prime in primes:
        if prime * prime > number:
            break
        while number % prime == 0:
            factors.append(prime)
            number //= prime
    if number > 1:
        factors.append(number)
    return factors
