"""A footprint changes with every change of code that runs, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.model import Exact, differences

SUBJECT = '''\
"""What an order costs."""
import contextlib
import dataclasses
import functools

LIMIT = 3


def twice(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) * 2
    return wrapper


@twice
def scale(x, factor=2):
    """Scale it."""
    return x * factor + LIMIT


@dataclasses.dataclass
class Order:
    """An order."""

    price: int = 5
    tax = 0.5

    def total(self):
        try:
            return int("x" * self.price)
        except ValueError:
            return len([y for y in (1, 2) if y > 1])
        finally:
            str(self.tax)


def counted(n):
    with contextlib.suppress(KeyError):
        yield from range(n)


def unused(x=1):
    return x + 1


def spread(*args, key=None):
    return args


def body():
    scale(2)
    Order().total()
    list(counted(3))
    spread(1, key=2)
    exec("made = 1")
    namespace = {}
    exec("def made(x): return x + 1", namespace)
    return namespace["made"](1)
'''

CHANGED = {
    "constant": ("x * factor + LIMIT", "x * factor + 4", "function subject:scale"),
    "operator": ("x * factor + LIMIT", "x * factor - LIMIT", "function subject:scale"),
    "name": ("str(self.tax)", "repr(self.tax)", "function subject:Order.total"),
    "order of operands": ("x * factor + LIMIT", "LIMIT + x * factor", "function subject:scale"),
    "default": ("factor=2", "factor=3", "module body subject"),
    "default of a keyword": ("key=None", "key=0", "module body subject"),
    "decorator": ("@twice\n", "", "module body subject"),
    "inside a decorator": ("(*args) * 2", "(*args) * 3", "function subject:twice.<locals>.wrapper"),
    "module's constant": ("LIMIT = 3", "LIMIT = 4", "module body subject"),
    "class's attribute": ("tax = 0.5", "tax = 0.25", "class body subject:Order"),
    "field of a dataclass": ("price: int = 5", "size: int = 1\n    price: int = 5", "class body subject:Order"),
    "handler": ("except ValueError", "except Exception", "function subject:Order.total"),
    "what a handler covers": (
        'return int("x" * self.price)',
        'pass\n        except KeyError:\n            pass\n        try:\n            return int("x" * self.price)',
        "function subject:Order.total",
    ),
    "comprehension": ("if y > 1", "if y > 0", "function subject:Order.total"),
    "context manager": ("suppress(KeyError)", "suppress(IndexError)", "function subject:counted"),
    "generator instead of function": ("    return args", "    return args\n    yield", "function subject:spread"),
    "argument": ("def spread(*args, key=None)", "def spread(*args, key=None, **more)", "function subject:spread"),
    "type of a constant": ("list(counted(3))", "list(counted(True))", "function subject:body"),
    "code in a string": ('return x + 1",', 'return x + 2",', "function <string>:made"),
    "call": ("spread(1, key=2)", "spread(1, key=2, *())", "function subject:body"),
    "new function that runs": ("def unused(x=1)", "def unused(x=len(()))", "module body subject"),
}

SAME = {
    "comment": ("LIMIT = 3", "LIMIT = 3  # three"),
    "white space": ("x * factor + LIMIT", "(x*factor\n        +LIMIT)"),
    "docstring of a function": ("Scale it.", "Scales it."),
    "docstring of a class": ("An order.", "An order of\n    one customer."),
    "docstring of the module": ("What an order costs.", "Costs."),
    "moved lines": ("LIMIT = 3\n", "\n\n\nLIMIT = 3\n"),
    "function that did not run": ("return x + 1\n\n", "return x + 7\n\n"),
}


def mutated(before: str, after: str) -> str:
    assert SUBJECT.count(before) == 1, before
    return SUBJECT.replace(before, after)


@pytest.fixture(scope="module")
def mutants(record: Callable[..., list[Exact]], tree: Callable[..., Path]) -> dict[str, Exact]:
    """By name of the mutation, and the original as ``""``."""
    sources = {"": SUBJECT, **{name: mutated(*change[:2]) for name, change in {**CHANGED, **SAME}.items()}}
    return dict(zip(sources, record(*map(tree, sources.values())), strict=True))


@pytest.mark.parametrize("name", CHANGED)
def test_code_that_runs_changes_the_footprint(mutants: dict[str, Exact], name: str) -> None:
    found = differences(mutants[""].footprint, mutants[name].footprint)
    assert any(words.startswith(CHANGED[name][2]) for words in found), found
    assert mutants[""].footprint.digest != mutants[name].footprint.digest


@pytest.mark.parametrize("name", SAME)
def test_what_does_not_run_does_not(mutants: dict[str, Exact], name: str) -> None:
    assert differences(mutants[""].footprint, mutants[name].footprint) == ()
    assert mutants[""].footprint.digest == mutants[name].footprint.digest
    assert mutants[""] == mutants[name]


def test_nothing_of_it_is_unaccounted_for(mutants: dict[str, Exact]) -> None:
    assert mutants[""].footprint.unknown == ()
    assert mutants[""].footprint.files == {}
