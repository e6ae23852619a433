"""The only reader of options and ini values: turns them into the settings of a run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.options import DOCUMENTS, OPTIONS, UPDATES, Option
from pytest_flame.quantities import parse_percent

if TYPE_CHECKING:
    from pytest_flame.model import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """All options and ini values, read once."""

    enabled: bool
    only: bool
    skip: bool
    strict: bool
    require_covered: bool
    """False without a commit to compare with."""
    update: str | None
    """None, ``changed``, ``missing``, ``all`` or ``add``."""
    move: tuple[tuple[str, str], ...]
    limits: Limits
    processes: int
    processes_given: bool
    time_s: float
    max_time_s: float | None
    deadline_s: float | None
    isolation: str
    measure: str
    audit: int
    floor_s: float
    all_tests: bool
    calls_threshold: float | None
    """None: derived from what base takes."""
    frequency_hz: int | None
    """None: chosen once per run, ``gate/one_rate.py``."""
    seed: int
    cpus: tuple[int, ...]
    sampler: str
    kernel: bool
    native: bool
    against: str | None
    head: str | None
    """The commit that is head; None: the working tree."""
    remeasure: str
    on: str | None
    """The host that measures; None: this one."""
    shard: tuple[int, int] | None
    """Which part of the tests, from 1, of how many."""
    durations: Path | None
    base_python: Path | None
    """A path, or a bare name as it was given."""
    base_install: str | None
    base_install_from: Path
    """The folder that the command's relative paths start from."""
    copy_ignored: tuple[str, ...]
    baselines: Path
    store: str | None
    """The URL of a store of baselines; None: they are files in ``baselines``."""
    accepted: Path
    accepted_given: bool
    report: Path
    documents: Mapping[str, Path]
    """Where the run's result is written, by the name of the option that asks for it."""
    github: bool
    """Whether the run reports to GitHub Actions."""
    source_url: str
    """A template, empty for none; so is ``editor``."""
    editor: str
    worker_args: tuple[str, ...]
    worker_drop: tuple[str, ...]
    test_folders: tuple[str, ...]
    root: Path


def is_asked_for(config: pytest.Config) -> bool:
    """Whether any option or ini value makes this run measure, or has to be checked."""
    names = ("flame", "flame_all", "flame_only", "flame_skip", "flame_update", "flame_move", "flame_against")
    return any(config.getoption(name) not in (None, False, []) for name in names) or bool(config.getini("flame"))


def measures(config: pytest.Config, options: argparse.Namespace) -> bool:
    """Whether the run measures, by its options, which may not be final yet, and its ini values."""
    names = ("flame", "flame_all", "flame_only", "flame_update", "flame_move", "flame_against")
    given = any(getattr(options, name, None) not in (None, False, []) for name in names)
    return (given or bool(config.getini("flame"))) and not getattr(options, "flame_skip", None)


