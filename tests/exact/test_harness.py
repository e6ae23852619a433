from __future__ import annotations

import pathlib
from collections.abc import Callable
from pathlib import Path

import _pytest.tmpdir
import jinja2
import pytest

import pytest_flame
from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.exact.harness import Harness, Owner
from pytest_flame.model import Frame

TESTS = """
import os, pathlib, shop

def test_shop(tmp_path, capsys, monkeypatch, request):
    monkeypatch.setenv("SHOP", "open")
    (tmp_path / "made").write_text("x")
    assert (tmp_path / "made").read_text() == "x"
    print(shop.price())
    assert capsys.readouterr().out
    assert shop.price() == 3, "the price"
"""


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        (pytest.__file__, Owner.HARNESS),
        (_pytest.tmpdir.__file__, Owner.HARNESS),
        (pathlib.__file__, Owner.STANDARD),
        ("<frozen posixpath>", Owner.STANDARD),
        ("<frozen importlib._bootstrap_external>", Owner.IMPORT),
        (jinja2.__file__, Owner.SUBJECT),
        (__file__, Owner.SUBJECT),
        ("<string>", Owner.SUBJECT),
    ],
)
def test_code_has_one_owner(tmp_path: Path, file: str, owner: Owner) -> None:
    assert Harness(tmp_path).owner(file) is owner


def test_a_package_of_the_harness_in_the_tree_is_the_subject() -> None:
    checkout = Path(pytest_flame.__file__).parents[1]
    assert Harness(checkout).owner(pytest_flame.__file__) is Owner.SUBJECT
    assert Harness(checkout / "elsewhere").owner(pytest_flame.__file__) is Owner.HARNESS


def test_what_pytest_does_itself_is_in_no_footprint(run_program: Callable[..., str], tree: Callable[..., Path]) -> None:
    files = {"test_shop.py": TESTS, "shop.py": "def price():\n    return len(open('price.csv').read())\n"}
    exact = exact_wire.decode(
        parse(run_program("record_pytest.py", tree("", {**files, "price.csv": "1.5"})).splitlines()[-1])
    )
    assert exact.footprint.unknown == ()
    assert {path for path in exact.footprint.files if path.startswith("tree/")} == {"tree/price.csv"}
    assert exact.footprint.code["pytest"] == pytest.__version__
    assert not [name for name in exact.footprint.code if name.startswith(("_pytest.", "_pytest:", "pluggy."))]
    assert exact.footprint.code["test_shop:test_shop"]
    assert exact.first.functions[Frame("test_shop", "test_shop")] == 1
    assert exact.first.functions[Frame("shop", "price")] == 2
