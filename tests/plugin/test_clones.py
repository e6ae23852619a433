"""One test, whatever folder the checkout is in and whatever paths the run was started with."""

from __future__ import annotations

import json
import shutil

import pytest
from repositories import Checkout

from .conftest import SHORTEST, Project

BY_FILE = """
import pytest
from pathlib import Path
DATA = sorted((Path(__file__).parent / "data").glob("*.json"))

@pytest.mark.flame(threshold="300%", frame_threshold="300%")
@pytest.mark.parametrize("file", DATA, ids=str)
def test_it(file):
    for _ in range(20):
        file.read_text()
"""


def test_ids_with_the_checkouts_path(project: Project) -> None:
    """They are the same test on both sides, in its baseline and in another clone."""
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    project.write("tests/test_it.py", BY_FILE)
    project.write("tests/data/a.json", "{}")
    shown = f"tests/test_it.py::test_it[{project.path}/tests/data/a.json]"
    ran = project.flame("--flame-update", time=SHORTEST)
    assert ran.verdicts == {shown: "NEW"}, ran.out
    assert shown in ran.out
    assert "{rootdir}" not in ran.out
    stored = [json.loads(p.read_text()) for p in (project.path / "flame-baselines").glob("*.json")]
    assert [document["test"] for document in stored] == ["tests/test_it.py::test_it[{rootdir}/tests/data/a.json]"]
    checkout.commit()
    project.write("tests/new.txt", "")
    against = project.flame("--flame-against=HEAD", time=SHORTEST)
    assert list(against.verdicts) == [shown]
    assert against.verdict(shown) not in ("NEW", "ERROR"), against.out

    clone = project.path.with_name("another-clone")
    shutil.copytree(project.path, clone)
    again = Project(clone, project.monkeypatch).flame("--flame-remeasure=never", time=SHORTEST)
    verdicts = {test_id: verdict == "NEW" for test_id, verdict in again.verdicts.items()}
    assert verdicts == {shown.replace("/project/", "/another-clone/"): False}, again.out
    assert "stale" not in again.out
    moved = project.run("--flame-move", f"{shown}={shown.replace('test_it[', 'test_at[')}")
    assert "stale baseline: there is no longer a test tests/test_it.py::test_at[{rootdir}/" in moved.out


def test_several_roots_in_one_command(project: Project) -> None:
    """Each with an ini and a conftest file of its own: pytest takes the first one's ini, and the ids of tests outside
    its folder begin where the given paths end."""
    (project.path / "pytest.ini").unlink()
    for root in ("a", "b"):
        project.write(f"{root}/pytest.ini", "[pytest]\n")
        project.write(f"{root}/tests/conftest.py", "import pytest\n@pytest.fixture\ndef root(): return __file__\n")
        project.write(
            f"{root}/tests/deep/test_{root}.py",
            "import pytest\n@pytest.mark.flame\ndef test_it(root): assert root.endswith('/tests/conftest.py')\n",
        )
    ran = project.flame("b/tests/deep/test_b.py::test_it", "a/tests", time=SHORTEST)
    assert list(ran.verdicts.values()) == ["NEW", "NEW"], ran.out

    for root in ("c", "d"):
        shutil.copytree(project.path / "b", project.path / root)
    three = ("--import-mode=importlib", "a/tests", "c/tests", "d/tests")
    ran = project.flame(*three, time=SHORTEST)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "both have a test deep/test_b.py::test_it" in ran.out
    assert f"--rootdir={project.path}" in ran.out
    ran = project.flame(*three, f"--rootdir={project.path}", time=SHORTEST)
    assert sorted(ran.verdicts) == [f"{root}/tests/deep/test_{t}.py::test_it" for root, t in ("aa", "cb", "db")]


def test_helpers_in_folders_of_benchmarks_are_heads_on_both_sides(project: Project) -> None:
    """Otherwise the code, which did not change, is blamed for a benchmark that does more."""
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    project.write("pytest.ini", "[pytest]\npythonpath = . speed\nflame_test_folders = speed\n")
    project.write("shop.py", "def price(n): return sum(range(n))\n")
    project.write("benchmarks/test_a.py", "import pytest\nfrom orders import N\nfrom shop import price\n" + BENCHMARK)
    project.write("benchmarks/orders.py", "N = 100\n")
    project.write("checks/test_b.py", "import pytest\nfrom load import N\nfrom shop import price\n" + BENCHMARK)
    project.write("checks/code.py", "")
    project.write("speed/load.py", "N = 100\n")
    checkout.commit()
    for name in ("benchmarks/orders.py", "speed/load.py"):
        project.write(name, "N = 10000\n")
    ran = project.flame("--flame-against=HEAD", time=("--flame-time=0.3", "--flame-processes=3"))
    for test in ("test_a.py::test_it", "test_b.py::test_it"):
        assert ran.verdict(test) not in ("REGRESSED", "ERROR", "NEW"), ran.out


BENCHMARK = """
@pytest.mark.flame(threshold="300%", frame_threshold="300%")
def test_it():
    assert N == 10000
    price(N)
"""
