"""Both channels deliver the orders that went in. The whole module is measured."""

from __future__ import annotations

import pytest

from shop.export import to_json
from shop.intake import parse_csv, parse_json
from shop.model import Order
from shop.samples import as_csv

pytestmark = pytest.mark.flame


@pytest.fixture(scope="module")
def till_export(batch: list[Order]) -> str:
    return as_csv(batch)


def test_parse_csv(till_export: str, batch: list[Order]) -> None:
    assert parse_csv(till_export) == batch


def test_json_round_trip(batch: list[Order]) -> None:
    assert parse_json(to_json(batch)) == batch
