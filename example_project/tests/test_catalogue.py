"""Products are found by words that are nearly right, from a cold start and from a warm one."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from shop.catalogue import catalogue, similarity, trigrams


@pytest.fixture
def closed_shop() -> None:
    """Nobody has searched yet: the catalogue and its index are still to be built."""
    catalogue.cache_clear()


@pytest.mark.flame(fresh=True)
@pytest.mark.usefixtures("closed_shop")
def test_first_search_builds_the_index() -> None:
    """The catalogue is cached, so a second call would cost nothing: each one needs a fresh fixture."""
    assert catalogue().search("Meisen hand paintd pot", limit=1)[0].name.startswith("Meissen hand painted pot")


@pytest.mark.flame
def test_search(flame: AbstractContextManager[object]) -> None:
    shelf = catalogue()
    with flame:
        found = [shelf.search(query, limit=1)[0].name for query in ("darjeling first flush", "kioto green tee")]
    assert found[0].startswith("Darjeeling first flush")
    assert found[1].startswith("Kyoto green tea")


def test_similarity() -> None:
    assert similarity(trigrams("tea"), trigrams("TEA.")) == 1
    assert similarity(trigrams("tea"), trigrams("pot")) == 0
