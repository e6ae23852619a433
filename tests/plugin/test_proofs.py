"""Tests that pass without being timed, because nothing they execute or read differs; and those that must be timed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from repositories import Checkout

from pytest_flame.render.json import schema

from .conftest import SHORTEST, WORK, Project, Ran

AFFECTED = "--flame-measure=affected"
PROJECT = (
    WORK
    + """

import json
import pathlib
import subprocess
import sys

PRICES = pathlib.Path(__file__).with_name("prices.json")


def load_rates(n):
    return [spin(20) for _ in range(n)]


def enrich(orders):
    load_rates(20)
    return orders


def price():
    return json.loads(PRICES.read_text())["a"]


def child():
    subprocess.run([sys.executable, "-c", "pass"], check=True)


class Registry(dict):
    def __missing__(self, key):
        return spin(50)


def by_hash(n):
    for name in {"a", "b", "c", "d", "e", "f"}:
        if name == "c":
            break
        spin(10)
"""
)
TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="900%", frame_threshold="900%")


def test_spin():
    work.spin(3000)


def test_churn():
    work.churn(3000)


def test_enrich():
    work.enrich([1] * 20)


def test_price():
    for _ in range(20):
        work.price()


def test_child():
    work.spin(3000)
    work.child()


def test_by_hash():
    for _ in range(50):
        work.by_hash(3)
"""


@pytest.fixture
def checkout(project: Project) -> Project:
    project.write("test_it.py", TESTS)
    project.write("work.py", PROJECT)
    project.write("prices.json", '{"a": 1}')
    repository = Checkout(project.path)
    repository.git("init", "-q", "-b", "main")
    repository.commit()
    return project


def against(project: Project, *args: str) -> Ran:
    ran = project.flame("--flame-against=HEAD", AFFECTED, *args, time=SHORTEST)
    assert ran.document is not None, ran.out
    jsonschema.validate(ran.document, schema())
    return ran


def evidence(ran: Ran) -> Mapping[str, str]:
    assert ran.document is not None
    return {test["id"].partition("::")[2]: test["evidence"] for test in ran.document["tests"]}


def notes(ran: Ran, name: str) -> str:
    return " ".join(ran.test(name)["notes"])


def test_what_nothing_differs_for_is_not_timed(checkout: Project) -> None:
    """A comment, a docstring, and a function that only one test runs."""
    checkout.replace("work.py", "def enrich(orders):\n", 'def enrich(orders):\n    """Adds rates."""\n    # slow\n')
    checkout.replace("work.py", "total += i * i", "total += i * i + 1")
    ran = against(checkout)
    measured = {name for name, how in evidence(ran).items() if how == "measured"}
    assert measured == {"test_spin", "test_enrich", "test_child", "test_by_hash"}, "what runs spin, and the child"
    assert "changed: function work:spin" in notes(ran, "test_spin")
    assert "a child process" in notes(ran, "test_child")
    churn: Mapping[str, Any] = ran.test("test_churn")
    assert churn["exact"]["same_code"] and churn["exact"]["functions"] > 100
    assert churn["reason"].startswith("same code")
    assert churn["base_ns"] is None


def test_a_second_hash_seed_is_for_what_the_first_does_not_prove(
    checkout: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXECUTIONS", str(tmp_path))
    checkout.write(
        "conftest.py",
        """
        import os


        def pytest_runtest_setup(item):
            seed = os.environ["PYTHONHASHSEED"].lstrip("0")
            open(f"{os.environ['EXECUTIONS']}/{item.name}-{seed}-{os.getpid()}", "w").close()
        """,
    )
    Checkout(checkout.path).commit()
    checkout.replace("work.py", "total += i * i", "total += i * i + 1")
    against(checkout, "--flame-measure=none", "-k", "churn or spin")
    executed = sorted(path.name.rpartition("-")[0] for path in tmp_path.glob("test_*"))
    assert executed == [*["test_churn-1"] * 2, *["test_spin-1"] * 2, *["test_spin-2"] * 2]


def test_what_runs_on_import_counts_for_all(checkout: Project) -> None:
    """A new function changes the body of its module."""
    checkout.replace("work.py", "def churn(", "def not_run():\n    return 1\n\n\ndef churn(")
    ran = against(checkout, "-k", "churn")
    assert evidence(ran) == {"test_churn": "measured"}
    assert "changed: module body work" in notes(ran, "test_churn")


def test_files_count(checkout: Project) -> None:
    checkout.write("prices.json", '{"a": 2}')
    how = evidence(against(checkout))
    assert how["test_price"] == "measured"
    assert how["test_churn"] == how["test_spin"] == "same code"


def test_calls_are_compared_and_may_convict(checkout: Project) -> None:
    """The limits of time are far too wide to notice it."""
    checkout.replace("work.py", "    load_rates(20)\n", "    for _ in orders:\n        load_rates(1)\n")
    ran = against(checkout)
    assert ran.verdict("test_enrich") != "REGRESSED"
    assert "work:enrich → work:load_rates: 1 → 20 calls" in notes(ran, "test_enrich")
    (first, *_) = ran.test("test_enrich")["exact"]["calls"]
    assert (first["caller"], first["callee"], first["base"], first["head"]) == ("work:enrich", "work:load_rates", 1, 20)
    strict = against(checkout, "--flame-calls-threshold=50%")
    assert strict.ret == 1
    assert strict.verdict("test_enrich") == "REGRESSED"
    assert "called more often: work:enrich → work:load_rates: 1 → 20 calls" in strict.test("test_enrich")["reason"]
    assert "REGRESSED" not in {v for name, v in strict.verdicts.items() if "enrich" not in name}


def test_what_depends_on_the_order_of_hashes_is_named(checkout: Project) -> None:
    checkout.replace("work.py", "spin(10)", "spin(11)")
    exact = against(checkout).test("test_by_hash")["exact"]
    assert "work:spin" in exact["unstable"]
    assert not exact["calls"]


def test_audit_times_some_that_are_proved(checkout: Project) -> None:
    ran = against(checkout, "--flame-audit=2", "--flame-seed=1")
    measured = [name for name, how in evidence(ran).items() if how == "measured" and name != "test_child"]
    assert len(measured) == 2
    assert all("audit" in notes(ran, name) for name in measured)


def test_without_forks_the_same_is_proved(checkout: Project) -> None:
    how = evidence(against(checkout, "--flame-isolation=process", "-k", "churn or price"))
    assert how == {"test_churn": "same code", "test_price": "same code"}


def test_a_baseline_proves_wherever_it_was_recorded(checkout: Project, tmp_path: Path) -> None:
    """At another path, on a machine with another name for its processor."""
    recorded = checkout.flame("--flame-update", AFFECTED, time=SHORTEST)
    assert recorded.ret == 0, recorded.out
    for path in checkout.store.directory.glob("*.json"):
        assert '"exact"' in path.read_text(encoding="utf-8")
    checkout.replace("work.py", "spin(10)", "spin(11)")
    ran = checkout.flame(AFFECTED, "--flame-remeasure=never", time=SHORTEST)
    assert ran.document is not None, ran.out
    how = evidence(ran)
    assert {name for name, said in how.items() if said == "same code"} == {
        *("test_spin", "test_churn", "test_enrich", "test_price")
    }
    assert how["test_by_hash"] == how["test_child"] == "measured"
    checkout.replace("work.py", "    load_rates(20)\n", "    for _ in orders:\n        load_rates(1)\n")
    again = checkout.flame(AFFECTED, "--flame-remeasure=never", time=SHORTEST)
    assert "work:enrich → work:load_rates: 1 → 20 calls" in notes(again, "test_enrich")