def read_settings(config: pytest.Config) -> Settings:
    """Raises ``UsageError`` naming the option or ini value and what was expected."""
    from pytest_flame.model import Limits  # imported late: every pytest run imports this module

    values = {option.name: _value(config, option) for option in OPTIONS}
    update = config.getoption("flame_update")
    if update is not None and update not in UPDATES:
        raise UsageError(
            f"--flame-update={update} is not known",
            why=f"expected one of {', '.join(UPDATES)}",
            fix="write --flame-update=all; without the = the next argument is taken for WHICH",
        )
    only = bool(config.getoption("flame_only"))
    skip = bool(config.getoption("flame_skip"))
    if only and skip:
        raise UsageError("--flame-only and --flame-skip cannot be combined", fix="keep one of them")
    for option in ("update", "move"):
        if skip and config.getoption(f"flame_{option}"):
            raise UsageError(f"--flame-{option} and --flame-skip cannot be combined", fix="keep one of them")
    if update is not None:
        if config.getoption("flame_against") is not None:
            raise UsageError(
                "--flame-against and --flame-update cannot be combined",
                why="a baseline is recorded from the working tree alone",
                fix="run pytest --flame-update without --flame-against",
            )
        values["against"] = None
    if config.getoption("flame_head") is not None and values["against"] is None:
        raise UsageError(
            "--flame-head needs a commit to compare with",
            why="stored baselines are compared with the working tree",
            fix="add --flame-against=REF",
        )
    if values["measure"] == "none" and values["against"] is None:
        raise UsageError(
            "--flame-measure=none needs a commit to compare with",
            why="without one nothing can be proved, and nothing would be measured either",
            fix="add --flame-against=REF",
        )
    require_covered = bool(config.getoption("flame_require_covered"))
    if require_covered and values["against"] is None:
        raise UsageError(
            "--flame-require-covered needs a commit to compare with",
            why="which functions changed is known only between a commit and the working tree",
            fix="add --flame-against=REF",
        )
    if values["on"] is not None and values["shard"] is not None:
        raise UsageError(
            "--flame-on and --flame-shard cannot be combined",
            why="one divides the tests among machines, the other measures them all on one",
            fix="keep one of them",
        )
    if require_covered and values["shard"] is not None:
        raise UsageError(
            "--flame-require-covered and --flame-shard cannot be combined",
            why="a function that no test of this part runs may be run by another part",
            fix="flame merge --require-covered decides for all parts together",
        )
    if values["calls-threshold"] is not None and values["measure"] == "all":
        raise UsageError(
            "--flame-calls-threshold and --flame-measure=all cannot be combined",
            why="without an exact pass no calls are counted",
            fix="keep one of them; --flame-audit=N measures tests whose code is the same",
        )
    if values["base-python"] is not None and values["base-install"] is not None:
        raise UsageError("--flame-base-python and --flame-base-install cannot be combined", fix="keep one of them")
    move = tuple(_renaming(text) for text in config.getoption("flame_move") or ())
    enabled = (
        bool(config.getoption("flame"))
        or bool(config.getoption("flame_all"))
        or only
        or update is not None
        or bool(move)
        or config.getoption("flame_against") is not None
        or bool(config.getini("flame"))
    ) and not skip
    available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if values["cpu"] and available and not set(values["cpu"]) <= available:
        raise UsageError(
            f"--flame-cpu={','.join(map(str, values['cpu']))} names CPUs that this process may not use",
            why=f"available: {','.join(map(str, sorted(available)))}",
        )
    root = config.rootpath
    github = values["github"] == "on" or (values["github"] == "auto" and os.environ.get("GITHUB_ACTIONS") == "true")
    return Settings(
        enabled=enabled,
        only=only,
        skip=skip,
        strict=bool(config.getoption("flame_strict")) or bool(config.getini("flame_strict")),
        require_covered=require_covered
        or (bool(config.getini("flame_require_covered")) and values["against"] is not None and values["shard"] is None),
        update=update,
        move=move,
        limits=Limits(values["threshold"], values["frame-threshold"], values["alpha"]),
        processes=values["processes"],
        processes_given=_given(config, "processes"),
        time_s=values["time"],
        max_time_s=values["max-time"],
        deadline_s=values["deadline"],
        isolation=values["isolation"],
        measure=values["measure"],
        audit=values["audit"],
        floor_s=values["floor"],
        all_tests=bool(config.getoption("flame_all") or config.getini("flame_all")),
        calls_threshold=values["calls-threshold"],
        frequency_hz=values["frequency"],
        seed=values["seed"] if values["seed"] is not None else int.from_bytes(os.urandom(4), "big"),
        cpus=values["cpu"],
        sampler=values["sampler"],
        kernel=bool(config.getoption("flame_kernel")) or bool(config.getini("flame_kernel")),
        native=bool(config.getoption("flame_native")) or bool(config.getini("flame_native")),
        against=values["against"],
        head=values["head"],
        remeasure=values["remeasure"],
        on=values["on"],
        shard=values["shard"],
        durations=values["durations"] and _folder_of(config, "durations") / values["durations"],
        base_python=values["base-python"] and _program(values["base-python"], _folder_of(config, "base-python")),
        base_install=values["base-install"],
        base_install_from=_folder_of(config, "base-install"),
        copy_ignored=tuple(config.getini("flame_copy_ignored")),
        baselines=root / values["baselines"],
        store=values["store"],
        accepted=root / values["accepted"],
        accepted_given=_given(config, "accepted"),
        report=config.invocation_params.dir / values["report"],
        documents=_documents(values, config.invocation_params.dir, github=github),
        github=github,
        source_url=values["source-url"],
        editor=values["editor"],
        worker_args=tuple(config.getini("flame_worker_args")),
        worker_drop=_option_names(config.getini("flame_worker_drop")),
        test_folders=tuple(config.getini("flame_test_folders")),
        root=root,
    )


