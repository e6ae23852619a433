"""Bodies of many kinds, called by the gate and by a bare loop. ``worker.py`` copies this file into a project."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

import jinja2
import numpy as np
import pyparsing


def _arithmetic() -> pyparsing.ParserElement:
    number = pyparsing.Word(pyparsing.nums)
    operators = [("*/", 2), ("+-", 2)]
    levels = [(pyparsing.oneOf(" ".join(signs)), arity, pyparsing.opAssoc.LEFT) for signs, arity in operators]
    return pyparsing.infixNotation(number, levels)


EXPRESSION = _arithmetic()
DOCUMENT = {f"key{i}": {"number": i * 1.5, "list": list(range(i % 17)), "text": "abc" * (i % 5)} for i in range(60)}
TEXT = " ".join(f"{word}-{i}@example.org" for i, word in enumerate(["alpha", "beta", "gamma", "delta"] * 40))
ADDRESS = re.compile(r"(\w+)-(\d+)@(\w+)\.(org|com)")
VECTOR, MATRIX = np.linspace(0.0, 1.0, 400), np.arange(900, dtype=np.float64).reshape(30, 30)
TEMPLATE = jinja2.Template(
    "{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell|e }}</td>{% endfor %}</tr>{% endfor %}"
)
ROWS = [[f"{i}&{j}" for j in range(6)] for i in range(12)]


@dataclass(order=True)
class Item:
    weight: int
    name: str


ITEMS = [Item(i * 7919 % 1009, f"item{i}") for i in range(120)]


def test_pyparsing() -> None:
    EXPRESSION.parseString("1+2*3-4/5")


def test_json() -> None:
    json.loads(json.dumps(DOCUMENT))


def test_json_in_python() -> None:
    json.dumps(DOCUMENT, indent=1)


def _fibonacci(n: int) -> int:
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


def test_recursion() -> None:
    _fibonacci(13)


def test_regex() -> None:
    ADDRESS.findall(TEXT)


def test_numpy() -> None:
    for _ in range(10):
        (np.sqrt(VECTOR) * 2 + VECTOR).sum()
        MATRIX @ MATRIX


def test_large_arrays() -> None:
    """Memory of this size is requested from the system and returned to it in every iteration."""
    np.ones(40_000).sum()


def test_template() -> None:
    TEMPLATE.render(rows=ROWS)


def test_objects() -> None:
    sorted(ITEMS)
    Counter(item.name[-1] for item in ITEMS).most_common(3)


def test_exceptions() -> None:
    for i in range(100):
        try:
            int("x" if i % 2 else "1")
        except ValueError as error:
            str(error)
