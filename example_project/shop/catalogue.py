"""Finding products by words that are nearly right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from shop.model import Product
from shop.samples import products

Index = Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    goods: tuple[Product, ...]
    index: Index
    """Three letters → places in ``goods`` of the products whose name holds them."""

    def search(self, query: str, limit: int = 5) -> list[Product]:
        """Products most like the query, best first."""
        wanted = trigrams(query)
        ranked = []
        for place in self.candidates(wanted):
            product = self.goods[place]
            ranked.append((-similarity(wanted, trigrams(product.name)), product.name, product))
        ranked.sort(key=lambda entry: entry[:2])
        return [product for _, _, product in ranked[:limit]]

    def candidates(self, wanted: Iterable[str]) -> list[int]:
        """Places of the products that share at least two trigrams with the query."""
        shared: dict[int, int] = defaultdict(int)
        for gram in wanted:
            for place in self.index.get(gram, ()):
                shared[place] += 1
        return [place for place, count in shared.items() if count >= 2]


@cache
def catalogue() -> Catalogue:
    """The shop's catalogue; its index is built on first use, once per process."""
    goods = tuple(products(count=900, seed=11))
    return Catalogue(goods, build_index(goods))


def build_index(goods: Iterable[Product]) -> Index:
    places: dict[str, set[int]] = defaultdict(set)
    for place, product in enumerate(goods):
        for gram in trigrams(product.name):
            places[gram].add(place)
    return {gram: frozenset(found) for gram, found in places.items()}


def trigrams(text: str) -> frozenset[str]:
    """All runs of three letters in the words of a text, word edges marked by a space."""
    grams = set()
    for word in words(text):
        padded = f" {word} "
        for start in range(len(padded) - 2):
            grams.add(padded[start : start + 3])
    return frozenset(grams)


def words(text: str) -> list[str]:
    return text.lower().replace(",", " ").replace(".", " ").split()


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's index: shared over all."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
