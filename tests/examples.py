"""The runnable examples in the docstrings of the hooks."""

from __future__ import annotations

import inspect
import textwrap

from pytest_flame import hookspecs

HOOKS = dict(inspect.getmembers(hookspecs, inspect.isfunction))


def example(hook: str) -> str:
    """What a docstring shows after ``Example, in conftest.py::``."""
    text = inspect.getdoc(HOOKS[hook]) or ""
    _, found, code = text.partition("Example, in ``conftest.py``::\n")
    assert found, f"{hook} has no example"
    return textwrap.dedent(code).strip() + "\n"
