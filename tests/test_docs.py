"""The documentation says what the code has: every option, argument, verdict, hook and name; links lead somewhere."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import examples
import jsonschema
import pytest
from test_layers import ARROWS, GROUND

from pytest_flame import hookspecs, marker, options
from pytest_flame.baseline import fingerprint, stored
from pytest_flame.cli import command
from pytest_flame.model import Outside, Process, Recording, Round, SampleCounts, SamplerInfo, Verdict
from pytest_flame.render.json import schema as result_schema
from pytest_flame.sampling import ladder, native

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "example_project").glob("*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """The cells of all table rows of a page."""
    lines = [line for line in page(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def row(name: str, first: str) -> list[str]:
    """The one row whose first cell begins with this."""
    found = [cells for cells in rows(name) if re.match(rf"`?{re.escape(first)}(?![\w-])", cells[0])]
    assert len(found) == 1, f"{name} has {len(found)} table rows for {first}"
    return found[0]


class Recorder:
    """Replaces pytest's parser: records what is added."""

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.inis: list[str] = []

    def getgroup(self, *_: str) -> Recorder:
        return self

    def addoption(self, flag: str, **_: Any) -> None:
        self.flags.append(flag)

    def addini(self, name: str, *_: Any, **__: Any) -> None:
        self.inis.append(name)


def declared() -> Recorder:
    recorder = Recorder()
    options.add_options(recorder)  # type: ignore[arg-type]
    return recorder


# --- options, marker, hooks, verdicts -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", declared().flags)
def test_option_is_documented(flag: str) -> None:
    assert row("docs/usage.md", flag)


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_option_stands_beside_its_ini_twin_and_default(option: options.Option) -> None:
    _, ini, default, _ = row("docs/usage.md", option.flag)
    assert ini == f"`{option.ini}`"
    if option.default not in (None, (), ""):
        assert default == options.shown_default(option)


def test_every_ini_name_is_documented() -> None:
    documented = {cells[1].strip("`") for cells in rows("docs/usage.md") if len(cells) == 4}
    assert set(declared().inis) <= documented


def test_no_option_is_documented_that_does_not_exist() -> None:
    known = set(declared().flags)
    for path in PAGES:
        for flag in re.findall(r"--flame[a-z-]*", path.read_text(encoding="utf-8")):
            assert flag in known, f"{path.name}: there is no option {flag}"


def test_marker_arguments_are_documented() -> None:
    for name in marker.ARGUMENTS:
        assert row("docs/usage.md", name)


@pytest.mark.parametrize("name", options.UPDATES)
def test_ways_to_update_are_documented(name: str) -> None:
    assert row("docs/usage.md", name)


@pytest.mark.parametrize("name", ladder.CHOICES)
def test_samplers_are_documented(name: str) -> None:
    assert name in options.SAMPLERS
    assert f"`{name}`" in row("docs/usage.md", "--flame-sampler")[-1]


@pytest.mark.parametrize("verdict", Verdict, ids=lambda verdict: verdict.value)
@pytest.mark.parametrize("name", ["README.md", "docs/design.md"])
def test_verdict_is_in_the_table_with_what_pytest_reports(name: str, verdict: Verdict) -> None:
    from pytest_flame.judge import outcome

    _, _, reported, strict = (cell.strip("*") for cell in row(name, verdict.value))
    assert (reported, strict) == (outcome(verdict, strict=False), outcome(verdict, strict=True))


@pytest.mark.parametrize("name", [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)])
def test_hook_is_documented_with_its_arguments(name: str) -> None:
    arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
    assert f"def {name}({arguments}):" in page("docs/usage.md")


@pytest.mark.parametrize("hook", examples.HOOKS)
def test_the_example_of_a_hook_is_the_documented_one(hook: str) -> None:
    """``tests/plugin/test_hooks.py`` runs it."""
    assert f"```python\n{examples.example(hook)}```\n" in page("docs/extending.md")


# --- formats and limits -------------------------------------------------------------------------------------------


