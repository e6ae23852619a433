"""A worker's command line: that of the run, minus a named list of options that a worker must not have.

The arguments are parsed with pytest's own table of options, so that abbreviated, joined and repeated spellings mean
what they mean there, and options of any plugin or conftest file are known.
"""

from __future__ import annotations

import argparse
import fnmatch
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pytest_flame.errors import UsageError


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Options that do not reach workers. ``plugin`` is the package that defines them, empty for pytest itself: an
    option of the same name that something else defined is passed on."""

    why: str
    options: tuple[str, ...]
    """Spellings, any of which names the option; ``*`` stands for any ending."""
    plugin: str = ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SELECTION: Final = "the run decides which tests run"
_REPORTS: Final = "reports and logs belong to the run"
_TRACING: Final = "tracing slows code down"
LEFT_OUT: Final = (
    LeftOut(
        _SELECTION,
        _words("-k -m --deselect --lf --ff --nf --lfnf --sw --sw-skip --sw-reset -x --maxfail --pyargs"),
    ),
    LeftOut(
        "they do something other than run tests",
        _words("-h -V --co --fixtures --fixtures-per-test --markers --setup-only --setup-plan --setup-show")
        + _words("--cache-show --cache-clear"),
    ),
    LeftOut(
        _REPORTS,
        _words("--junit-xml --junit-prefix --pastebin --debug --trace-config --log-file --log-file-mode")
        + _words("--log-cli-level"),
    ),
    LeftOut(
        "the terminal belongs to the run",
        _words("-v -q --verbosity -r -l --no-showlocals --tb --xfail-tb --full-trace --color --code-highlight")
        + _words("--no-header --no-summary --no-fold-skipped --force-short-summary --show-capture -s --capture")
        + _words("--disable-warnings --max-warnings --durations --durations-min"),
    ),
    LeftOut("nobody can answer in a worker", _words("--pdb --pdbcls --trace")),
    LeftOut("each worker gets its own", _words("-c --rootdir --confcutdir --basetemp --flame*")),
    LeftOut("coverage slows code down", _words("--cov --cov-* --no-cov --no-cov-on-fail"), "pytest_cov"),
    LeftOut(
        "a worker runs one test",
        _words("-n --maxprocesses --max-worker-restart --dist --loadscope-reorder --no-loadscope-reorder --tx --px -d")
        + _words("--rsyncdir --rsyncignore --testrunuid --maxschedchunk -f"),
        "xdist",
    ),
    LeftOut("a limit of the whole run", _words("--session-timeout"), "pytest_timeout"),
    LeftOut("a database that is kept must not be deleted", _words("--create-db"), "pytest_django"),
    LeftOut(_REPORTS, _words("--html --self-contained-html --css"), "pytest_html"),
    LeftOut(_REPORTS, _words("--json-report*"), "pytest_jsonreport"),
    LeftOut(_REPORTS, _words("--report-log*"), "pytest_reportlog"),
    LeftOut(_REPORTS, _words("--md-report*"), "pytest_md_report"),
    LeftOut(_REPORTS, _words("--alluredir --clean-alluredir --allure-*"), "allure_pytest"),
    LeftOut(_REPORTS, _words("--reportportal --rp-*"), "pytest_reportportal"),
    LeftOut(
        _REPORTS,
        _words("--benchmark-json --benchmark-save* --benchmark-autosave --benchmark-histogram --benchmark-compare*"),
        "pytest_benchmark",
    ),
    LeftOut(
        _SELECTION,
        _words("--splits --group --splitting-algorithm --store-durations --durations-path --clean-durations")
        + _words("--least-duration"),
        "pytest_split",
    ),
    LeftOut(_SELECTION, _words("--testmon* --no-testmon"), "testmon"),
    LeftOut(_TRACING, _words("--memray --memray-*"), "pytest_memray"),
    LeftOut(_TRACING, _words("--profile* --pstats-dir"), "pytest_profiling"),
    LeftOut("it measures, too", _words("--codspeed*"), "pytest_codspeed"),
)
LEFT_OUT_PLUGINS: Final = ("no:terminal", "no:tmpdir", "vscode_pytest")
"""Values of ``-p`` that switch off what a worker needs, or that report the run's tests to an editor."""
BENCHMARK_PLUGINS: Final = ("pytest_benchmark", "pytest_codspeed")
"""Packages of plugins that workers do without: they measure, too, and start programs such as git in every process.
``benchmark_suites.py`` stands in for them."""
SETTINGS: Final = {
    "addopts": "",
    "required_plugins": "",
    "log_file": "",
    "log_cli": "false",
    "faulthandler_timeout": "0",
}
"""Ini values in workers. The options of ``addopts`` are on their command line."""


