"""The only reader of options, ini values and markers. Each option has an ini twin (``--flame-x`` and ``flame_x``)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.links import EDITORS, editor_template, source_template
from pytest_flame.quantities import CPU, METRICS, parse_duration, parse_percent

if TYPE_CHECKING:
    from pytest_flame.model import Limits

MARKER: Final = "flame"
MARKER_HELP: Final = (
    "flame(threshold='5%', frame_threshold='2%', processes=20, min_time='10s', fresh=False, metric='cpu'): "
    "measure this test with --flame and fail it when it got slower than its baseline"
)
SAMPLERS: Final = ("auto", "perf", "cycles", "instructions", "timer")
UPDATES: Final = ("changed", "missing", "all", "add")
REMEASURE: Final = ("suspects", "never", "always")
MAX_CPUS: Final = 8192
"""More than Linux can be built for."""


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _processes(text: str) -> int:
    value = int(text)
    if value < 3:
        raise ValueError
    return value


def _cpus(text: str) -> tuple[int, ...]:
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise ValueError
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < MAX_CPUS:
            raise ValueError
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def _choice(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


def _deadline(text: str) -> float | None:
    return None if text == "auto" else parse_duration(text)


def _alpha(text: str) -> float:
    value = float(text)
    if not 0 < value < 0.5:
        raise ValueError
    return value


def _ref(text: str) -> str:
    """A git ref, or ``REF...``. What an empty variable leaves of one must not be taken for another."""
    first, _, second = text.strip().partition("...")
    if not first or first.startswith(("~", "^")) or any(side.endswith("/") for side in (first, second)):
        raise UsageError(
            f"{text!r} names no commit to compare with",
            why="a variable in the command was probably empty: REF... and origin/REF... need their REF",
            fix="set it: --flame-against=origin/main...",
        )
    if re.fullmatch(r"0{40}|0{64}", first):
        raise UsageError(
            "the hash of zeros names no commit to compare with",
            why="CI services give it where a branch is new: there is no commit before its first",
            fix="name the branch it left: --flame-against=origin/main...",
        )
    return text.strip()


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
    Option("alpha", "P", 0.01, _alpha, "a number between 0 and 0.5", "accepted rate of false alarms per test"),
    Option(
        "processes", "N", 20, _processes, "a whole number, 3 or more", "fresh interpreters per test, the replicates"
    ),
    Option("time", "SECONDS", 10.0, parse_duration, "a duration such as 5 or 90s", "measuring time per test and side"),
    Option(
        "max-time", "SECONDS", None, parse_duration, "a duration such as 300 or 5min", "measuring time of the whole run"
    ),
    Option(
        "deadline",
        "SECONDS",
        None,
        _deadline,
        "a duration such as 120 or 5min, or auto",
        "time of one measured process; one that hangs is ended and its test an ERROR (default: auto, 20 times what "
        "base took and at least 30 s; of a call also twice the project's own timeout)",
    ),
    Option(
        "frequency",
        "HZ",
        None,
        _count,
        "a whole number of samples per second",
        "samples per second of CPU time (default: 997, or fewer where sampling would take more than 3 % of the CPU)",
    ),
    Option(
        "seed", "N", None, int, "a whole number", "seed of everything that is drawn at random (default: drawn, printed)"
    ),
    Option(
        "cpu", "LIST", (), _cpus, "a list of CPUs such as 2,3 or 0-3", "run the measured processes on these CPUs only"
    ),
    Option(
        "sampler",
        "RUNG",
        "auto",
        _choice(SAMPLERS),
        f"one of {', '.join(SAMPLERS)}",
        "auto: perf events, else timer signals; perf, timer: this one or an error; cycles, instructions: hardware "
        "counters, of user mode",
    ),
    Option(
        "against",
        "REF",
        None,
        _ref,
        "a git ref such as origin/main...",
        "measure this commit and the working tree together, pair by pair; REF... is where HEAD branched off from REF",
    ),
    Option(
        "remeasure",
        "WHEN",
        "suspects",
        _choice(REMEASURE),
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


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything options and ini files say, read once."""

    enabled: bool
    only: bool
    skip: bool
    strict: bool
    update: str | None
    """None, ``changed``, ``missing``, ``all`` or ``add``."""
    move: tuple[tuple[str, str], ...]
    limits: Limits
    processes: int
    processes_given: bool
    time_s: float
    max_time_s: float | None
    deadline_s: float | None
    """None: from what base takes."""
    frequency_hz: int | None
    """None: chosen once per run, ``gate/rate.py``."""
    seed: int
    cpus: tuple[int, ...]
    sampler: str
    kernel: bool
    native: bool
    against: str | None
    remeasure: str
    base_python: Path | None
    """A path, or a bare name as it was given."""
    base_install: str | None
    base_install_from: Path
    """Where the command's relative paths begin."""
    copy_ignored: tuple[str, ...]
    baselines: Path
    report: Path
    json: Path | None
    markdown: Path | None
    source_url: str
    """Template, empty for none; so is ``editor``."""
    editor: str
    worker_args: tuple[str, ...]
    worker_drop: tuple[str, ...]
    test_folders: tuple[str, ...]
    root: Path


