"""The options and what ``--help`` says of them. Each has an ini twin (``--flame-x`` and ``flame_x``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_flame.links import EDITORS, editor_template, source_template
from pytest_flame.quantities import parse_duration, parse_percent
from pytest_flame.values import (
    choice_of,
    parse_alpha,
    parse_count,
    parse_cpus,
    parse_deadline,
    parse_processes,
    parse_ref,
)

SAMPLERS: Final = ("auto", "perf", "cycles", "instructions", "timer")
UPDATES: Final = ("changed", "missing", "all", "add")
REMEASURE: Final = ("suspects", "never", "always")


@dataclass(frozen=True)
class Option:
    """One option and its ini twin. ``expects`` completes "expected …" in errors."""

    name: str
    metavar: str
    default: Any
    parse: Callable[[str], Any]
    expects: str
    help: str

    @property
    def flag(self) -> str:
        return f"--flame-{self.name}"

    @property
    def ini(self) -> str:
        return f"flame_{self.name.replace('-', '_')}"


OPTIONS: Final = (
    Option("threshold", "PCT", 0.05, parse_percent, "a percentage such as 5%", "tolerated slowdown of a test"),
    Option(
        "frame-threshold",
        "PCT",
        0.02,
        parse_percent,
        "a percentage such as 2%",
        "tolerated growth of one function, in percent of the test's base cost",
    ),
    Option("alpha", "P", 0.01, parse_alpha, "a number between 0 and 0.5", "accepted rate of false alarms per test"),
    Option(
        "processes",
        "N",
        20,
        parse_processes,
        "a whole number, 3 or more",
        "fresh interpreters per test, the replicates",
    ),
    Option("time", "SECONDS", 10.0, parse_duration, "a duration such as 5 or 90s", "measuring time per test and side"),
    Option(
        "max-time", "SECONDS", None, parse_duration, "a duration such as 300 or 5min", "measuring time of the whole run"
    ),
    Option(
        "deadline",
        "SECONDS",
        None,
        parse_deadline,
        "a duration such as 120 or 5min, or auto",
        "time of one measured process; one that hangs is ended and its test an ERROR (default: auto, 20 times what "
        "base took and at least 30 s; of a call also twice the project's own timeout)",
    ),
    Option(
        "frequency",
        "HZ",
        None,
        parse_count,
        "a whole number of samples per second",
        "samples per second of CPU time (default: 1997, or fewer where sampling would take more than 6 % of the CPU)",
    ),
    Option(
        "seed", "N", None, int, "a whole number", "seed of everything that is drawn at random (default: drawn, printed)"
    ),
    Option(
        "cpu",
        "LIST",
        (),
        parse_cpus,
        "a list of CPUs such as 2,3 or 0-3",
        "run the measured processes on these CPUs only",
    ),
    Option(
        "sampler",
        "RUNG",
        "auto",
        choice_of(SAMPLERS),
        f"one of {', '.join(SAMPLERS)}",
        "auto: perf events, else timer signals; perf, timer: this one or an error; cycles, instructions: hardware "
        "counters, of user mode",
    ),
    Option(
        "against",
        "REF",
        None,
        parse_ref,
        "a git ref such as origin/main...",
        "measure this commit and the working tree together, pair by pair; REF... is where HEAD branched off from REF",
    ),
    Option(
        "remeasure",
        "WHEN",
        "suspects",
        choice_of(REMEASURE),
        f"one of {', '.join(REMEASURE)}",
        "measure the commit a baseline was recorded from again: suspects (what looks slower than its baseline, can't "
        "be told or compared), always, or never (stored baselines decide alone)",
    ),
    Option("base-python", "EXE", None, str, "a Python interpreter", "run the base's processes with this interpreter"),
    Option(
        "base-install",
        "COMMAND",
        None,
        str,
        "a command such as 'pip install .'",
        "install both sides with this command, run in each side's copy of the current directory, each into an "
        "environment of its own: for compiled parts and changed dependencies",
    ),
    Option(
        "baselines", "DIR", Path("flame-baselines"), Path, "a directory", "where baselines are kept, below the rootdir"
    ),
    Option("report", "DIR", Path("flame-report"), Path, "a directory", "where the HTML report and the pictures go"),
    Option("json", "FILE", None, Path, "a file name", "write the machine-readable result to FILE"),
    Option("markdown", "FILE", None, Path, "a file name", "write a summary for a pull request to FILE"),
    Option(
        "source-url",
        "URL",
        "",
        source_template,
        "an address such as https://github.com/me/shop/blob/{commit}/{path}#L{line}",
        "the report links source lines to this address; {path} is relative to the repository",
    ),
    Option(
        "editor",
        "NAME",
        EDITORS["vscode"],
        editor_template,
        f"one of {', '.join(EDITORS)}",
        "the report, opened from this checkout, links source lines to this editor",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("flame", "pytest-flame: performance gate")
    flag = group.addoption
    flag("--flame", action="store_true", default=None, help="measure tests marked @pytest.mark.flame and judge them")
    flag("--flame-only", action="store_true", default=None, help="like --flame, and deselect all other tests")
    flag("--flame-skip", action="store_true", default=None, help="deselect the marked tests")
    flag(
        "--flame-strict",
        action="store_true",
        default=None,
        help="fail tests that could not be judged (INCONCLUSIVE, NEW, INCOMPATIBLE) instead of skipping them",
    )
    flag(
        "--flame-update",
        nargs="?",
        const="changed",
        default=None,
        metavar="WHICH",
        help="write baselines; implies --flame. changed (default): missing ones and those judged REGRESSED, IMPROVED "
        "or INCOMPATIBLE; missing: only those; all: every measured test; add: one more recording of the same code, "
        "from which the variance between sessions is learnt. Use the = form: --flame-update=all",
    )
    flag(
        "--flame-move",
        action="append",
        default=None,
        metavar="OLD=NEW",
        help="a test was renamed: its baseline goes with it. Both are test ids; may be repeated",
    )
    flag(
        "--flame-kernel",
        action="store_true",
        default=None,
        help="show the kernel's functions below the Python function whose system call they serve; where that is not "
        "permitted, an error",
    )
    flag(
        "--flame-native",
        action="store_true",
        default=None,
        help="show native functions (C, C++, Rust) as frames of their own; without, their cost is that of the Python "
        "function that called them. x86-64 only",
    )
    flag("--flame-doctor", action="store_true", default=None, help="show what this machine can do, and what would help")
    for text in ("--flame", "--flame-strict", "--flame-kernel", "--flame-native"):
        ini = text.removeprefix("--").replace("-", "_")
        parser.addini(ini, f"always run with {text}", type="bool", default=False)
    for option in OPTIONS:
        default = "" if option.default in (None, (), "") else f" (default: {shown_default(option)})"
        text = (option.help + default).replace("%", "%%")  # argparse fills in % as in its own formats
        group.addoption(option.flag, metavar=option.metavar, default=None, help=text)
        parser.addini(option.ini, f"{option.help}; like {option.flag}", default=None)
    parser.addini(
        "flame_copy_ignored",
        "patterns of files and folders that git ignores and that are copied for each side whatever their size; "
        "otherwise more than 50 MB in one place are linked",
        type="args",
        default=[],
    )
    parser.addini("flame_worker_args", "more pytest arguments for the measured processes", type="args", default=[])
    parser.addini(
        "flame_test_folders",
        "folders that belong to the tests although nothing else says so: with --flame-against both sides get head's",
        type="args",
        default=[],
    )
    parser.addini(
        "flame_worker_drop",
        "options such as --tracing that the measured processes do not get, besides those --flame-doctor lists",
        type="args",
        default=[],
    )


def shown_default(option: Option) -> str:
    if option.parse is parse_percent:
        return f"{option.default:.0%}"
    if option.parse is editor_template:
        return next(name for name, template in EDITORS.items() if template == option.default)
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
