"""A library in two releases, each installed for one side: ``--flame-base-python``."""

from __future__ import annotations

import site
import venv
from pathlib import Path

from repositories import Checkout

from .conftest import SHORT, Project

LIBRARY = """
def scan(n):
    total = 0
    for i in range(n * {turns}):
        total += i * i
    return total


def parse(n):
    return scan(n) + sum(range(n))
"""
USES = """
import reader


def load(n):
    return reader.parse(n)
"""
TEST = """
import pytest
from app import load

pytestmark = pytest.mark.flame(threshold="40%", frame_threshold="40%")


def test_project():
    load(2000)
"""


def installed(folder: Path, release: str, turns: int) -> Path:
    """The interpreter of an environment with this release of the library, on top of the present one."""
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "reader.py").write_text(LIBRARY.format(turns=turns))
    info = packages / f"made_reader-{release}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made-reader\nVersion: {release}\n")
    (info / "top_level.txt").write_text("reader\n")
    over = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    (packages / "zz_over.pth").write_text(over)
    return folder / "bin/python"


def test_an_upgrade_that_is_slower_names_the_librarys_function_and_who_calls_it(
    project: Project, tmp_path: Path
) -> None:
    before, after = installed(tmp_path / "before", "1.0", 1), installed(tmp_path / "after", "2.0", 16)
    project.write("test_it.py", TEST)
    project.write("app.py", USES)
    checkout = Checkout(project.path)
    checkout.git("init", "-q")
    checkout.commit()
    args = ("--flame", *SHORT, "--flame-json=result.json", "--flame-against=HEAD", f"--flame-base-python={before}")
    ran = project.run(*args, command=(str(after), "-m", "pytest"))
    assert ran.verdict("test_project") == "REGRESSED", ran.out
    (culprit,) = ran.test("test_project")["culprits"]
    assert (culprit["frame"], culprit["called_from"]) == ("reader:scan", "app:load")
    assert "the sides have different libraries: made-reader 1.0 → 2.0" in ran.out
    assert "called by app:load" in ran.out
