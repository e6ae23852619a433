"""Calls and integers: the interpreter and nothing else."""

import zlib

PAGE = memoryview(bytes(range(256)) * 4096)


def work() -> int:
    return fibonacci(18)


def fibonacci(n: int) -> int:
    if n < 2:
        return n
    if n == 7:
        weigh()
    elif n == 8:
        stamp()
    elif n == 9:
        tally()
    elif n == 10:
        seal()
    return fibonacci(n - 1) + fibonacci(n - 2)


def weigh() -> None:
    for _ in bytes(1001):
        pass


def stamp() -> None:
    for _ in bytes(1002):
        pass


def tally() -> None:
    for _ in bytes(1003):
        pass


def seal() -> int:
    return zlib.crc32(PAGE[:1004])