@dataclass(frozen=True, slots=True)
class TestSettings:
    """One test's settings: the marker's where it says something, the run's otherwise."""

    __test__ = False

    limits: Limits
    processes: int
    processes_given: bool
    time_s: float
    fresh: bool
    metric: str = CPU


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
        shown = "" if option.default in (None, (), "") else f" (default: {_shown(option)})"
        text = (option.help + shown).replace("%", "%%")  # argparse fills in % as in its own formats
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


def _shown(option: Option) -> str:
    if option.parse is parse_percent:
        return f"{option.default:.0%}"
    if option.parse is editor_template:
        return next(name for name, template in EDITORS.items() if template == option.default)
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)


def is_asked_for(config: pytest.Config) -> bool:
    """Any option or ini value that makes this run measure, or that would be misread if nobody looked."""
    names = ("flame", "flame_only", "flame_skip", "flame_update", "flame_move", "flame_against")
    return any(config.getoption(name) not in (None, False, []) for name in names) or bool(config.getini("flame"))


def read_settings(config: pytest.Config) -> Settings:
    """Raises ``UsageError`` naming the option or ini value and what was expected."""
    from pytest_flame.model import Limits  # not before it is needed: every pytest run imports this module

    values = {option.name: _value(config, option) for option in OPTIONS}
    update = config.getoption("flame_update")
    if update is not None and update not in UPDATES:
        raise UsageError(
            f"--flame-update={update} is not known",
            why=f"expected one of {', '.join(UPDATES)}",
            fix="write --flame-update=all; without = the next argument is taken for WHICH",
        )
    only = bool(config.getoption("flame_only"))
    skip = bool(config.getoption("flame_skip"))
    if only and skip:
        raise UsageError("--flame-only and --flame-skip exclude each other", fix="keep one of them")
    for option in ("update", "move"):
        if skip and config.getoption(f"flame_{option}"):
            raise UsageError(f"--flame-{option} and --flame-skip exclude each other", fix="keep one of them")
    if update is not None:
        if config.getoption("flame_against") is not None:
            raise UsageError(
                "--flame-against and --flame-update exclude each other",
                why="a baseline is recorded from the working tree, on its own",
                fix="run pytest --flame-update without --flame-against",
            )
        values["against"] = None
    if values["base-python"] is not None and values["base-install"] is not None:
        raise UsageError("--flame-base-python and --flame-base-install exclude each other", fix="keep one of them")
    move = tuple(_renaming(text) for text in config.getoption("flame_move") or ())
    enabled = (
        bool(config.getoption("flame"))
        or only
        or update is not None
        or bool(move)
        or config.getoption("flame_against") is not None
        or bool(config.getini("flame"))
    ) and not skip
    available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if values["cpu"] and available and not set(values["cpu"]) <= available:
        raise UsageError(
            f"--flame-cpu={','.join(map(str, values['cpu']))} names CPUs this process may not use",
            why=f"available: {','.join(map(str, sorted(available)))}",
        )
    root = config.rootpath
    return Settings(
        enabled=enabled,
        only=only,
        skip=skip,
        strict=bool(config.getoption("flame_strict")) or bool(config.getini("flame_strict")),
        update=update,
        move=move,
        limits=Limits(values["threshold"], values["frame-threshold"], values["alpha"]),
        processes=values["processes"],
        processes_given=_given(config, "processes"),
        time_s=values["time"],
        max_time_s=values["max-time"],
        deadline_s=values["deadline"],
        frequency_hz=values["frequency"],
        seed=values["seed"] if values["seed"] is not None else int.from_bytes(os.urandom(4), "big"),
        cpus=values["cpu"],
        sampler=values["sampler"],
        kernel=bool(config.getoption("flame_kernel")) or bool(config.getini("flame_kernel")),
        native=bool(config.getoption("flame_native")) or bool(config.getini("flame_native")),
        against=values["against"],
        remeasure=values["remeasure"],
        base_python=values["base-python"] and _program(values["base-python"], _folder_of(config, "base-python")),
        base_install=values["base-install"],
        base_install_from=_folder_of(config, "base-install"),
        copy_ignored=tuple(config.getini("flame_copy_ignored")),
        baselines=root / values["baselines"],
        report=config.invocation_params.dir / values["report"],
        json=values["json"] and config.invocation_params.dir / values["json"],
        markdown=values["markdown"] and config.invocation_params.dir / values["markdown"],
        source_url=values["source-url"],
        editor=values["editor"],
        worker_args=tuple(config.getini("flame_worker_args")),
        worker_drop=_option_names(config.getini("flame_worker_drop")),
        test_folders=tuple(config.getini("flame_test_folders")),
        root=root,
    )


