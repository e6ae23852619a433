"""pytest hooks only. Without ``--flame`` they provide fixtures that pass through, and nothing else."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import pytest

from pytest_flame.config import Settings, is_asked_for, measures, read_settings
from pytest_flame.distributed import Controller, Node, is_distributed, is_node
from pytest_flame.errors import FlameError
from pytest_flame.fixture import Flame, part_of
from pytest_flame.marker import MARKER_HELP, is_marked
from pytest_flame.options import add_options

PLUGIN_NAME: Final = "flame-gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_flame import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.fixture
def flame(request: pytest.FixtureRequest) -> Flame:
    """Measure only a part of a test: ``flame(func, *args)`` or ``with flame:``."""
    return part_of(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Generator[None, None, None]:
    """Once all plugins are there, and before the command line is parsed for good."""
    yield
    options = early_config.known_args_namespace
    in_worker = getattr(options, "flame_job", None) is not None
    if in_worker or (measures(early_config, options) and early_config.getini("flame_benchmarks")):
        from pytest_flame.benchmark_suites import PLUGIN_NAME, BenchmarkSuites

        suites = BenchmarkSuites(in_worker=in_worker)
        suites.stand_in(early_config, parser)
        early_config.pluginmanager.register(suites, PLUGIN_NAME)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Without ``--flame``, ``benchmark`` is this plugin's only where nothing else provides it."""
    from pytest_flame.benchmark_suites import PLUGIN_NAME, BenchmarkFixtures, register_marks

    register_marks(session.config)
    plugins = session.config.pluginmanager
    if not plugins.has_plugin(PLUGIN_NAME) and not session._fixturemanager.getfixturedefs("benchmark", session):
        plugins.register(BenchmarkFixtures(), PLUGIN_NAME)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER_HELP)
    if config.getoption("flame_job", None) is not None:
        return
    try:
        settings = read_settings(config) if is_asked_for(config) else None
        if settings is None or not settings.enabled or config.option.collectonly:
            return
        from pytest_flame.sampling.native import c_module, unsupported

        reason = unsupported() if settings.on is None else None
        if reason is not None:
            _warn_unsupported(config, settings, reason)
            return
        if settings.on is None:
            c_module()  # supported here: if the sampler is not installed, that is one error for the run
        if is_node(config):
            config.pluginmanager.register(Node(settings), PLUGIN_NAME)
            return
        from pytest_flame.reporting import Gate

        gate = Gate(config, settings, waits=is_distributed(config))
        config.pluginmanager.register(gate, PLUGIN_NAME)
        if gate.waits:
            config.pluginmanager.register(Controller(gate), f"{PLUGIN_NAME}-controller")
    except FlameError as e:
        raise pytest.UsageError(str(e)) from e


def _warn_unsupported(config: pytest.Config, settings: Settings, reason: str) -> None:
    if settings.strict:
        raise pytest.UsageError(f"--flame-strict: nothing can be measured here: {reason}")
    text = f"--flame: nothing was measured, marked tests run as plain tests: {reason}"
    try:
        config.issue_config_time_warning(pytest.PytestWarning(text), stacklevel=2)
    except pytest.PytestWarning as e:  # -W error
        raise pytest.UsageError(text) from e


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("flame_doctor"):
        return None
    from pytest_flame.sampling.native import unsupported

    reason = unsupported()
    if reason is not None:
        print(reason)
        return pytest.ExitCode.TESTS_FAILED
    try:
        settings = read_settings(config)
        from pytest_flame.doctor import examine
        from pytest_flame.invocation import options_left_out
        from pytest_flame.measure.arguments import described
    except FlameError as e:
        raise pytest.UsageError(str(e)) from e
    diagnosis = examine(settings.frequency_hz)
    print("\n".join([*diagnosis.lines(), "", *described(options_left_out(config, settings.worker_drop))]))
    return pytest.ExitCode.OK if diagnosis.can_sample else pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only, skip = config.getoption("flame_only"), config.getoption("flame_skip")
    if not only and not skip:
        return
    dropped = [item for item in items if is_marked(item) == bool(skip)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if is_marked(item) != bool(skip)]
