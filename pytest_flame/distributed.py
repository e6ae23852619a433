"""Under pytest-xdist its processes run the plain tests first; then the controller measures the others, alone."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_flame.config import Settings
from pytest_flame.marker import is_gated

if TYPE_CHECKING:
    from pytest_flame.reporting import Gate


def is_distributed(config: pytest.Config) -> bool:
    """Whether pytest-xdist runs this session's tests in its own processes."""
    option = config.option
    nodes = getattr(option, "tx", None) and getattr(option, "dist", "no") != "no"
    return not is_node(config) and bool(getattr(option, "numprocesses", None) or nodes)


def is_node(config: pytest.Config) -> bool:
    """Whether this is one of pytest-xdist's own processes."""
    return hasattr(config, "workerinput")


class Node:
    """Registered in pytest-xdist's processes: leaves the measured tests to the controller."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not is_gated(item, self.settings)]


class Controller:
    """Registered in the controller, which collects only now."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        if session.shouldfail or session.shouldstop:  # the nodes' tests ran into --maxfail
            return result
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
        failed = session.testsfailed
        session.perform_collect()
        if session.testsfailed > failed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted("an error during collection in the controller: nothing was measured")
        session.items[:] = [item for item in session.items if is_gated(item, self.gate.settings)]
        self.gate.measure(session)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        return result
