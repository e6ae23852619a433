"""The data for all pictures of one judgement, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_flame.fold import alike, recording_profile
from pytest_flame.model import Comparison, Judgement, Metric, Profile
from pytest_flame.render.layout import Tree, build_tree


@dataclass(frozen=True, slots=True)
class Drawn:
    """``comparison`` is None if only one side is drawn: ``head``, or ``base`` if there is no head."""

    base: Profile | None
    head: Profile | None
    comparison: Comparison | None
    tree: Tree | None
    """The tree of both sides if there is a comparison, otherwise of the one that is drawn; None without recordings."""

    @property
    def metric(self) -> Metric:
        """Raises ValueError without recordings."""
        side = self.head or self.base
        if side is None:
            raise ValueError("there is no recording to draw")
        return side.metric

    @classmethod
    def of(cls, judgement: Judgement) -> Drawn:
        sides = judgement.base, judgement.head
        if sides[0] is not None and sides[1] is not None:
            sides = alike(sides[0], sides[1])
        base, head = (recording_profile(side) if side is not None else None for side in sides)
        if base is None and head is None:
            return cls(None, None, None, None)
        if base is not None and head is not None and judgement.comparison is not None:
            return cls(base, head, judgement.comparison, tree_of_both(base, head, judgement.comparison))
        side = head if head is not None else base
        assert side is not None
        return cls(base, head, None, build_tree({}, side.costs))


def tree_of_both(base: Profile, head: Profile, comparison: Comparison) -> Tree:
    return build_tree(_under_new_names(base, comparison).costs, head.costs)


def _under_new_names(base: Profile, comparison: Comparison) -> Profile:
    """Base with head's names: a renamed function is one box, with its cost before and after."""
    return base.renamed({d.renamed_from: d.frame for d in comparison.frames if d.renamed_from is not None})
