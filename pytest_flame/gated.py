"""The state of the gate as pytest collects it: of this run and, as a separate plugin, of a commit's tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.skipping import evaluate_xfail_marks

from pytest_flame.config import gate_settings, read_settings
from pytest_flame.errors import FlameError
from pytest_flame.invocation import options_left_out
from pytest_flame.marker import is_marked, test_settings
from pytest_flame.measure import arguments
from pytest_flame.measure.seeing import option_parser, skipped
from pytest_flame.trees.committed import Collection
from pytest_flame.trees.gate_state import GatedTest, GateState


def gate_state(config: pytest.Config, items: Sequence[pytest.Item], unknown: dict[str, str]) -> GateState:
    """The state for ``items``, including deselected ones. What cannot be read is added to ``unknown``."""
    tests: dict[str, GatedTest] = {}
    try:
        settings = read_settings(config)
    except FlameError as e:
        return GateState({}, {}, unknown | {"settings": e.what})
    for item in items:
        if not is_marked(item):
            tests[item.nodeid] = GatedTest(marked=False)
            continue
        try:
            limits = test_settings(item, settings).limits
        except FlameError as e:
            unknown[item.nodeid] = e.what
        else:
            tests[item.nodeid] = GatedTest(True, _skipped(item), limits.threshold, limits.frame_threshold)
    return GateState(gate_settings(config), tests, unknown)


def _skipped(item: pytest.Item) -> str:
    reason = skipped(item)
    if reason is not None:
        return f"skipped: {reason}".removesuffix(": ")
    try:
        xfail = evaluate_xfail_marks(item)
    except pytest.fail.Exception as e:  # a condition that cannot be evaluated makes the test fail
        return str(e)
    return f"expected to fail: {xfail.reason}".removesuffix(": ") if xfail is not None else ""


def collection(config: pytest.Config) -> Collection:
    """How this run collects."""
    directory = config.invocation_params.dir
    asked = [_beginning(argument, config) for argument in config.args]
    settings = read_settings(config)
    given, _ = arguments.read([os.fspath(a) for a in config.invocation_params.args], option_parser(config))
    words = arguments.narrowed(given, options_left_out(config, settings.worker_drop))
    words += [word for one in given if _sets_the_gate(one.option) for word in one.words()]
    safe_path = [] if {"", str(directory)} & set(sys.path) else ["-P"]
    return Collection(
        root=config.rootpath,
        directory=directory,
        asked=tuple(asked),
        arguments=tuple(words),
        python=(str(settings.base_python or sys.executable), *safe_path, "-m", "pytest"),
        patterns=tuple(config.getini("python_files")),
    )


def _sets_the_gate(option: str) -> bool:
    writes = ("--flame-json", "--flame-markdown", "--flame-report", "--flame-update", "--flame-move", "--flame-plugin")
    return option.startswith("--flame") and option not in writes


def _beginning(argument: str, config: pytest.Config) -> str:
    """The beginning of the ids that ``argument`` selects; ``.`` for all, also if it is not a path."""
    path, names = (argument.partition("::")[0], argument.partition("::")[1:])
    place = config.invocation_params.dir / path
    if not place.exists():
        return "."
    return os.path.relpath(place, config.rootpath).replace(os.sep, "/") + "".join(names)


class _Collected:
    """Registered in the process that collects a commit's tests."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.config = config
        self.path = path
        self.items: list[pytest.Item] = []
        self.unknown: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = [line for line in str(report.longrepr).splitlines() if line.strip()]
            self.unknown[report.nodeid] = lines[-1].removeprefix("E").strip() if lines else "it could not be collected"

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.items += items

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        gate_state(self.config, [*self.items, *session.items], self.unknown).write(self.path)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--flame-gate-state", metavar="FILE", default=None, help="write the state of the gate to FILE")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("flame_gate_state")
    if path is not None:
        config.pluginmanager.register(_Collected(config, Path(path)), "flame-gate-state")