def _documents(values: Mapping[str, Any], directory: Path, *, github: bool) -> dict[str, Path]:
    """What is asked for, and what a job on GitHub needs for its comment."""
    named = {"json": values["report"] / "result.json", "markdown": values["report"] / "comment.md"} if github else {}
    given = {name: values[name] for name in DOCUMENTS if values[name] is not None}
    return {name: directory / path for name, path in (named | given).items()}


def _option_names(words: list[str]) -> tuple[str, ...]:
    wrong = [word for word in words if not word.startswith("-") or "=" in word]
    if wrong:
        raise UsageError(f"the ini value flame_worker_drop has {wrong[0]!r}; expected names of options such as --html")
    return tuple(words)


def _folder_of(config: pytest.Config, name: str) -> Path:
    """The folder that an option's relative path starts from: the working directory, or the ini file's folder."""
    if config.getoption(f"--flame-{name}") is not None:
        return config.invocation_params.dir
    return config.inipath.parent if config.inipath is not None else config.rootpath


_NO_PART_OF_THE_GATE: Final = frozenset(
    {"seed", "cpu", "report", *DOCUMENTS, "github", "source-url", "editor", "shard", "durations", "on"}
)
_FLAGS: Final = ("flame", "flame_all", "flame_strict", "flame_require_covered", "flame_kernel", "flame_native")
_LISTS: Final = (
    *("flame_worker_args", "flame_worker_drop", "flame_test_folders", "flame_copy_ignored", "addopts", "testpaths"),
    *("python_files", "python_classes", "python_functions"),
)


def gate_settings(config: pytest.Config) -> dict[str, str]:
    """All settings that decide what is gated and how, by ini name, as text."""
    found = {}
    for option in OPTIONS:
        if option.name not in _NO_PART_OF_THE_GATE:
            value = _value(config, option)
            is_ratio = option.parse is parse_percent and value is not None
            found[option.ini] = f"{value * 100:g}%" if is_ratio else str(value)
    for name in _FLAGS:
        found[name] = "on" if config.getoption(name) or config.getini(name) else "off"
    found["flame_benchmarks"] = "on" if config.getini("flame_benchmarks") else "off"
    for name in _LISTS:
        found[name] = shlex.join(config.getini(name))
    return found


def _program(given: str, folder: Path) -> Path:
    """As a shell finds it: a bare name in PATH, ``~`` at home, any other path from ``folder``. Links are not resolved:
    a virtual environment's interpreter is one."""
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
        fix=f"set it, or omit {option.flag}",
    )


def _renaming(text: str) -> tuple[str, str]:
    old, separator, new = text.partition("=")
    if "[" in text and text.count("=") > 1:  # parameter ids may contain "=": split where both halves look like test ids
        halves = [(text[:i], text[i + 1 :]) for i, c in enumerate(text) if c == "="]
        old, new = next((pair for pair in halves if all(map(_is_whole_id, pair))), (old, new))
    if not (separator and old and new):
        raise UsageError(f"--flame-move={text} is not of the form OLD=NEW, both test ids")
    return old, new


def _is_whole_id(text: str) -> bool:
    return "::" in text and ("[" in text) == text.endswith("]")
