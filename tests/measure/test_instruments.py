"""Which metrics tests can be gated on, and what measures them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.measure.job import Job
from pytest_flame.measure.metrics import gate_on, instrument
from pytest_flame.model import CPU, FIRST_CALL, GATED, Better, Metric
from pytest_flame.sampling.profile_source import ProfileSource


def nothing(job: Job) -> ProfileSource:
    raise NotImplementedError


def test_the_first_call_is_measured_once() -> None:
    assert [instrument(metric.name).once for metric in (CPU, FIRST_CALL)] == [False, True]


def test_an_unknown_metric_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="no metric is called 'orders' here") as caught:
        instrument("orders")
    assert "cpu, first-call" in str(caught.value)


def test_what_is_better_the_more_there_is_of_it_can_not_be_gated() -> None:
    orders = Metric("orders", "order", "orders per iteration", exact=True, better=Better.MORE, scale=1000)
    with pytest.raises(UsageError, match="can't be gated on orders"):
        gate_on(orders, nothing)
    assert "orders" not in GATED


def test_a_metric_is_known_by_its_name_and_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_flame.measure import metrics

    monkeypatch.setattr(metrics, "_INSTRUMENTS", dict(metrics._INSTRUMENTS))
    monkeypatch.setitem(GATED, "orders", CPU)
    orders = Metric("orders", "order", "orders per iteration", exact=True, scale=1000)
    gate_on(orders, nothing)
    gate_on(replace(orders, noun="orders"), nothing, once=True)
    assert GATED["orders"].noun == "orders" and instrument("orders").once
