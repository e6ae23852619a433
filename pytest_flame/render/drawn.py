"""What all pictures of one judgement are drawn from, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_flame.fold import recording_profile
from pytest_flame.model import Comparison, Judgement, Profile
from pytest_flame.render.layout import Tree, build_tree


@dataclass(frozen=True, slots=True)
class Drawn:
    """``comparison`` is None where only one side is drawn: ``head``, or ``base`` where there is no other."""

    base: Profile | None
    head: Profile | None
    comparison: Comparison | None
    tree: Tree | None
    """Of both sides where there is a comparison, of the one that is drawn otherwise; None without recordings."""

    @classmethod
    def of(cls, judgement: Judgement) -> Drawn:
        base = recording_profile(judgement.base) if judgement.base is not None else None
        head = recording_profile(judgement.head) if judgement.head is not None else None
        if base is None and head is None:
            return cls(None, None, None, None)
        if base is not None and head is not None and judgement.comparison is not None:
            return cls(base, head, judgement.comparison, build_tree(base.costs, head.costs))
        side = head if head is not None else base
        assert side is not None
        return cls(base, head, None, build_tree({}, side.costs))
