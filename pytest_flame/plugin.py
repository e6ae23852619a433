"""pytest hooks only. Without ``--flame`` nothing here does, imports or costs anything."""

from __future__ import annotations

import sys
from typing import Final

import pytest

from pytest_flame import config as flame_config
from pytest_flame.errors import FlameError
from pytest_flame.fixture import Flame, PassThrough

FLAME_KEY: Final = pytest.StashKey[Flame]()
PLUGIN_NAME: Final = "flame-gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    flame_config.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_flame import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.fixture
def flame(request: pytest.FixtureRequest) -> Flame:
    """Measure only a part of a test: ``flame(func, *args)`` or ``with flame:``."""
    return request.node.stash.get(FLAME_KEY, None) or PassThrough()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", flame_config.MARKER_HELP)
    if config.getoption("flame_job", None) is not None:
        return
    try:
        settings = flame_config.read_settings(config) if flame_config.is_asked_for(config) else None
        if settings is None or not settings.enabled or config.option.collectonly:
            return
        if sys.platform != "linux" or sys.implementation.name != "cpython":
            _warn_unsupported(config)
            return
        if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
            raise pytest.UsageError("--flame measures one process at a time: run it with -n 0 (and without --dist)")
        from pytest_flame.reporting import Gate

        config.pluginmanager.register(Gate(config, settings), PLUGIN_NAME)
    except FlameError as e:
        raise pytest.UsageError(str(e)) from e


def _warn_unsupported(config: pytest.Config) -> None:
    config.issue_config_time_warning(
        pytest.PytestWarning(
            f"--flame: nothing was measured, marked tests run as plain tests: pytest-flame samples CPython on Linux, "
            f"this is {sys.implementation.name} on {sys.platform}"
        ),
        stacklevel=2,
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only, skip = config.getoption("flame_only"), config.getoption("flame_skip")
    if not only and not skip:
        return
    dropped = [item for item in items if flame_config.is_marked(item) == bool(skip)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if flame_config.is_marked(item) != bool(skip)]
