"""Data flows one way: a table says who may import whom, and only a few modules know pytest."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_flame

PACKAGE = Path(pytest_flame.__file__).parent

GROUND = {"errors", "quantities", "values", "atomic", "clocks", "git_program", "git", "installed", "links", "temporary"}
"""What everybody may use. Among themselves they import as they need."""
ARROWS = {
    "model": set(),
    "fixture": set(),
    "benchmark": {"fixture"},
    "benchmark_hookspecs": set(),
    "benchmark_suites": {"benchmark", "benchmark_hookspecs", "fixture", "measure"},
    "coverage_limit": set(),
    "hookspecs": {"baseline", "judge", "model"},
    "fold": {"model"},
    "formats": {"model"},
    "exact": {"model", "sampling"},
    "sampling": {"model"},
    "stats": {"fold", "model"},
    "baseline": {"fold", "formats", "model"},
    "trees": {"exact", "model", "sampling"},
    "measure": {"baseline", "exact", "fixture", "fold", "model", "sampling", "trees"},
    "doctor": {"sampling"},
    "compare": {"baseline", "fold", "model", "stats"},
    "judge": {"model"},
    "render": {"baseline", "fold", "formats", "model", "stats"},
    "ci": {"model", "render"},
    "profiling": {"fold", "formats", "model", "render", "sampling"},
    "options": set(),
    "config": {"model", "options"},
    "marker": {"config", "fixture", "model"},
    "invocation": {"measure"},
    "progress": {"render"},
    "gate": {
        *("baseline", "compare", "config", "fold", "judge", "marker", "measure", "model", "render", "sampling"),
        *("stats", "trees"),
    },
    "extensions": {"baseline", "config", "judge", "measure", "model"},
    "gated": {"config", "invocation", "marker", "measure", "trees"},
    "remote": set(),
    "elsewhere": {
        *("config", "gate", "invocation", "judge", "measure", "model", "remote", "render", "trees"),
    },
    "reporting": {
        *("baseline", "ci", "config", "coverage_limit", "elsewhere", "extensions", "gate", "gated", "invocation"),
        "marker",
        *("measure", "model", "progress", "render", "trees"),
    },
    "distributed": {"config", "marker", "reporting"},
    "plugin": {
        *("benchmark_suites", "config", "distributed", "doctor", "fixture", "hookspecs", "invocation", "marker"),
        *("measure", "options", "reporting", "sampling"),
    },
    "cli": {"baseline", "ci", "compare", "fold", "formats", "judge", "model", "render", "trees"},
}
"""Each package or module of the top level, and which of them it imports. What is not here is not allowed."""
KNOW_PYTEST = {
    *("plugin", "reporting", "invocation", "progress", "hookspecs", "coverage_limit", "gated", "fixture"),
    *("options", "config", "marker", "distributed", "elsewhere", "extensions", "benchmark_suites"),
    *(
        "measure.worker",
        "measure.serving",
        "measure.body",
        "measure.counted_item",
        "measure.item",
        "measure.outcome",
        "measure.capture",
        "measure.seeing",
    ),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if path.parent != PACKAGE or path.stem != "__init__":
            yield name, path


def imports(path: Path) -> set[str]:
    """Every module named in an import, also inside functions. ``from package import name`` names both."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def own_imports(name: str, path: Path) -> set[str]:
    """The package's modules among them, without the package's name."""
    known = {module for module, _ in modules()}
    return {i.removeprefix("pytest_flame.") for i in imports(path)} & known - {name}


def unit(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules()])
def test_imports_follow_the_arrows(name: str, path: Path) -> None:
    others = {unit(imported) for imported in own_imports(name, path)} - {unit(name)}
    if unit(name) in GROUND:
        assert others <= GROUND
    else:
        assert others - GROUND <= ARROWS[unit(name)]


def test_every_arrow_is_there_for_an_import() -> None:
    used = {(unit(name), unit(imported)) for name, path in modules() for imported in own_imports(name, path)}
    assert {(one, other) for one, others in ARROWS.items() for other in others} <= used


def circle(arrows: Mapping[str, Collection[str]]) -> list[str]:
    """A path from a node back to itself, or none."""
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as e:
        return list(e.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle({name: own_imports(name, path) for name, path in modules()}) == []


def test_no_packages_import_each_other_in_a_circle() -> None:
    assert circle(ARROWS) == []


def test_no_two_files_have_one_name() -> None:
    names = Counter(name.rpartition(".")[2] for name, path in modules() if not path.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules()])
def test_only_a_few_modules_know_pytest(name: str, path: Path) -> None:
    knows = any(i.partition(".")[0] in ("pytest", "_pytest", "pluggy") for i in imports(path))
    assert not knows or name in KNOW_PYTEST


@pytest.mark.parametrize(
    ("imported", "importers"),
    [
        ("pytest_flame.sampling._sampler", {"sampling.native"}),
        ("pytest_flame._exact", {"exact.exact_recorder", "exact.call_source"}),
    ],
)
def test_only_a_few_modules_import_a_c_module(imported: str, importers: set[str]) -> None:
    assert {name for name, path in modules() if imported in imports(path)} == importers
