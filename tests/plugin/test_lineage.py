"""Pairs whose bodies start Python: whose code it ran is proved, or the test is an ERROR."""

from __future__ import annotations

import subprocess
import sys

from .conftest import SHORTEST, WORK, Project
from .test_against import initialised


def test_a_child_of_another_environment_is_an_error_and_others_are_not(project: Project) -> None:
    """An interpreter that finds the project installed from the checkout, started with an empty environment."""
    checkout = initialised(project)
    project.write("work.py", WORK)
    project.write(
        "test_work.py",
        """
        import os, pytest, subprocess

        pytestmark = pytest.mark.flame
        CODE = "import work; work.spin(3000)"

        def test_not_led(): subprocess.run([os.environ["OTHER_PYTHON"], "-c", CODE], env={}, cwd="/", check=True)
        def test_of_nothing(): subprocess.run([os.environ["OTHER_PYTHON"], "-c", "import json"], env={}, check=True)
        """,
    )
    environment = project.path.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "work.pth").write_text(str(project.path))
    project.monkeypatch.setenv("OTHER_PYTHON", str(environment / "bin" / "python"))
    checkout.commit()
    ran = project.flame("--flame-against=HEAD", "--flame-seed=1", time=SHORTEST)
    assert ran.verdict("test_not_led") == "ERROR", ran.out
    command = f"{environment}/bin/python -c import work; work.spin(3000)"
    assert ran.test("test_not_led")["reason"].endswith(f"the code of the checkout itself: {project.path}/work.py"), (
        ran.out
    )
    assert ran.test("test_not_led")["reason"].startswith(f"`{command}` ran, on "), ran.out
    assert f"started: {command}" in ran.out
    assert ran.verdict("test_of_nothing") != "ERROR", ran.out
