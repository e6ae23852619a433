"""Reads from pytest what ``measure/agreement.py`` compares, both in the run and in its workers."""

from __future__ import annotations

import argparse
import hashlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.outcomes import OutcomeException
from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks

from pytest_flame.measure import arguments
from pytest_flame.measure.agreement import Conditions, Seen
from pytest_flame.trees.identity import Identity

_OF_EACH_PROCESS: Final = frozenset(
    {"PYTHONHASHSEED", "PYTHONPATH", "PWD", "OLDPWD", "SHLVL", "_", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
    | {"PYTEST_FLAME_WORKER"}
)
_OWN_OPTIONS: Final = frozenset(
    {"file_or_dir", "basetemp", "plugins", "override_ini", "inifilename", "rootdir", "confcutdir", "quiet"}
    | {"randomly_seed", "hypothesis_seed"}
)
_OWN_SETTINGS: Final = frozenset(
    {"addopts", "required_plugins", "cache_dir", "log_file", "log_cli", "faulthandler_timeout"}
)
_UNDECIDED: Final = (OutcomeException, TypeError)
"""A mark that can't be evaluated: the test fails with it when run."""


def see(item: pytest.Item, identity: Identity) -> Seen:
    """Runs nothing of the test but the conditions of its marks."""
    given = getattr(item, "callspec", None)
    parameters = {} if given is None else given.params
    return Seen(
        skipped=skipped(item),
        expected_to_fail=_expected_to_fail(item),
        function=_function(item),
        # Sorted: the order of autouse fixtures depends on the order in which plugins were loaded.
        fixtures=tuple(sorted(getattr(item, "fixturenames", ()))),
        parameters=tuple(f"{n}={identity.portable(_shown(v))}" for n, v in sorted(parameters.items())),
        marks=tuple(sorted(mark.name for mark in item.iter_markers())),
    )


def skipped(item: pytest.Item) -> str | None:
    """The reason, if marks skip the test or keep it from running."""
    for owner in (getattr(item, "function", None), getattr(item, "cls", None)):
        if getattr(owner, "__unittest_skip__", False):
            return str(getattr(owner, "__unittest_skip_why__", ""))
    try:
        skip, xfail = evaluate_skip_marks(item), evaluate_xfail_marks(item)
    except _UNDECIDED:
        return None
    if skip is not None:
        return str(skip.reason)
    not_run = xfail is not None and not xfail.run and not item.config.getoption("runxfail", False)
    return str(xfail.reason) if xfail is not None and not_run else None


def _expected_to_fail(item: pytest.Item) -> bool:
    try:
        return not item.config.getoption("runxfail", False) and evaluate_xfail_marks(item) is not None
    except _UNDECIDED:
        return False


def _function(item: pytest.Item) -> str:
    function = inspect.unwrap(getattr(item, "function", None) or (lambda: None))
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    return name if code is None else f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})"


def option_parser(config: pytest.Config) -> argparse.ArgumentParser:
    """pytest's parser, with the options of all plugins."""
    parser: Any = config._parser
    made: argparse.ArgumentParser = parser.optparser if hasattr(parser, "optparser") else parser._getparser()  # < 9.1
    return made


def conditions(config: pytest.Config) -> Conditions:
    """The current ones."""
    root = str(config.rootpath)
    actions = {action.dest: action for action in option_parser(config)._actions if action.option_strings}
    options: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for dest, value in vars(config.option).items():
        if dest not in _OWN_OPTIONS and not dest.startswith("flame"):
            names = actions[dest].option_strings if dest in actions else [dest]
            into = left_out if arguments.is_left_out(names, arguments.LEFT_OUT) else options
            into[max(names, key=len)] = _shown(value, root)
    settings = {
        name: _setting(config, name, root)
        for name in config._parser._inidict
        if name not in _OWN_SETTINGS and not name.startswith("flame")
    }
    variables = tuple(
        f"{name}={hashlib.sha256(os.fsencode(value)).hexdigest()}"
        for name, value in os.environ.items()
        if name not in _OF_EACH_PROCESS
    )
    return Conditions(options, settings, tuple(sorted(set(_plugins(config)))), variables, left_out)


def differences(config: pytest.Config, run: str) -> list[str]:
    """Differences of this process from the run, whose conditions are in the file ``run``; none without a file."""
    return list(Conditions.read(Path(run)).differences(conditions(config))) if run else []


def _plugins(config: pytest.Config) -> Iterator[str]:
    """Names, without conftest files and without names derived from an object's address."""
    for name, plugin in config.pluginmanager.list_name_plugin():
        own = name.startswith(("flame", "pytest_flame.measure"))
        if plugin is not None and not (own or name.isdigit() or Path(name).is_absolute()):
            yield name


def _setting(config: pytest.Config, name: str, root: str) -> str:
    try:
        return _shown(config.getini(name), root)
    except (TypeError, ValueError) as e:
        return f"not readable: {e}"


def _shown(value: Any, root: str = "") -> str:
    """Text that is the same in every process that has the same value."""
    if value is None or isinstance(value, (str, bytes, int, float, complex, Path)):
        shown = repr(str(value) if isinstance(value, Path) else value)
        return shown.replace(root, "{rootdir}") if root else shown
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_shown(one, root) for one in value]
        return f"[{', '.join(sorted(items) if isinstance(value, (set, frozenset)) else items)}]"
    return type(value).__name__