def test_names_of_the_baseline_schema_are_documented() -> None:
    process = Process((Round(1, 1, 1, True, 1, 1),), {}, outside=Outside(1, 1, 1, 1, 1, 1), first_call_ns=1)
    recording = Recording("t", (process,), SamplerInfo("timer", "cpu-clock-looks", True, 997), {})
    document = json.loads(stored.encode(recording))
    columns = [name.partition(".")[0] for name in document["processes"]]
    for name in (*document, *columns, "metric", "recorded_at", "floor", "lines", "sessions"):
        assert row("docs/formats.md", name)
    assert f"`{stored.SCHEMA}`" in page("docs/formats.md")


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("fingerprint", list(fingerprint.WORDS)),
        ("counts", [f.name for f in dataclasses.fields(SampleCounts)]),
        ("sampler", [f.name for f in dataclasses.fields(SamplerInfo)]),
    ],
)
def test_names_inside_the_baseline_are_documented(first: str, names: list[str]) -> None:
    value = row("docs/formats.md", first)[1]
    assert [name for name in names if f"`{name}`" not in value] == []


def test_the_result_that_is_shown_is_valid() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", page("docs/formats.md"), re.DOTALL)
    result = json.loads(shown)
    jsonschema.validate(result, result_schema())
    assert set(result) == set(result_schema()["required"])


def test_sizes_of_the_sample_tables_are_documented() -> None:
    text = " ".join(page("docs/sampling.md").split())
    tables = f"{native.MAX_NODES:,} nodes of the tree, {native.MAX_CODES:,} functions"
    assert f"{tables}, {native.TEXT_BYTES >> 20} MiB of names" in text


def test_arrows_are_documented_as_they_are_enforced() -> None:
    found = re.findall(r"^\| `(\w+)` \| (.*)\|$", page("docs/design.md"), re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", others)) for name, others in found if name in ARROWS} == ARROWS
    assert all(f"`{name}`" in page("docs/design.md") for name in GROUND)


# --- commands, code and links --------------------------------------------------------------------------------------


def blocks(text: str, *languages: str) -> list[str]:
    """What is in the code blocks of these languages; the empty language is that of blocks without one."""
    fenced = re.findall(r"^( *)```(\S*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, name, block in fenced if name in languages]


def commands(path: Path, program: str) -> list[list[str]]:
    """The words of each command in the page's blocks that starts with this program, without comments."""
    lines = [line for block in blocks(path.read_text(encoding="utf-8"), "", "sh") for line in block.splitlines()]
    found = []
    for line in lines:
        if line.startswith(f"{program} "):
            words = shlex.split(line, comments=True)
            ends = [i for i, word in enumerate(words) if word in ("&&", "|", ">", "…")]
            found.append(words[1 : min(ends, default=len(words))])
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_values_of_options_are_understood(path: Path) -> None:
    known = {option.flag: option for option in options.OPTIONS}
    for words in commands(path, "pytest"):
        for flag, equals, value in (word.partition("=") for word in words):
            if flag in known and equals and value.isascii() and "$" not in value:
                known[flag].parse(value)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_flame_commands_are_understood(path: Path) -> None:
    for words in commands(path, "flame"):
        if words[0] in ("draw", "diff", "bisect", "merge"):
            command.parser().parse_args(words)


def test_the_two_commands_of_the_readme_stand_alone() -> None:
    assert "sh ci/demo.sh\nsh ci/test.sh\n" in blocks(page("README.md"), "")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_scripts_and_benchmarks_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    scripts = re.findall(r"\bsh ((?:ci|benchmarks)/[\w./]+)", text)
    modules = re.findall(r"\bpython -m (benchmarks[\w.]*)", text)
    for name in [*scripts, *(f"{module.replace('.', '/')}.py" for module in modules)]:
        assert (ROOT / name).is_file(), f"{path.name}: there is no {name}"
    assert "python benchmarks/" not in text, f"{path.name}: benchmarks are run as modules"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_in_the_documentation_is_python(path: Path) -> None:
    for code in blocks(path.read_text(encoding="utf-8"), "python"):
        ast.parse(code)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_resolve(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{path.name} links to {link}: there is no such heading"
