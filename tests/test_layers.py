"""Data flows one way: lower layers never import higher ones, and only a few modules know pytest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_flame

PACKAGE = Path(pytest_flame.__file__).parent

# Lowest first. A module may import its own layer and those above it in this list.
LAYERS = (
    {"errors", "quantities", "values", "atomic", "clocks", "git_program", "git", "links", "temporary"},
    {"model"},
    {"fold", "fixture", "stats", "formats", "sampling"},
    {"baseline", "measure", "doctor"},
    {"compare"},
    {"judge", "options", "config", "marker", "hookspecs", "coverage_limit"},
    {"gate.trial"},
    {"render"},
    {"profiling"},
    {"gate.request", "progress"},
    {"gate.remarks", "gate.sources", "gate.changes"},
    {"gate.screening", "gate.interleaving"},
    {"gate.rate"},
    {"gate.confirming"},
    {"gate"},
    {"gated", "invocation"},
    {"reporting", "plugin"},
    {"cli"},
)
KNOW_PYTEST = {
    *("plugin", "reporting", "invocation", "progress", "hookspecs", "coverage_limit", "gated"),
    *("options", "config", "marker"),
    *("measure.worker", "measure.item", "measure.outcome", "measure.capture", "measure.seeing"),
}
# The item that is measured shares the fixture's key with the plugin.
ALLOWED = {("measure.item", "plugin")}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if name != "__init__":
            yield name, path


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "pytest_flame":
            names |= {f"pytest_flame.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def layer(name: str) -> int:
    """Of its own name, where that is listed, else of the package it lies in."""
    for known in (name, name.partition(".")[0]):
        found = [i for i, names in enumerate(LAYERS) if known in names]
        if found:
            return found[0]
    raise AssertionError(f"{name} has no place in LAYERS")


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules()])
def test_imports_point_downward(name: str, path: Path) -> None:
    for imported in imports(path):
        if not imported.startswith("pytest_flame."):
            continue
        target = imported.removeprefix("pytest_flame.")
        if (name, target) in ALLOWED:
            continue
        assert layer(target) <= layer(name), f"{name} imports {target}, which lies above it"


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules()])
def test_only_a_few_modules_know_pytest(name: str, path: Path) -> None:
    knows = any(i.partition(".")[0] in ("pytest", "_pytest", "pluggy") for i in imports(path))
    assert not knows or name in KNOW_PYTEST


def test_only_one_module_imports_the_c_module() -> None:
    importers = [name for name, path in modules() if "import _sampler" in path.read_text(encoding="utf-8")]
    assert importers == ["sampling.native"]
