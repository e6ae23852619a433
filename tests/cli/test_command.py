"""The command line itself: help, usage errors, what it imports."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flame.cli import command

from .conftest import Flame


@pytest.mark.parametrize("arguments", [[], ["draw"], ["diff"], ["bisect"], ["explain"], ["init"]], ids=" ".join)
def test_help_shows_examples(flame: Flame, arguments: list[str]) -> None:
    said = flame(*arguments, "--help")
    assert said.status == 0
    assert re.search(r"^examples:\n  flame ", said.out, re.MULTILINE)
    assert max(map(len, said.out.splitlines())) <= 120


def examples() -> list[str]:
    found = []
    for text in (command._EPILOG, command._DRAW, command._DIFF, command._BISECT, command._EXPLAIN, command._INIT):
        for line in re.findall(r"^  (.*)$", text.split("examples:\n")[1], re.MULTILINE):
            found += re.findall(r"\bflame (?:draw|diff|bisect|explain|init) .*", re.split(r"   +", line)[0])
    return found


@pytest.mark.parametrize("example", examples())
def test_examples_are_understood(example: str) -> None:
    parsed = command.parser().parse_args(shlex.split(example)[1:])
    assert parsed.command in ("draw", "diff", "bisect", "explain", "init")


def test_version(flame: Flame) -> None:
    assert re.fullmatch(r"flame \d+\.\d+\S*\n", flame("--version").out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["draw", "a.folded"], "the following arguments are required: -o"),
        (["draw", "a.folded", "-o", "a.svg", "--unit", "3"], "--unit=3 names nothing that can be counted"),
        (["diff", "a", "b", "--threshold", "5"], "'5' is not a percentage; expected one such as 5%"),
        (["diff", "a", "b", "--alpha", "1"], "'1' is not a number between 0 and 0.5"),
    ],
)
def test_wrong_arguments(flame: Flame, arguments: list[str], said: str) -> None:
    got = flame(*arguments)
    assert got.status == 2
    assert said in got.err


@pytest.mark.parametrize(
    "arguments", [["draw", "a.folded", "-o", "-", "--format", "folded"], ["diff", "a.folded", "a.folded"]], ids=" ".join
)
def test_a_full_disk_is_no_regression(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.folded").write_text("a;b 3\n")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_flame.cli", *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == command.TROUBLE
    assert done.stderr.decode() == f"flame {arguments[0]}: error: No space left on device\n"


def imported(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(shown.stdout.splitlines()[-1].split())


def test_nothing_of_pytest_is_imported(tmp_path: Path) -> None:
    (tmp_path / "a.folded").write_text("a;b 3\na;c 4\n")
    (tmp_path / "b.folded").write_text("a;b 5\na;c 4\n")
    outputs = [f"-o{tmp_path}/x.{suffix}" for suffix in ("svg", "html", "md", "folded", "speedscope.json")]
    calls = [
        ["draw", f"{tmp_path}/a.folded", *outputs[:2]],
        ["diff", *(f"{tmp_path}/{s}.folded" for s in "ab"), *outputs],
    ]
    code = f"from pytest_flame.cli.command import main\nfor call in {calls!r}: assert main(call) == 0, call"
    assert not {m for m in imported(code) if m.partition(".")[0] in ("pytest", "_pytest", "pluggy", "cffi")}


def test_help_imports_neither_numpy_nor_templates() -> None:
    code = "from pytest_flame.cli.command import main\ntry: main(['diff', '--help'])\nexcept SystemExit: pass"
    assert not imported(code) & {"numpy", "scipy", "jinja2"}


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.folded").write_text("".join(f"main;function_{i} {i}\n" for i in range(1, 20_000)))
    line = f"{sys.executable} -m pytest_flame.cli draw {tmp_path}/a.folded -o - --format folded | head -n 1"
    said = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("main;function_1 ")
    assert said.stderr == ""
