"""Calls and integers: the interpreter and nothing else."""


def work() -> int:
    return fibonacci(18)


def fibonacci(n: int) -> int:
    if n < 2:
        return n
    if n == 7:
        weigh()
    elif n == 8:
        stamp()
    return fibonacci(n - 1) + fibonacci(n - 2)


def weigh() -> None:
    for _ in bytes(1001):
        pass


def stamp() -> None:
    for _ in bytes(1002):
        pass
