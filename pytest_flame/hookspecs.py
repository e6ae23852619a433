"""pytest-flame's own hooks, for conftest files and other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy
import pytest

if TYPE_CHECKING:
    from pytest_flame.model import Judgement, RunResult

hookspec = pluggy.HookspecMarker("pytest")


@hookspec
def pytest_flame_judged(item: pytest.Item, judgement: Judgement) -> None:
    """One test has its verdict; called before its report is made.

    Example, in ``conftest.py``::

        def pytest_flame_judged(item, judgement):
            print(item.nodeid, judgement.verdict.value, judgement.reason)
    """


@hookspec
def pytest_flame_finished(config: pytest.Config, result: RunResult) -> None:
    """All tests have their verdicts and the report is written.

    Example, in ``conftest.py``::

        def pytest_flame_finished(config, result):
            upload(result.judgements)
    """