def _option_names(words: list[str]) -> tuple[str, ...]:
    wrong = [word for word in words if not word.startswith("-") or "=" in word]
    if wrong:
        raise UsageError(f"the ini value flame_worker_drop has {wrong[0]!r}; expected names of options such as --html")
    return tuple(words)


def _folder_of(config: pytest.Config, name: str) -> Path:
    """What a relative path of an option means: where the command was started, or the ini file's folder."""
    if config.getoption(f"--flame-{name}") is not None:
        return config.invocation_params.dir
    return config.inipath.parent if config.inipath is not None else config.rootpath


_NO_PART_OF_THE_GATE: Final = frozenset({"seed", "cpu", "report", "json", "markdown", "source-url", "editor"})
_FLAGS: Final = ("flame", "flame_strict", "flame_kernel", "flame_native")
_LISTS: Final = (
    *("flame_worker_args", "flame_worker_drop", "flame_test_folders", "flame_copy_ignored", "addopts", "testpaths"),
    *("python_files", "python_classes", "python_functions"),
)


def gate_settings(config: pytest.Config) -> dict[str, str]:
    """All settings that decide what is gated and how, by the names of ini files, as text."""
    found = {}
    for option in OPTIONS:
        if option.name not in _NO_PART_OF_THE_GATE:
            value = _value(config, option)
            found[option.ini] = f"{value * 100:g}%" if option.parse is parse_percent else str(value)
    for name in _FLAGS:
        found[name] = "on" if config.getoption(name) or config.getini(name) else "off"
    for name in _LISTS:
        found[name] = shlex.join(config.getini(name))
    return found


def _program(given: str, folder: Path) -> Path:
    """As a shell finds it: a bare name in PATH, ``~`` at home, any other path from ``folder``. Links stay: a virtual
    environment's interpreter is one."""
    if "/" not in given:
        return Path(shutil.which(given) or given)
    return folder / Path(given).expanduser()


def _given(config: pytest.Config, name: str) -> bool:
    option = next(o for o in OPTIONS if o.name == name)
    return config.getoption(option.flag) is not None or bool(config.getini(option.ini))


