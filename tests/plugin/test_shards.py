"""Runs with ``--flame-shard`` measure a part each; together they measure every test once."""

from __future__ import annotations

import json

from pytest_flame.cli.command import main

from .conftest import SHORTEST, Project

TESTS = """
    import pytest

    @pytest.mark.flame
    @pytest.mark.parametrize("n", range(3))
    def test_it(n): sum(range(2000 + n))

    def test_plain(): pass
"""


def test_every_test_is_measured_by_one_run(project: Project) -> None:
    project.write("test_it.py", TESTS)
    ids: list[str] = []
    for index in (1, 2):
        ran = project.flame(f"--flame-shard={index}/2", "-k", "it", time=SHORTEST)
        assert ran.document is not None, ran.out
        assert ran.document["shard"]["index"] == index
        assert ran.outcomes["deselected"] == len({0, 1, 2}) - len(ran.verdicts), "the plain test runs in each"
        ids += ran.verdicts
        project.write(f"r{index}.json", json.dumps(ran.document))
    assert sorted(ids) == [f"test_it.py::test_it[{n}]" for n in range(3)]
    results = [str(project.path / f"r{index}.json") for index in (1, 2)]
    assert main(["merge", *results, "--strict"]) == 1, "they are new"
    assert main(["merge", *results, "--json", str(project.path / "all.json")]) == 0
    ran = project.flame("--flame-shard=4/4", "--flame-durations=all.json", "--flame-strict", time=SHORTEST)
    assert ran.ret == 1 and "fewer marked tests than shards (4/4)" in ran.out


def test_a_wrong_shard_or_file_is_a_usage_error(project: Project) -> None:
    project.write("test_it.py", TESTS)
    ran = project.flame("--flame-shard=3/2")
    assert ran.ret == 4 and "a part such as 2/5" in ran.out
    ran = project.flame("--flame-shard=1/2", "--flame-durations=missing.json")
    assert ran.ret == 4 and "missing.json can't be read" in ran.out
    ran = project.flame("--flame-shard=1/2", "--flame-against=HEAD", "--flame-require-covered")
    assert ran.ret == 4 and "flame merge --require-covered" in ran.out
