"""A made-up project with a suite of any size, the same every time: ten modules, a tenth of the tests for each."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

MODULES: Final = 10
CHANGED: Final = 3
"""The number of the module that ``change_module`` changes."""
FUNCTIONS: Final = 12
"""In each module."""

_SETTINGS: Final = """[pytest]
pythonpath = .
markers = flame: measured
"""


def make(folder: Path, tests: int) -> None:
    """Writes the project with so many tests, a multiple of ten, and commits it. Raises ``ValueError``."""
    if tests % MODULES:
        raise ValueError(f"{tests} tests cannot be distributed over {MODULES} modules")
    (folder / "stock").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "pytest.ini").write_text(_SETTINGS, encoding="utf-8")
    (folder / "stock" / "__init__.py").touch()
    for number in range(MODULES):
        (folder / "stock" / f"part_{number}.py").write_text(module(number), encoding="utf-8")
        text = test_file(number, tests // MODULES)
        (folder / "tests" / f"test_part_{number}.py").write_text(text, encoding="utf-8")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "The project")):
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)


def module(number: int) -> str:
    """Its functions call the ones before them; the sums are of lists, strings and dictionaries in turn."""
    lines = [f'"""Part {number}."""', "", "import json", ""]
    for f in range(FUNCTIONS):
        lines += [
            "",
            f"def step_{f}(size):",
            f'    """Step {f}."""',
            f"    values = [(i * {number + f + 3}) % 97 for i in range(size)]",
        ]
        match f % 3:
            case 0:
                lines.append("    total = sum(sorted(values))")
            case 1:
                lines.append("    total = len(json.dumps({str(v): v for v in values}))")
            case 2:
                lines.append('    total = len(" ".join(map(str, values)).split())')
        lines += [f"    return total + step_{f - 1}(size // 2)" if f else "    return total", ""]
    return "\n".join(lines)


def test_file(number: int, tests: int) -> str:
    lines = ["import pytest", "", f"from stock import part_{number}", ""]
    for t in range(tests):
        lines += [
            "",
            "@pytest.mark.flame",
            f"def test_{t:03}():",
            f"    assert part_{number}.step_{t % FUNCTIONS}({200 + t}) >= 0",
            "",
        ]
    return "\n".join(lines)


def change_comments(folder: Path) -> None:
    """In every module."""
    for path in sorted((folder / "stock").glob("part_*.py")):
        path.write_text(f"# Reviewed.\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def change_module(folder: Path) -> None:
    """One function that every test of its module calls, to another one of equal cost."""
    path = folder / "stock" / f"part_{CHANGED}.py"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("total = sum(sorted(values))", "total = sum(sorted(values)) + 0", 1)
    if changed == text:
        raise ValueError(f"{path} has no step_0 to change")
    path.write_text(changed, encoding="utf-8")
