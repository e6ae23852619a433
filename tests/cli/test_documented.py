"""docs/commands.md says what the command has: every option, format and exit status."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from pytest_flame.cli import command, outputs

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def subcommands() -> dict[str, argparse.ArgumentParser]:
    actions = command.parser()._actions
    return next(a.choices for a in actions if isinstance(a, argparse._SubParsersAction))


def options() -> set[str]:
    return {flag for sub in subcommands().values() for a in sub._actions for flag in a.option_strings} - {
        "-h",
        "--help",
    }


@pytest.mark.parametrize("option", sorted(options()))
def test_option_is_documented(option: str) -> None:
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", PAGE) or option in ("--output", "--before", "--after")


def test_no_option_is_documented_that_does_not_exist() -> None:
    own = "\n".join(line for line in PAGE.splitlines() if "flame" not in line or "| flame" in line or "`--" in line)
    foreign = {"--all", "--format", "--collapsed", "--help", "--native", "--subprocesses", "--perf-basic-prof"}
    found = {option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", own) if not option.startswith("--flame-")}
    assert found - foreign <= options()


@pytest.mark.parametrize("suffix", [outputs.suffixes(name)[0] for name in outputs.known_formats(*outputs.SHOWN)])
def test_format_is_documented(suffix: str) -> None:
    assert f"`{suffix}`" in PAGE


@pytest.mark.parametrize("line", re.findall(r"^flame .*$", PAGE, re.MULTILINE))
def test_commands_are_understood(line: str) -> None:
    assert command.parser().parse_args(shlex.split(line)[1:]).run
