"""A new metric is a file with a source of its profiles and one call: here from outside the package."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import jsonschema
import pytest

from pytest_flame.render.json import schema

from .conftest import SHORTEST, Project, Ran
from .test_against import initialised

FIVE = ("--flame-time=0.1", "--flame-processes=5")
ORDERS = """
from pytest_flame.measure.metrics import gate_on
from pytest_flame.model import Metric, SampleCounts, SamplerInfo
from pytest_flame.sampling.profile_source import RawSamples, RawStack

import shop

ORDERS = Metric("orders", "order", "orders per iteration", exact=True, scale=1000)


class Orders:
    gives = ORDERS
    info = SamplerInfo("counter", "orders", kernel=False, frequency_hz=1000)

    def __init__(self, job):
        self._sampled = self._began = 0

    def set_stops(self, codes): pass
    def start(self, period_ns, seed=0): pass
    def stop(self): pass
    def clear(self): pass
    def close(self): pass
    def helper_cpu_ns(self): return 0

    def resume(self):
        self._began = self.total()

    def pause(self):
        self._sampled += self.total() - self._began

    def total(self):
        return shop.made * ORDERS.scale

    def samples(self):
        everywhere = RawStack((), False, self._sampled // ORDERS.scale, self._sampled)
        return RawSamples((everywhere,), SampleCounts(), self._sampled)


gate_on(ORDERS, Orders)
"""
SHOP = """
made = 0

def order(n):
    global made
    made += n
"""
TESTS = """
import pytest
import shop

@pytest.mark.flame(metric="orders")
def test_more():
    shop.order(40)

@pytest.mark.flame(metric="orders")
def test_same():
    shop.order(7)
"""


def with_orders(project: Project) -> Project:
    project.write("pytest.ini", "[pytest]\n")
    project.write("shop.py", SHOP)
    project.write("orders.py", ORDERS)
    project.write("conftest.py", "import orders\n")
    project.write("test_shop.py", TESTS)
    return project


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A tenth more of one test's count."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = with_orders(Project(tmp_path_factory.mktemp("metric"), monkeypatch))
        initialised(project).commit()
        project.replace("shop.py", "made += n", "made += n + n // 10")
        yield project.flame("--flame-against=HEAD", time=SHORTEST)


def test_what_is_counted_is_judged(compared: Ran) -> None:
    more, same = compared.test("test_more"), compared.test("test_same")
    assert (more["verdict"], more["metric"]) == ("REGRESSED", "orders")
    assert more["ratio"] == pytest.approx(1.1, abs=0.01)
    assert (same["verdict"], same["ratio"]) == ("PASS", 1.0)
    assert (more["base_ns"], more["head_ns"]) == (40, 44), "counts, whatever the field is called"
    jsonschema.validate(compared.document, schema())


def test_it_is_shown_in_its_own_unit(compared: Ran) -> None:
    assert "40 orders" in compared.out and "44 orders" in compared.out
    assert "orders per iteration" in compared.out


CALLS = """
import threading

import pytest
import shop

@pytest.mark.flame(metric="calls")
def test_enrich():
    shop.enrich(20)

@pytest.mark.flame(metric="calls", fresh=True)
def test_fresh(tmp_path):
    shop.load_rates(7)

@pytest.mark.flame(metric="calls")
def test_thread():
    thread = threading.Thread(target=shop.load_rates, args=(20,))
    thread.start()
    thread.join()
"""
ENRICHED = """
def rate(i):
    return i + 1

def load_rates(n):
    return sum(map(rate, range(n)))

def enrich(n):
    load_rates(n)
"""


def test_calls_are_counted_and_the_function_that_is_called_more_often_is_named(project: Project) -> None:
    project.write("shop.py", ENRICHED)
    project.write("test_shop.py", CALLS)
    initialised(project).commit()
    project.replace("shop.py", "    load_rates(n)", "    for _ in range(3):\n        load_rates(n)")
    ran = project.flame("--flame-against=HEAD", "--flame-measure=affected", time=FIVE)
    assert ran.document is not None, ran.out
    jsonschema.validate(ran.document, schema())
    more = ran.test("test_enrich")
    assert more["verdict"] == "REGRESSED"
    # The body, enrich, load_rates, sum and 20 of rate; then load_rates and what it calls three times.
    assert (more["base_ns"], more["head_ns"]) == (24, 68)
    assert more["culprits"][0]["frame"] == "shop:load_rates"
    assert "24 calls" in ran.out and "68 calls" in ran.out and "1 → 3 calls" in ran.out
    measured = project.flame("--flame-against=HEAD", "-k", "fresh or thread", time=FIVE)
    for name, least in (("test_fresh", 10), ("test_thread", 22)):
        same = measured.test(name)
        assert (same["verdict"], same["ratio"]) == ("PASS", 1.0)
        assert least <= same["base_ns"] == same["head_ns"]


def test_calls_that_are_not_seen_are_an_error(project: Project) -> None:
    project.write("shop.py", ENRICHED)
    hooks = "threading.setprofile(None)", "sys.setprofile(None)"
    for name, hook in zip(("one", "other"), hooks, strict=True):
        body = (
            hook
            if sys.version_info < (3, 12)
            else "[sys.monitoring.set_events(t, 0) for t in range(6) if sys.monitoring.get_tool(t)]"
        )
        project.write(
            f"test_{name}.py",
            f"""
            import sys
            import threading

            import pytest
            import shop

            @pytest.mark.flame(metric="calls")
            def test_{name}():
                {body}
                shop.enrich(3)
            """,
        )
    ran = project.flame(time=FIVE)
    assert set(ran.verdicts.values()) == {"ERROR"}, ran.out
    assert "it replaced the tracer that counts them" in ran.out


def test_a_baseline_names_it(project: Project) -> None:
    with_orders(project)
    assert project.flame("--flame-update", "-k", "more", time=FIVE).ret == 0
    (file,) = (project.path / "flame-baselines").glob("*.json")
    assert '"metric": "orders"' in file.read_text()
    assert project.flame("-k", "more", time=FIVE).test("test_more")["verdict"] == "PASS"
    project.write("conftest.py", "")
    refused = project.flame("-k", "more", time=FIVE)
    assert "metric='orders'): expected 'cpu' or 'first-call' or 'calls'" in refused.out
