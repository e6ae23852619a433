"""The command line of workers: that of the run, narrowed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.measure import arguments
from pytest_flame.measure.seeing import option_parser

PLUGIN_OPTION: Final = "--flame-plugin"
_OBSERVING: Final = frozenset(
    {"pytest_runtest_logreport", "pytest_runtest_logstart", "pytest_runtest_logfinish", "pytest_runtest_makereport"}
    | {"pytest_collectstart", "pytest_collectreport", "pytest_itemcollected", "pytest_collection_finish"}
    | {"pytest_deselected", "pytest_report_header", "pytest_report_collectionfinish", "pytest_report_teststatus"}
    | {"pytest_terminal_summary", "pytest_sessionfinish", "pytest_unconfigure", "pytest_warning_recorded"}
    | {"pytest_exception_interact", "pytest_internalerror", "pytest_keyboard_interrupt"}
    | {"pytest_flame_judged", "pytest_flame_finished"}
)
"""Hooks that cannot affect a test."""


def worker_arguments(config: pytest.Config, *, drop: tuple[str, ...], add: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of every worker of this run. ``drop`` are names of options, ``add`` words of a command line.

    Raises ``UsageError`` if a plugin that can change a test cannot be loaded in another process.
    """
    given, paths = arguments.read(_given(config), option_parser(config))
    before = list(config.getoption("file_or_dir"))
    if paths != before and any(argument.startswith("@") for argument in _given(config)):
        raise UsageError(
            "the arguments in a file (@FILE) cannot be read a second time for the measured processes",
            why=f"they named {', '.join(before) or 'no path'}, and now {', '.join(paths) or 'no path'}",
            fix="use a regular file, not a pipe",
        )
    words = arguments.narrowed(given, options_left_out(config, drop))
    words += [f"-pno:{name}" for name in _benchmark_plugins(config)]
    conftests_from = config.getoption("confcutdir") or (config.inipath.parent if config.inipath else config.rootpath)
    words += [f"--rootdir={config.rootpath}", f"--confcutdir={conftests_from}"]
    # Given even if there is none: otherwise a different one might be found.
    words += ["-c", str(config.inipath or os.devnull)]
    for name, value in arguments.SETTINGS.items():
        if _has_setting(config, name):  # with strict_config an unknown one is an error
            words += ["-o", f"{name}={value}"]
    for plugin in config.invocation_params.plugins or ():
        words += _loading(plugin)
    # Paths first: after an option with an optional value they would be taken for the value.
    return (*paths, *words, *add)


def options_left_out(config: pytest.Config, drop: tuple[str, ...]) -> tuple[arguments.LeftOut, ...]:
    """The options of this run that do not reach its workers."""
    modules = {_package(plugin) for plugin in config.pluginmanager.get_plugins()}
    return arguments.left_out(modules, drop)


def _benchmark_plugins(config: pytest.Config) -> list[str]:
    """The names under which this run has loaded them."""
    plugins = config.pluginmanager.list_name_plugin()
    return [name for name, plugin in plugins if plugin and _package(plugin) in arguments.BENCHMARK_PLUGINS]


def _package(plugin: object) -> str:
    name: str = getattr(plugin, "__name__", type(plugin).__module__)
    return name.partition(".")[0]


def _given(config: pytest.Config) -> list[str]:
    """All arguments of pytest, in order."""
    inherited = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    return [*config.getini("addopts"), *inherited, *map(os.fspath, config.invocation_params.args)]


def _has_setting(config: pytest.Config, name: str) -> bool:
    try:
        config.getini(name)
    except ValueError:
        return False
    return True


# --- plugins given to pytest.main ------------------------------------------------------------------------------------


def _loading(plugin: object) -> list[str]:
    """The words that load it in another process; none for a plugin that only observes."""
    if isinstance(plugin, str):
        return ["-p", plugin]
    if isinstance(plugin, ModuleType) and plugin.__name__ != "__main__":
        return ["-p", plugin.__name__]
    name = _importable(plugin)
    if name is not None:
        return [f"{PLUGIN_OPTION}={name}"]
    changing = sorted(_what_it_does(plugin) - _OBSERVING)
    if not changing:
        return []
    raise UsageError(
        f"the plugin {plugin!r} given to pytest.main cannot be loaded in the measured processes",
        why=f"it is not a global of a module that can be imported there, and has {', '.join(changing)}",
        fix="define it in a separate module (plugin = ...), import it from there and pass that to pytest.main",
    )


def _importable(plugin: object) -> str | None:
    """``module:name`` of a class, or of an object that is a global of its class's module."""
    module = plugin.__module__ if isinstance(plugin, type) else type(plugin).__module__
    if module == "__main__" or module not in sys.modules:
        return None
    return next((f"{module}:{name}" for name, value in vars(sys.modules[module]).items() if value is plugin), None)


def _what_it_does(plugin: object) -> set[str]:
    return set(_hooks_and_fixtures(plugin))


def _hooks_and_fixtures(plugin: object) -> Iterator[str]:
    for name in dir(plugin):
        if name.startswith("pytest_"):
            yield name
            continue
        value: Any = getattr(plugin, name, None)
        if type(value).__name__ == "FixtureFunctionDefinition" or hasattr(value, "_pytestfixturefunction"):  # < 8.4
            yield f"the fixture {name}"
