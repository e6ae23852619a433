"""The options and their ``--help`` texts. Each has an ini value as well (``--flame-x`` and ``flame_x``)."""

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
    parse_number,
    parse_processes,
    parse_ref,
    parse_shard,
    parse_url,
)

SAMPLERS: Final = ("auto", "perf", "cycles", "instructions", "timer")
UPDATES: Final = ("changed", "missing", "all", "add")
REMEASURE: Final = ("suspects", "never", "always")
ISOLATION: Final = ("fork", "process")
MEASURE: Final = ("affected", "all", "none")
GITHUB: Final = ("auto", "on", "off")
DOCUMENTS: Final = ("json", "markdown", "sarif", "openmetrics", "codequality")
"""Options that write the run's result to a file; ``render.documents`` has their formats."""


@dataclass(frozen=True)
class Option:
    """One option and its ini value. ``expects`` completes "expected …" in errors."""

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
        "fresh interpreters per test and side, the replicates",
    ),
    Option("time", "SECONDS", 10.0, parse_duration, "a duration such as 5 or 90s", "measuring time per test and side"),
    Option(
        "max-time",
        "SECONDS",
        None,
        parse_duration,
        "a duration such as 300 or 5min",
        "measuring time for the whole run",
    ),
    Option(
        "deadline",
        "SECONDS",
        None,
        parse_deadline,
        "a duration such as 120 or 5min, or auto",
        "time limit of a measured process; one that hangs is killed and its test is an ERROR (default: auto, 20 times "
        "what base took, at least 30 s; for a call also twice the project's own timeout)",
    ),
    Option(
        "frequency",
        "HZ",
        None,
        parse_count,
        "a whole number of samples per second",
        "samples per second of CPU time (default: 1997, or fewer if sampling would take more than 6 % of the CPU)",
    ),
    Option(
        "isolation",
        "HOW",
        "fork",
        choice_of(ISOLATION),
        f"one of {', '.join(ISOLATION)}",
        "fork: in each turn, the processes of all tests are forked from one fresh interpreter for each side, which has "
        "imported the project; process: every one is an interpreter of its own, which takes longer",
    ),
    Option("seed", "N", None, int, "a whole number", "seed for everything drawn at random (default: drawn, printed)"),
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
        "auto: perf events, otherwise timer signals; perf, timer: that one or an error; cycles, instructions: "
        "hardware counters, user mode only",
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
        "head",
        "REF",
        None,
        parse_ref,
        "a git ref such as HEAD~3",
        "with --flame-against: measure this commit instead of the working tree, with the working tree's tests",
    ),
    Option(
        "measure",
        "WHICH",
        "affected",
        choice_of(MEASURE),
        f"one of {', '.join(MEASURE)}",
        "affected: each test is first executed once on both sides under an exact pass, which records all code and "
        "files it uses and counts all calls; a test for which nothing differs passes without being timed. all: no "
        "exact pass, every test is timed. none: no test is timed; without the proof, it is INCONCLUSIVE",
    ),
    Option(
        "calls-threshold",
        "PERCENT",
        None,
        parse_percent,
        "a percentage such as 10%",
        "also fail a test in which a function is called more often by more than this, counted exactly on both sides; "
        "this needs no timing (default: changed calls are only reported)",
    ),
    Option(
        "floor",
        "SECONDS",
        0.001,
        parse_duration,
        "a duration such as 1ms or 0.5s",
        "with --flame-all: a test without a mark that costs less CPU is executed and its calls are counted, but its "
        "time is not measured",
    ),
    Option(
        "audit",
        "N",
        0,
        parse_number,
        "a whole number, 0 or more",
        "time N tests, drawn at random, although nothing they execute differs, and report them",
    ),
    Option(
        "on",
        "WHERE",
        None,
        str,
        "a host such as ssh=quiet//python=/opt/venv/bin/python",
        "measure on another host: the checkout is sent there, the measured tests run there, and the result comes back. "
        "WHERE is execnet's specification; its Python needs pytest-flame and what the tests need",
    ),
    Option(
        "shard",
        "I/N",
        None,
        parse_shard,
        "a part such as 2/5",
        "only measure the I-th of N parts of the tests, and deselect the others; other runs measure the other parts, "
        "and `flame merge` joins their results",
    ),
    Option(
        "durations",
        "FILE",
        None,
        Path,
        "a file name",
        "with --flame-shard: the result of an earlier run (--flame-json, flame merge), so that all parts take about "
        "as long; the same file for all parts",
    ),
    Option(
        "remeasure",
        "WHEN",
        "suspects",
        choice_of(REMEASURE),
        f"one of {', '.join(REMEASURE)}",
        "measure the commit a baseline was recorded from again: suspects (tests that look slower than their baseline "
        "or can't be decided or compared), always, or never (stored baselines decide alone)",
    ),
    Option("base-python", "EXE", None, str, "a Python interpreter", "run the base's processes with this interpreter"),
    Option(
        "base-install",
        "COMMAND",
        None,
        str,
        "a command such as 'pip install .'",
        "install both sides with this command, run in each side's copy of the current directory, each into its own "
        "environment: for compiled modules and changed dependencies",
    ),
    Option(
        "baselines", "DIR", Path("flame-baselines"), Path, "a directory", "where baselines are kept, below the rootdir"
    ),
    Option(
        "store",
        "URL",
        None,
        parse_url,
        "a URL such as s3://bucket/folder",
        "where baselines are kept, if not in a directory: any URL of fsspec (pip install 'pytest-flame[store]')",
    ),
    Option(
        "accepted",
        "FILE",
        Path("flame-accepted.toml"),
        Path,
        "a file name",
        "slowdowns that are accepted for a while: a test that would be REGRESSED, but is within an entry of this file, "
        "is ACCEPTED and does not fail; relative to the rootdir",
    ),
    Option("report", "DIR", Path("flame-report"), Path, "a directory", "where the HTML report and the SVG files go"),
    Option("json", "FILE", None, Path, "a file name", "write the machine-readable result to FILE"),
    Option("markdown", "FILE", None, Path, "a file name", "write a summary for a pull request comment to FILE"),
    Option(
        "sarif",
        "FILE",
        None,
        Path,
        "a file name",
        "write the regressions to FILE as SARIF 2.1.0, for code scanning: each at the line of its culprit",
    ),
    Option(
        "openmetrics",
        "FILE",
        None,
        Path,
        "a file name",
        "write the figures of each test to FILE as OpenMetrics text, for GitLab's metrics report and Prometheus",
    ),
    Option(
        "codequality",
        "FILE",
        None,
        Path,
        "a file name",
        "write the regressions to FILE for GitLab's code quality report: each at the line of its culprit",
    ),
    Option(
        "github",
        "WHEN",
        "auto",
        choice_of(GITHUB),
        f"one of {', '.join(GITHUB)}",
        "annotations, a job summary and outputs for GitHub Actions, with result.json and comment.md in the report "
        "directory; auto: where GITHUB_ACTIONS is true",
    ),
    Option(
        "source-url",
        "URL",
        "",
        source_template,
        "an address such as https://github.com/me/shop/blob/{commit}/{path}#L{line}",
        "URL that the report links source lines to; {path} is relative to the repository",
    ),
    Option(
        "editor",
        "NAME",
        EDITORS["vscode"],
        editor_template,
        f"one of {', '.join(EDITORS)}",
        "a report opened from this checkout links source lines to this editor",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("flame", "pytest-flame: performance gate")
    flag = group.addoption
    flag("--flame", action="store_true", default=None, help="measure tests marked @pytest.mark.flame and judge them")
    flag("--flame-only", action="store_true", default=None, help="like --flame, and deselect all other tests")
    flag(
        "--flame-all",
        action="store_true",
        default=None,
        help="gate all tests, marked or not; implies --flame. Those that execute the same code on both sides pass; of "
        "the others, those that cost more than --flame-floor are measured, with fresh fixtures for each call",
    )
    flag("--flame-skip", action="store_true", default=None, help="deselect the marked tests")
    flag(
        "--flame-strict",
        action="store_true",
        default=None,
        help="fail tests that could not be judged (INCONCLUSIVE, NEW, INCOMPATIBLE) instead of skipping them",
    )
    flag(
        "--flame-require-covered",
        action="store_true",
        default=None,
        help="with --flame-against: fail the run if a function that changed since REF is not known to be run by any "
        "selected test. The exact pass sees all that runs; with --flame-measure=all it is known from samples, which "
        "can miss functions that take little time",
    )
    flag(
        "--flame-update",
        nargs="?",
        const="changed",
        default=None,
        metavar="WHICH",
        help="write baselines; implies --flame. changed (default): missing ones and those judged REGRESSED, IMPROVED "
        "or INCOMPATIBLE; missing: only missing ones; all: every measured test; add: one more recording of the same "
        "code, to estimate the variance between sessions. Use the = form: --flame-update=all",
    )
    flag(
        "--flame-move",
        action="append",
        default=None,
        metavar="OLD=NEW",
        help="a test was renamed: rename its baseline. Both are test ids; may be repeated",
    )
    flag(
        "--flame-kernel",
        action="store_true",
        default=None,
        help="show the kernel's functions below the Python function whose system call they serve; an error where "
        "that is not permitted",
    )
    flag(
        "--flame-native",
        action="store_true",
        default=None,
        help="show native functions (C, C++, Rust) as separate frames; without it, their cost counts for the Python "
        "function that called them. x86-64 only",
    )
    flag(
        "--flame-doctor",
        action="store_true",
        default=None,
        help="show what this machine can do, and what would improve it",
    )
    for text in (
        "--flame",
        "--flame-all",
        "--flame-strict",
        "--flame-require-covered",
        "--flame-kernel",
        "--flame-native",
    ):
        ini = text.removeprefix("--").replace("-", "_")
        parser.addini(ini, f"always run with {text}", type="bool", default=False)
    parser.addini(
        "flame_benchmarks",
        "whether tests that use the fixture or mark benchmark of pytest-benchmark and pytest-codspeed count as marked",
        type="bool",
        default=True,
    )
    for option in OPTIONS:
        default = "" if option.default in (None, (), "") else f" (default: {shown_default(option)})"
        text = (option.help + default).replace("%", "%%")  # argparse expands % as in its own formats
        group.addoption(option.flag, metavar=option.metavar, default=None, help=text)
        parser.addini(option.ini, f"{option.help}; like {option.flag}", default=None)
    parser.addini(
        "flame_copy_ignored",
        "patterns of git-ignored files and folders that are copied for each side whatever their size; "
        "otherwise more than 50 MB in one place is linked",
        type="args",
        default=[],
    )
    parser.addini(
        "flame_worker_args", "additional pytest arguments for the measured processes", type="args", default=[]
    )
    parser.addini(
        "flame_test_folders",
        "further folders that belong to the tests: with --flame-against both sides get head's",
        type="args",
        default=[],
    )
    parser.addini(
        "flame_worker_drop",
        "options such as --tracing that the measured processes do not get, in addition to those --flame-doctor lists",
        type="args",
        default=[],
    )


def shown_default(option: Option) -> str:
    if option.parse is parse_percent:
        return f"{option.default:.0%}"
    if option.parse is editor_template:
        return next(name for name, template in EDITORS.items() if template == option.default)
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
