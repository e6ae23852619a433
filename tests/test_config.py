"""Options and their ini twins: which wins, and the errors for meaningless values."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_flame.config import Settings, gate_settings, is_asked_for, measures, read_settings
from pytest_flame.errors import UsageError
from pytest_flame.links import EDITORS
from pytest_flame.marker import is_marked
from pytest_flame.options import DOCUMENTS, OPTIONS, Option

PAGES = ("https://git.example/{path}?l={line}", "http://git.example/{commit}/{path}#L{line}")
VALUES = {
    "threshold": ("7%", 0.07, "8%", 0.08),
    "frame-threshold": ("3%", 0.03, "4%", 0.04),
    "alpha": ("0.02", 0.02, "0.03", 0.03),
    "processes": ("4", 4, "5", 5),
    "time": ("2s", 2.0, "1min", 60.0),
    "max-time": ("90", 90.0, "1h", 3600.0),
    "deadline": ("auto", None, "2min", 120.0),
    "isolation": ("process", "process", "fork", "fork"),
    "measure": ("all", "all", "affected", "affected"),
    "audit": ("2", 2, "0", 0),
    "floor": ("5ms", 0.005, "1s", 1.0),
    "calls-threshold": ("10%", 0.1, "20%", 0.2),
    "frequency": ("499", 499, "101", 101),
    "seed": ("11", 11, "12", 12),
    "cpu": ("{cpu}", "{cpus}", "{cpu}-{cpu}", "{cpus}"),
    "sampler": ("timer", "timer", "perf", "perf"),
    "against": ("v1", "v1", "main...", "main..."),
    "head": ("v2", "v2", "HEAD~1", "HEAD~1"),
    "on": ("ssh=quiet", "ssh=quiet", "popen", "popen"),
    "shard": ("1/2", (1, 2), "3/3", (3, 3)),
    "durations": ("d.json", Path("d.json"), "e.json", Path("e.json")),
    "remeasure": ("never", "never", "always", "always"),
    "base-python": ("env/bin/python", Path("env/bin/python"), "/opt/python", Path("/opt/python")),
    "base-install": ("pip install .", "pip install .", "make install", "make install"),
    "store": ("s3://b/one", "s3://b/one", "memory://two", "memory://two"),
    "accepted": ("ok.toml", Path("ok.toml"), "fine.toml", Path("fine.toml")),
    "baselines": ("here", Path("here"), "there", Path("there")),
    "report": ("r1", Path("r1"), "r2", Path("r2")),
    "json": ("a.json", Path("a.json"), "b.json", Path("b.json")),
    "markdown": ("a.md", Path("a.md"), "b.md", Path("b.md")),
    "sarif": ("a.sarif", Path("a.sarif"), "b.sarif", Path("b.sarif")),
    "openmetrics": ("a.txt", Path("a.txt"), "b.txt", Path("b.txt")),
    "codequality": ("c.json", Path("c.json"), "d.json", Path("d.json")),
    "github": ("on", True, "off", False),
    "source-url": (PAGES[0], PAGES[0], PAGES[1], PAGES[1]),
    "editor": ("pycharm", EDITORS["pycharm"], "none", ""),
}
"""Name → text and value for the ini file, text and value for the command line."""
CPU = min(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


def filled(value: object) -> object:
    if value == "{cpus}":
        return (CPU,)
    return value.replace("{cpu}", str(CPU)) if isinstance(value, str) else value


@pytest.fixture(autouse=True)
def _not_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def settings(pytester: pytest.Pytester, *args: str) -> Settings:
    return read_settings(pytester.parseconfig(*args))


def setting(read: Settings, name: str) -> object:
    where = {"threshold": read.limits, "frame-threshold": read.limits, "alpha": read.limits}.get(name, read)
    attribute = {
        "time": "time_s",
        "max-time": "max_time_s",
        "deadline": "deadline_s",
        "calls-threshold": "calls_threshold",
        "floor": "floor_s",
        "frequency": "frequency_hz",
        "cpu": "cpus",
    }.get(name, name.replace("-", "_"))
    value = read.documents.get(name) if name in DOCUMENTS else getattr(where, attribute)
    return value.relative_to(read.root) if isinstance(value, Path) and value.is_relative_to(read.root) else value


def test_every_option_is_tested() -> None:
    assert set(VALUES) == {option.name for option in OPTIONS}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: o.name)
def test_option_wins_over_ini_and_ini_over_default(pytester: pytest.Pytester, option: Option) -> None:
    ini_text, ini_value, text, value = (filled(v) for v in VALUES[option.name])
    if option.name != "seed":
        default = False if option.name == "github" else option.default
        assert setting(settings(pytester), option.name) == default
    pytester.makeini(f"[pytest]\n{option.ini} = {ini_text}")
    assert setting(settings(pytester), option.name) == ini_value
    needed = ("--flame-against=v1",) if option.name == "head" else ()
    assert setting(settings(pytester, f"{option.flag}={text}", *needed), option.name) == value


@pytest.mark.parametrize(
    "text", ["", "  ", "...", "origin/...", "origin/", "...main", "main...origin/", "^", "~1", "0" * 40]
)
def test_a_ref_with_an_empty_variable_in_it_is_refused(pytester: pytest.Pytester, text: str) -> None:
    """Not mistaken for HEAD, nor for a run without --flame."""
    config = pytester.parseconfig(f"--flame-against={text}")
    assert is_asked_for(config)
    with pytest.raises(UsageError) as e:
        read_settings(config)
    assert "empty" in e.value.why or "zero" in e.value.what
    assert e.value.fix


@pytest.mark.parametrize(
    "text", ["HEAD~", "@{u}", "origin/main...", "main...topic", ":/fix a bug", "@{1 week ago}", "HEAD^{/fix}"]
)
def test_what_git_takes_for_a_commit_is_taken(pytester: pytest.Pytester, text: str) -> None:
    assert settings(pytester, f"--flame-against={text}").against == text


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.default != ""], ids=lambda o: o.name)
def test_no_option_takes_an_empty_value_for_its_default(pytester: pytest.Pytester, option: Option) -> None:
    with pytest.raises(UsageError, match=f"^{option.flag} has an empty value; expected "):
        settings(pytester, f"{option.flag}=")


def test_relative_interpreters_begin_where_they_were_written(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "sub").mkdir()
    (pytester.path / "bin").mkdir()
    program = pytester.path / "bin" / "some-python"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("HOME", str(pytester.path))
    monkeypatch.chdir(pytester.path / "sub")
    pytester.makeini("[pytest]\nflame_base_python = env/bin/python\n")
    assert settings(pytester).base_python == pytester.path / "env/bin/python"
    pytester.makeini("[pytest]\nflame_base_install = make install\n")
    assert settings(pytester).base_install_from == pytester.path
    there = {
        "env/bin/python": pytester.path / "sub/env/bin/python",
        "./python": pytester.path / "sub/python",
        "../env/bin/python": pytester.path / "sub/../env/bin/python",
        "~/env/bin/python": pytester.path / "env/bin/python",
        "some-python": program,
        "/opt/python": Path("/opt/python"),
    }
    pytester.makeini("[pytest]\n")
    for text, meant in there.items():
        assert settings(pytester, f"--flame-base-python={text}").base_python == meant
    assert settings(pytester, "--flame-base-install=make").base_install_from == pytester.path / "sub"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("threshold", "5"),
        ("threshold", "0%"),
        ("frame-threshold", "two"),
        ("alpha", "0.5"),
        ("alpha", "0"),
        ("alpha", "nan"),
        ("processes", "2"),
        ("processes", "many"),
        ("time", "0"),
        ("max-time", "soon"),
        ("frequency", "0"),
        ("frequency", "1.5"),
        ("seed", "abc"),
        ("cpu", "0,x"),
        ("cpu", "3-1"),
        ("cpu", "0-99999999999"),
        ("cpu", "-1"),
        ("sampler", "magic"),
        ("remeasure", "sometimes"),
    ],
)
def test_values_without_a_meaning_name_the_option_and_what_was_expected(
    pytester: pytest.Pytester, name: str, text: str
) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    with pytest.raises(UsageError) as raised:
        settings(pytester, f"{option.flag}={text}")
    assert raised.value.what == f"{option.flag} is {text!r}; expected {option.expects}"
    pytester.makeini(f"[pytest]\n{option.ini} = {text}")
    with pytest.raises(UsageError) as raised:
        settings(pytester)
    assert raised.value.what == f"the ini value {option.ini} is {text!r}; expected {option.expects}"


def test_updating_wins_over_the_ini_value_it_excludes(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nflame_against = main")
    assert settings(pytester).against == "main"
    assert settings(pytester, "--flame-update").against is None
    with pytest.raises(UsageError, match="cannot be combined"):
        settings(pytester, "--flame-update", "--flame-against=main")


def test_a_limit_of_calls_needs_calls(pytester: pytest.Pytester) -> None:
    with pytest.raises(UsageError, match="cannot be combined"):
        settings(pytester, "--flame-calls-threshold=10%", "--flame-measure=all")


def test_cpus_that_are_not_there_are_named_with_those_that_are(pytester: pytest.Pytester) -> None:
    with pytest.raises(UsageError, match=r"--flame-cpu=4000 names CPUs that this process may not use") as raised:
        settings(pytester, "--flame-cpu=4000")
    assert str(CPU) in raised.value.why


def test_bad_value_ends_the_run_before_anything_is_collected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("raise RuntimeError('imported')")
    result = pytester.runpytest("--flame", "--flame-threshold=5")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --flame-threshold is '5'; expected a percentage such as 5%"])


def test_paths_are_below_the_root_or_where_the_run_was_started(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    folder = pytester.mkdir("sub")
    os.chdir(folder)
    read = settings(pytester, "--flame-json=out.json")
    assert read.baselines == pytester.path / "flame-baselines"
    assert read.report == folder / "flame-report"
    assert read.documents == {"json": folder / "out.json"}


@pytest.mark.parametrize(
    ("variable", "args", "reported"),
    [
        ("true", (), True),
        ("true", ("--flame-github=off",), False),
        ("", (), False),
        ("false", (), False),
        ("", ("--flame-github=on",), True),
    ],
)
def test_github_is_noticed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, variable: str, args: tuple[str, ...], reported: bool
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", variable)
    read = settings(pytester, "--flame-json=mine.json", *args)
    assert read.github is reported
    folder = read.report if reported else None
    wanted = {"json": pytester.path / "mine.json"} | ({"markdown": folder / "comment.md"} if folder else {})
    assert read.documents == wanted


def test_toml_configuration(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        """
        [tool.pytest.ini_options]
        flame = true
        flame_threshold = "7%"
        flame_processes = 4
        flame_worker_args = ["--engine", "a b"]
        """
    )
    read = settings(pytester)
    assert read.enabled and read.limits.threshold == 0.07 and read.processes == 4
    assert read.worker_args == ("--engine", "a b")


# --- switches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "enabled"),
    [
        ((), False),
        (("--flame",), True),
        (("--flame-only",), True),
        (("--flame-update",), True),
        (("--flame-move=a=b",), True),
        (("--flame", "--flame-skip"), False),
        (("--flame-json=x",), False),
    ],
)
def test_what_measures(pytester: pytest.Pytester, args: tuple[str, ...], enabled: bool) -> None:
    assert settings(pytester, *args).enabled is enabled


def test_existing_benchmarks_count_as_marked_unless_the_ini_file_says_otherwise(pytester: pytest.Pytester) -> None:
    test = "def test_it(benchmark): benchmark(len, [])"
    assert is_marked(pytester.getitem(test, "test_it"))
    assert gate_settings(pytester.parseconfig())["flame_benchmarks"] == "on"
    pytester.makeini("[pytest]\nflame_benchmarks = false")
    assert gate_settings(pytester.parseconfig())["flame_benchmarks"] == "off"
    assert not is_marked(pytester.getitem(test, "test_it"))


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        ((), False),
        (("--flame",), True),
        (("--flame-all",), True),
        (("--flame-only",), True),
        (("--flame-update",), True),
        (("--flame-against=main",), True),
        (("--flame", "--flame-skip"), False),
    ],
)
def test_what_measures_is_known_before_the_options_are_final(
    pytester: pytest.Pytester, args: tuple[str, ...], asked: bool
) -> None:
    config = pytester.parseconfig(*args)
    assert measures(config, config.known_args_namespace) is asked


def test_ini_can_measure_always_and_the_option_can_skip(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nflame = true\nflame_strict = true")
    assert settings(pytester).enabled and settings(pytester).strict
    assert not settings(pytester, "--flame-skip").enabled


def test_coverage_is_required_only_with_a_commit_to_compare_with(pytester: pytest.Pytester) -> None:
    assert not settings(pytester, "--flame-against=main").require_covered
    assert settings(pytester, "--flame-against=main", "--flame-require-covered").require_covered
    with pytest.raises(UsageError, match="--flame-require-covered needs a commit"):
        settings(pytester, "--flame", "--flame-require-covered")
    pytester.makeini("[pytest]\nflame_require_covered = true")
    assert settings(pytester, "--flame-against=main").require_covered
    assert not settings(pytester, "--flame").require_covered


@pytest.mark.parametrize("option", ["--flame-head=HEAD~1", "--flame-measure=none"])
def test_two_commits_and_proofs_need_a_commit_to_compare_with(pytester: pytest.Pytester, option: str) -> None:
    assert settings(pytester, "--flame-against=main", option).against == "main"
    with pytest.raises(UsageError, match=f"{option.partition('=')[0]}.* needs a commit") as raised:
        settings(pytester, "--flame", option)
    assert raised.value.fix == "add --flame-against=REF"


def test_kernel_frames_are_asked_for_by_option_or_ini(pytester: pytest.Pytester) -> None:
    assert not settings(pytester).kernel
    assert settings(pytester, "--flame-kernel").kernel
    pytester.makeini("[pytest]\nflame_kernel = true")
    assert settings(pytester).kernel


@pytest.mark.parametrize("other", ["--flame-only", "--flame-update", "--flame-move=a=b"])
def test_skipping_excludes_what_needs_measuring(pytester: pytest.Pytester, other: str) -> None:
    with pytest.raises(UsageError, match="--flame-skip cannot be combined"):
        settings(pytester, "--flame-skip", other)


@pytest.mark.parametrize(
    ("args", "update"),
    [
        ((), None),
        (("--flame-update",), "changed"),
        (("--flame-update=missing",), "missing"),
        (("--flame-update", "all"), "all"),
    ],
)
def test_what_is_updated(pytester: pytest.Pytester, args: tuple[str, ...], update: str | None) -> None:
    assert settings(pytester, *args).update == update


def test_path_taken_for_what_to_update_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_it(): pass")
    with pytest.raises(UsageError, match=r"--flame-update=test_it.py is not known") as raised:
        settings(pytester, "--flame-update", "test_it.py")
    assert "--flame-update=all" in raised.value.fix


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a.py::t=b.py::t", ("a.py::t", "b.py::t")),
        ("a.py::t[x=1]=b.py::t[x=1]", ("a.py::t[x=1]", "b.py::t[x=1]")),
        ("a.py::t[a::b=c]=b.py::t", ("a.py::t[a::b=c]", "b.py::t")),
        ("a.py::t=b.py::t[k=v]", ("a.py::t", "b.py::t[k=v]")),
        ("old=new", ("old", "new")),
    ],
)
def test_renamings(pytester: pytest.Pytester, text: str, pair: tuple[str, str]) -> None:
    assert settings(pytester, f"--flame-move={text}").move == (pair,)


@pytest.mark.parametrize("text", ["", "a", "a=", "=b"])
def test_no_renaming(pytester: pytest.Pytester, text: str) -> None:
    with pytest.raises(UsageError, match="not of the form OLD=NEW"):
        settings(pytester, f"--flame-move={text}")