@dataclass(frozen=True, slots=True)
class Given:
    """One option as given."""

    option: str
    values: tuple[str, ...]
    names: tuple[str, ...]
    """All spellings of this option."""

    def words(self) -> Iterator[str]:
        """As written on a command line."""
        if len(self.values) == 1 and self.option.startswith("--"):
            yield f"{self.option}={self.values[0]}"
        elif len(self.values) == 1 and self.values[0].startswith("-"):
            yield self.option + self.values[0]
        else:
            yield from (self.option, *self.values)


def left_out(plugins: Collection[str], also: Iterable[str] = ()) -> tuple[LeftOut, ...]:
    """What is left out if these packages are plugins; ``also`` are the user's own."""
    own = tuple(also)
    listed = tuple(entry for entry in LEFT_OUT if not entry.plugin or entry.plugin in plugins)
    return (*listed, LeftOut("flame_worker_drop", own)) if own else listed


def described(without: Sequence[LeftOut]) -> Iterator[str]:
    """As text for a terminal."""
    yield "options of the run that its measured processes do not get:"
    for entry in without:
        whose = f" ({entry.plugin})" if entry.plugin else ""
        yield f"   {entry.why}{whose}"
        yield from textwrap.wrap(
            " ".join(entry.options), 100, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
        )
    yield f"   -p {', -p '.join(LEFT_OUT_PLUGINS)}"
    yield f"   plugins that they do without: {', '.join(BENCHMARK_PLUGINS)}"
    yield f"   set for them: {', '.join(f'-o {name}={value}' for name, value in SETTINGS.items())}, -o cache_dir"


def narrowed(given: Sequence[Given], without: Sequence[LeftOut]) -> list[str]:
    """The options a worker gets, as words of its command line."""
    words: list[str] = []
    for one in given:
        if "-p" in one.names and _is_left_out_plugin(one.values[0].strip()):
            continue
        if not is_left_out(one.names, without):
            words += one.words()
    return words


def _is_left_out_plugin(name: str) -> bool:
    return name in LEFT_OUT_PLUGINS or name.partition(".")[0] in BENCHMARK_PLUGINS


def is_left_out(names: Iterable[str], without: Sequence[LeftOut]) -> bool:
    """Whether it covers an option with these spellings."""
    patterns = [pattern for entry in without for pattern in entry.options]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def read(arguments: Sequence[str], parser: argparse.ArgumentParser) -> tuple[list[Given], list[str]]:
    """The options among ``arguments``, in order, and the paths. ``parser`` has already accepted them.

    Raises ``UsageError`` if they can't be parsed again, such as those in a file (``@FILE``) that is gone.
    """
    table = _Table(add_help=False, allow_abbrev=parser.allow_abbrev, prefix_chars=parser.prefix_chars)
    table.fromfile_prefix_chars = parser.fromfile_prefix_chars
    found: list[Given] = []
    for action in parser._actions:
        if action.option_strings:
            names = tuple(action.option_strings)
            table.add_argument(*names, action=_Noting, nargs=action.nargs, const=_ALONE, dest="noted", into=found)
    table.add_argument("paths", nargs="*")
    paths = table.parse_intermixed_args(list(arguments)).paths
    return found, list(paths)


class _Table(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError("the command line cannot be parsed again for the measured processes", why=message)


_ALONE: Final = "(no value)"


class _Noting(argparse.Action):
    """Records its calls, and changes nothing."""

    def __init__(self, *, into: list[Given], **fields: Any) -> None:
        super().__init__(**fields)
        self.into = into

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        assert option_string is not None
        several: Sequence[str] = () if values is None or values is _ALONE else values
        words = (several,) if isinstance(several, str) else tuple(several)
        self.into.append(Given(option_string, words, tuple(self.option_strings)))
