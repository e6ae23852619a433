"""Which words of the run's command line a worker gets."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.measure.arguments import LEFT_OUT, LeftOut, described, left_out, narrowed, read
from pytest_flame.measure.seeing import option_parser


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(add_help=False, allow_abbrev=False, fromfile_prefix_chars="@")
    made.add_argument("-x", "--exitfirst", action="store_true")
    made.add_argument("-v", "--verbose", action="count")
    made.add_argument("-k")
    made.add_argument("-p", action="append")
    made.add_argument("-o", "--override-ini", action="append")
    made.add_argument("-n", "--numprocesses", type=int)
    made.add_argument("--cov", nargs="?", const=True, action="append")
    made.add_argument("--runslow", action="store_true")
    made.add_argument("--level", nargs="?", const=3, type=int, choices=(3, 4))
    made.add_argument("--two", nargs=2)
    made.add_argument("--engine", required=True)
    made.add_argument("--shop", action=argparse.BooleanOptionalAction)
    made.add_argument("--html", action="append")
    made.add_argument("file_or_dir", nargs="*")
    return made


def worker_words(parser: argparse.ArgumentParser, *words: str, plugins: tuple[str, ...] = ()) -> list[str]:
    given, paths = read(["--engine=e", *words], parser)
    kept = narrowed(given, left_out(plugins))
    assert kept.pop(0) == "--engine=e"
    return paths + kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["-xvv", "-kfoo", "a", "--runslow"], ["a", "--runslow"]),
        (["-k", "-x or y", "a"], None),
        (["--exitfirst", "-k=slow", "tests/a.py::b[-x]"], ["tests/a.py::b[-x]"]),
        (["--level", "--runslow", "--level=4", "--level", "4"], ["--level", "--runslow", "--level=4", "--level=4"]),
        (["--two", "1", "2", "a", "--", "b"], ["a", "b", "--two", "1", "2"]),
        (["-pno:doctest", "-p", "extras", "-p=x"], ["-p", "no:doctest", "-p", "extras", "-p", "x"]),
        (["-p", "no:terminal", "-pno:tmpdir"], []),
        (["-oa=b c", "--override-ini=d=-e", "-o-f=g"], ["-o", "a=b c", "--override-ini=d=-e", "-o-f=g"]),
        (["--no-shop", "--shop"], ["--no-shop", "--shop"]),
    ],
)
def test_spellings(parser: argparse.ArgumentParser, given: list[str], kept: list[str] | None) -> None:
    if kept is None:
        with pytest.raises(SystemExit):
            parser.parse_intermixed_args(["--engine=e", *given])
        return
    parser.parse_intermixed_args(["--engine=e", *given])
    assert worker_words(parser, *given) == kept


def test_options_of_a_plugin_are_left_out_only_where_that_plugin_defines_them(parser: argparse.ArgumentParser) -> None:
    given = ("-n4", "--cov", "--cov=a", "--html=own")
    assert worker_words(parser, *given) == ["-n", "4", "--cov", "--cov=a", "--html=own"]
    assert worker_words(parser, *given, plugins=("xdist", "pytest_cov")) == ["--html=own"]


def test_arguments_of_a_file(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    file = tmp_path / "arguments"
    file.write_text("-x\n--runslow\nb\n", encoding="utf-8")
    assert worker_words(parser, "a", f"@{file}") == ["a", "b", "--runslow"]


def test_a_file_that_is_gone_is_an_error(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be parsed again(.|\n)*gone"):
        read([f"@{tmp_path / 'gone'}"], parser)


@pytest.mark.parametrize("name", ["pytest_benchmark.plugin", "pytest_codspeed", " pytest_codspeed.plugin"])
def test_other_benchmark_plugins_are_not_loaded(parser: argparse.ArgumentParser, name: str) -> None:
    given, _ = read(["-p", name, "-p", "pytest_benchmarks"], parser)
    assert narrowed(given, LEFT_OUT) == ["-p", "pytest_benchmarks"]


def test_the_users_own_names(parser: argparse.ArgumentParser) -> None:
    given, _ = read(["--runslow", "--engine=e"], parser)
    without = left_out((), ["--engine"])
    assert narrowed(given, without) == ["--runslow"]
    assert without[-1] == LeftOut("flame_worker_drop", ("--engine",))
    assert "flame_worker_drop" in "\n".join(described(without))


def test_every_name_of_pytests_own_options_is_one(pytestconfig: pytest.Config) -> None:
    """A misspelt name would leave its option in."""
    known = {name for action in option_parser(pytestconfig)._actions for name in action.option_strings}
    names = {name for entry in LEFT_OUT if not entry.plugin for name in entry.options if "*" not in name}
    if not pytestconfig.pluginmanager.hasplugin("cacheprovider"):
        known |= {"--lf", "--ff", "--nf", "--lfnf", "--sw", "--sw-skip", "--sw-reset", "--cache-show", "--cache-clear"}
    newer = {"--max-warnings", "--no-fold-skipped", "--force-short-summary", "--xfail-tb", "--sw-reset"}
    assert names - known <= newer