def _value(config: pytest.Config, option: Option) -> Any:
    text, source = config.getoption(option.flag), option.flag
    if text is None:
        text, source = config.getini(option.ini), f"the ini value {option.ini}"
    elif not text.strip() and option.default != "":
        raise _empty(option)
    if text is None or text == "":
        return option.default
    try:
        return option.parse(str(text))
    except ValueError as e:
        raise UsageError(f"{source} is {text!r}; expected {option.expects}") from e


def _empty(option: Option) -> UsageError:
    return UsageError(
        f"{option.flag} has an empty value; expected {option.expects}",
        why="a variable in the command was probably empty",
        fix=f"set it, or leave {option.flag} out",
    )


def _renaming(text: str) -> tuple[str, str]:
    old, separator, new = text.partition("=")
    if "[" in text and text.count("=") > 1:  # parameter ids may hold "=": split where both halves look like test ids
        halves = [(text[:i], text[i + 1 :]) for i, c in enumerate(text) if c == "="]
        old, new = next((pair for pair in halves if all(map(_is_whole_id, pair))), (old, new))
    if not (separator and old and new):
        raise UsageError(f"--flame-move={text} is not of the form OLD=NEW, both test ids")
    return old, new


def is_distributed(config: pytest.Config) -> bool:
    """pytest-xdist runs the tests in processes of its own."""
    option = config.option
    nodes = getattr(option, "tx", None) and getattr(option, "dist", "no") != "no"
    return bool(getattr(option, "numprocesses", None) or nodes) or hasattr(config, "workerinput")


def _is_whole_id(text: str) -> bool:
    return "::" in text and ("[" in text) == text.endswith("]")


# --- markers ------------------------------------------------------------------------------------------------


def _typed(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError
    return value


_MARKER_ARGUMENTS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "threshold": ("a percentage such as '5%'", lambda v: parse_percent(_typed(str, v))),
    "frame_threshold": ("a percentage such as '2%'", lambda v: parse_percent(_typed(str, v))),
    "processes": ("a whole number, 3 or more", lambda v: _processes(str(_typed(int, v)))),
    "min_time": ("seconds or a duration such as '10s'", lambda v: parse_duration(str(_typed((str, int, float), v)))),
    "fresh": ("True or False", lambda v: _typed(bool, v)),
    "metric": (" or ".join(map(repr, METRICS)), lambda v: _choice(METRICS)(_typed(str, v))),
}


def is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARKER) is not None or "flame" in getattr(item, "fixturenames", ())


def test_settings(item: pytest.Item, settings: Settings) -> TestSettings:
    """Markers closer to the test win, argument by argument. Raises ``UsageError`` naming argument and test."""
    from pytest_flame.model import Limits  # not before it is needed: every pytest run imports this module

    values: dict[str, Any] = {}
    for marker in item.iter_markers(MARKER):
        if marker.args:
            raise UsageError(
                f"{item.nodeid}: @pytest.mark.flame takes keyword arguments only, got {marker.args[0]!r}",
                fix="@pytest.mark.flame(threshold='5%')",
            )
        for name, value in marker.kwargs.items():
            if name not in _MARKER_ARGUMENTS:
                raise UsageError(
                    f"{item.nodeid}: @pytest.mark.flame has no argument {name!r}",
                    fix=f"known arguments: {', '.join(_MARKER_ARGUMENTS)}",
                )
            expects, parse = _MARKER_ARGUMENTS[name]
            try:
                parsed = parse(value)
            except ValueError as e:
                raise UsageError(f"{item.nodeid}: @pytest.mark.flame({name}={value!r}): expected {expects}") from e
            values.setdefault(name, parsed)
    limits = settings.limits
    return TestSettings(
        limits=Limits(
            values.get("threshold", limits.threshold),
            values.get("frame_threshold", limits.frame_threshold),
            limits.alpha,
        ),
        processes=values.get("processes", settings.processes),
        processes_given=settings.processes_given or "processes" in values,
        time_s=values.get("min_time", settings.time_s),
        fresh=values.get("fresh", False),
        metric=values.get("metric", CPU),
    )
