"""Makes suites written for pytest-benchmark or pytest-codspeed run under the gate, with or without those plugins.

The fixtures are this plugin's. In the run, what the others would measure, compare or write is switched off; workers do
without them. Where they are not loaded, their options are accepted, and their hooks are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from pytest_flame.benchmark import Benchmark
from pytest_flame.fixture import BENCHMARK, is_benchmark, part_of

PLUGIN_NAME: Final = "flame-benchmarks"


class BenchmarkFixtures:
    """Its place in the order of plugins decides: it overrides those registered before, and no conftest file."""

    @pytest.fixture
    def benchmark(self, request: pytest.FixtureRequest) -> Iterator[Benchmark]:
        """Calls the function given to it and returns its result; with --flame, that function is what is measured."""
        yield from _benchmark(request)

    @pytest.fixture
    def codspeed_benchmark(self, request: pytest.FixtureRequest) -> Iterator[Benchmark]:
        """pytest-codspeed's other name for ``benchmark``."""
        yield from _benchmark(request)

    @pytest.fixture
    def benchmark_weave(self, benchmark: Benchmark) -> Any:
        """``benchmark.weave``"""
        return benchmark.weave


def _benchmark(request: pytest.FixtureRequest) -> Iterator[Benchmark]:
    item = request.node
    marks = [mark for name in BENCHMARK for mark in item.iter_markers(name)]
    group = next((mark.kwargs["group"] for mark in marks if "group" in mark.kwargs), None)
    callspec = getattr(item, "callspec", None)
    made = Benchmark(part_of(item), item.name, item.nodeid, group, None if callspec is None else callspec.params)
    yield made
    made.roll_back()


def register_marks(config: pytest.Config) -> None:
    """Those that no other plugin has registered."""
    known = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    for name in BENCHMARK:
        if name not in known:
            config.addinivalue_line("markers", f"{name}(group=None): a benchmark; --flame measures it")


_SWITCHED_OFF: Final = {
    **dict.fromkeys(("benchmark_json", "benchmark_save", "benchmark_autosave", "benchmark_compare_fail"), None),
    "benchmark_compare": (),
    "benchmark_histogram": (),
    "benchmark_cprofile": None,
    "codspeed": False,
}
"""Options whose plugins would write, compare or measure; with nothing to write, some of them warn."""


class BenchmarkSuites(BenchmarkFixtures):
    """Registered if the run measures, and in its workers, after all plugins and conftest files."""

    def __init__(self, *, in_worker: bool) -> None:
        self._in_worker = in_worker
        self._stands_in = False

    def stand_in(self, config: pytest.Config, parser: pytest.Parser) -> None:
        """Adds the options and hooks of the plugins that are not installed. To be called once all others are there,
        before the command line is parsed for good."""
        from pytest_flame.measure.seeing import option_parser

        known = {name for action in option_parser(config)._actions for name in action.option_strings}
        group = parser.getgroup("benchmarks", "pytest-benchmark and pytest-codspeed, which are not installed")
        self._stands_in = "--benchmark-only" not in known
        for name, fields in _OPTIONS.items():
            if name not in known:
                group.addoption(name, help="accepted, without effect on --flame", **fields)
        if self._stands_in:
            from pytest_flame import benchmark_hookspecs

            config.pluginmanager.add_hookspecs(benchmark_hookspecs)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        for name, value in _SWITCHED_OFF.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        # A default of plain runs; whoever asks for a measurement wants these tests, unless they say otherwise with it.
        if self._in_worker or "--benchmark-skip" not in config.invocation_params.args:
            config.option.benchmark_skip = False

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """The same tests are selected as where pytest-benchmark is installed."""
        if not self._stands_in:
            return
        skip = config.option.benchmark_skip and not config.option.benchmark_only
        for item in items:
            if is_benchmark(item):
                if skip:
                    item.add_marker(pytest.mark.skip(reason="--benchmark-skip"))
            elif config.option.benchmark_only:
                item.add_marker(pytest.mark.skip(reason="--benchmark-only"))


_FLAG: Final[dict[str, Any]] = {"action": "store_true", "default": False}
_VALUE: Final[dict[str, Any]] = {"default": None}
_MAYBE_VALUE: Final[dict[str, Any]] = {"nargs": "?", "default": None}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    **{
        f"--benchmark-{name}": _FLAG
        for name in ("disable-gc", "skip", "disable", "enable", "only", "autosave", "save-data", "verbose", "quiet")
    },
    **{
        f"--benchmark-{name}": _VALUE
        for name in (
            *("min-time", "max-time", "min-rounds", "precision", "confidence", "timer", "calibration-precision"),
            *("warmup-iterations", "save", "json", "cprofile", "cprofile-loops", "cprofile-top", "storage", "sort"),
            *("group-by", "columns", "name", "time-unit"),
        )
    },
    **{f"--benchmark-{name}": _MAYBE_VALUE for name in ("warmup", "compare", "cprofile-dump", "netrc", "histogram")},
    "--benchmark-compare-fail": {"nargs": "+", "default": None},
    "--codspeed": _FLAG,
    **{f"--codspeed-{name}": _VALUE for name in ("mode", "warmup-time", "max-time", "max-rounds")},
}
"""As the plugins define them: which take a value."""
