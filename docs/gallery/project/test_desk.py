import sys

import pytest
from desk import addresses, columns, events, invoice, labels, listing, thread, words

pytestmark = pytest.mark.flame


@pytest.fixture(scope="module")
def db():
    connection = listing.database()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def deep():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    yield thread.discussion()
    sys.setrecursionlimit(limit)


@pytest.fixture(scope="module")
def readers():
    return columns.readers()


MAILING, DAY, PARCELS, ORDERS = addresses.mailing(), events.day(), labels.parcels(), invoice.orders()
LINE, PARAGRAPHS = columns.line(), words.paragraphs()


def test_n_plus_one(db):
    assert listing.page(db).count("Customer") == 300


def test_quadratic(db):
    assert len(addresses.distinct(MAILING)) == 867


def test_new_frame():
    assert len(events.send(DAY)) == 150


def test_vanished_frame():
    assert labels.sheet(PARCELS).count("Long Lane") == 60


def test_moved_cost():
    assert len(invoice.invoices(ORDERS)) == 40


def test_masked():
    assert len(words.index(PARAGRAPHS)) == 8


def test_deep_recursion(deep):
    assert len(thread.show(deep)) == 2_000


def test_wide(readers):
    assert len(columns.record(readers, LINE)) == 2_000
