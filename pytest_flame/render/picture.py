"""The content of a flame graph before drawing: its tree, its heading, and the look of each box.

All kinds of pictures (static, interactive) use it, so they agree on colours, marks and wording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_flame.fold import alike, recording_profile
from pytest_flame.model import Change, Comparison, Frame, FrameDelta, Judgement, Metric, Profile
from pytest_flame.render import colour, units, words
from pytest_flame.render.colour import LIGHT, Colour, Palette
from pytest_flame.render.drawn import tree_of_both
from pytest_flame.render.layout import Box, Tree, Width, build_tree
from pytest_flame.render.names import fit
from pytest_flame.render.text import frame_name, printable

CULPRIT: Final = "◆"
_CULPRITS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Known:
    """Details of a function over the whole test; its boxes show them."""

    real: bool = False
    """Whether it changed significantly, or was not tested: its boxes then have the colour of their change."""
    moved: bool = False
    culprit: bool = False
    delta: FrameDelta | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """One line above the graph."""

    text: str
    size: int = 12
    bold: bool = False
    badge: str = ""
    badge_fill: Colour = colour.WHITE
    full: str = ""
    """The full text of a line that may be cut."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One flame graph. Without ``differential`` it shows the head side alone."""

    title: str
    description: str
    """Description for screen readers."""
    headings: tuple[Heading, ...]
    tree: Tree
    differential: bool
    whole: int
    """What changes and shares are shares of: cost of the base, or of the only side."""
    whole_name: str
    """``the test``."""
    known: Mapping[Frame, Known]
    metric: Metric
    tested: bool = True
    """Whether grey means "no significant change"; otherwise every difference has a colour."""
    width: Width = Width.MAX

    def of(self, frame: Frame) -> Known:
        return self.known.get(frame, _CHANGED if self.differential and not self.tested else _NOTHING)

    @property
    def culprits(self) -> frozenset[Frame]:
        return frozenset(frame for frame, known in self.known.items() if known.culprit)


_NOTHING: Final = Known()
_CHANGED: Final = Known(real=True)


def differential_picture(judgement: Judgement, *, width: Width = Width.MAX, tree: Tree | None = None) -> Picture:
    """Base against head. ``tree`` is that of both sides, if already known.

    Raises ValueError without both sides and a comparison.
    """
    comparison, base, head = judgement.comparison, judgement.base, judgement.head
    if comparison is None or base is None or head is None:
        raise ValueError(f"{judgement.test_id}: a differential picture needs both sides and their comparison")
    base, head = alike(base, head)
    culprits = {delta.frame for delta in comparison.culprits}
    known = {delta.frame: _known(delta, comparison, delta.frame in culprits) for delta in comparison.frames}
    return Picture(
        title=f"{judgement.test_id}: {_outcome(judgement, comparison)}",
        description=_description(comparison),
        headings=_headings(judgement, comparison),
        tree=tree or tree_of_both(recording_profile(base), recording_profile(head), comparison),
        differential=True,
        whole=comparison.base,
        whole_name="the test",
        known=known,
        metric=comparison.metric,
        tested=comparison.tested,
        width=width,
    )


def profile_picture(
    profile: Profile, title: str, *, subtitle: str = "", of: str = "the test", tree: Tree | None = None
) -> Picture:
    """One side, coloured by where the code lives. ``of`` is what a share is a share of."""
    tree = tree if tree is not None else build_tree({}, profile.costs)
    total = units.cost(profile.metric, profile.total)
    return Picture(
        title=title,
        description=f"Flame graph of {total}, {units.count(len(tree), 'box', 'boxes')}. A box is a function, "
        "its width is its inclusive cost, and it sits on its caller.",
        headings=(_title(title), *([Heading(subtitle)] if subtitle else [])),
        tree=tree,
        differential=False,
        whole=profile.total,
        whole_name=of,
        known={},
        metric=profile.metric,
        width=Width.HEAD,
    )


# --- words -------------------------------------------------------------------------------------------------


def _title(text: str) -> Heading:
    return Heading(text, size=14, bold=True, full=text)


def _outcome(judgement: Judgement, comparison: Comparison) -> str:
    return words.verdict_words(judgement) if comparison.tested else "not tested"


def _headings(judgement: Judgement, comparison: Comparison) -> tuple[Heading, ...]:
    effect = [words.times(comparison), words.effect(comparison)]
    if comparison.tested:
        effect.append(f"{units.setting(comparison.level)} interval")
    fill = colour.VERDICTS[judgement.verdict] if comparison.tested else LIGHT.quiet
    lines = [
        _title(judgement.test_id),
        Heading(" · ".join(effect), badge=words.badge(judgement), badge_fill=fill),
    ]
    for delta in comparison.culprits[:_CULPRITS_NAMED]:
        what, in_diff = words.what_happened(delta), words.in_diff(delta)
        facts = [fit(delta.frame, 48) + in_diff, words.growth(comparison, delta), what, words.place(delta)]
        text = f"{CULPRIT} " + " · ".join(printable(fact) for fact in facts if fact)
        lines.append(Heading(text, bold=True, full=f"{frame_name(delta.frame)}{in_diff}, {what}"))
    if (more := len(comparison.culprits) - _CULPRITS_NAMED) > 0:
        lines.append(Heading(f"and {units.count(more, 'more culprit')}, outlined in the picture"))
    return tuple(lines)


def _description(comparison: Comparison) -> str:
    culprits = "".join(
        f" Culprit: {frame_name(delta.frame)}{words.in_diff(delta)}, {words.growth(comparison, delta)}, "
        f"{words.what_happened(delta)}."
        for delta in comparison.culprits
    )
    return (
        f"Differential flame graph, base against head: {words.times(comparison)}, {words.effect(comparison)}."
        f"{culprits} A box is a function, its width is its inclusive cost, and it sits on its caller; "
        "red grew, blue shrank, grey did not clearly change."
    )


def _known(delta: FrameDelta, comparison: Comparison, culprit: bool) -> Known:
    real = not comparison.tested or delta.significant or delta.over_threshold
    return Known(real, comparison.tested and delta.change is Change.MOVED, culprit, delta)


def facts(picture: Picture, frame: Frame) -> list[str]:
    """Details of a function, line by line; not yet printable."""
    known = picture.of(frame)
    if (delta := known.delta) is None:
        return []
    metric = picture.metric
    change = units.signed_cost(metric, delta.delta)
    if not picture.tested:
        return [f"function: {change}, not tested"]
    interval = units.cost_interval(metric, delta.low, delta.high)
    happened = words.what_happened(delta) if known.real or delta.renamed_from else "no significant change"
    lines = [f"function: {change} {interval}, {happened}"]
    if known.real and delta.p_adjusted < 1:
        lines.append(f"p {units.p_value(delta.p_adjusted)} that it grew no more than the frame threshold")
    if not known.real and (blind := words.blind(metric, delta)):
        lines.append(f"a growth of {blind} would have been named")
    if place := words.place(delta):
        lines.append(place)
    return lines


# --- how a box looks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Face:
    fill: Colour
    mark: str = ""
    """The change as a sign or a word: ``+``, ``−``, ``NEW``, ``GONE``, ``MOVED``."""
    change: str = ""
    """And as figures, if there is room."""
    hatched: bool = False
    culprit: bool = False
    own_share: float = 0.0
    """Change of self cost as a signed share of ``whole``, drawn as a dark bar."""
    calls: int = 1
    """The number of nested calls that the box represents."""


def culprit_nodes(picture: Picture) -> frozenset[int]:
    """The marked nodes of the tree: culprits where they grew, a recursive one at its outermost call."""
    tree, culprits = picture.tree, picture.culprits
    if not culprits:
        return frozenset()
    ends: dict[int, int] = {}
    found = []
    blamed = np.array([frame in culprits for frame in tree.frames], bool)[tree.frame] & (tree.head > tree.base)
    for node in np.flatnonzero(blamed).tolist():
        frame = int(tree.frame[node])
        if node >= ends.get(frame, 0):
            ends[frame] = int(tree.end[node])
            found.append(node)
    return frozenset(found)


def face(picture: Picture, box: Box, *, culprit: bool = False, calls: int = 1, palette: Palette = LIGHT) -> Face:
    if not picture.differential:
        return Face(colour.of_frame(box.frame, palette), calls=calls)
    known = picture.of(box.frame)
    if not known.real:
        return Face(palette.grey, calls=calls)
    return Face(
        fill=colour.of_change(change_share(picture, box.delta), palette),
        mark=_mark(box, known),
        change=units.signed_cost(picture.metric, box.delta) if box.delta else "",
        hatched=not box.head,
        culprit=culprit,
        own_share=change_share(picture, box.self_delta),
        calls=calls,
    )


def change_share(picture: Picture, delta: int) -> float:
    """As a share of base's cost; 1 if base cost nothing."""
    return delta / picture.whole if picture.whole > 0 else float((delta > 0) - (delta < 0))


def _mark(box: Box, known: Known) -> str:
    if known.moved:
        return "MOVED"
    if not box.head:
        return "GONE"
    if not box.base:
        return "NEW"
    return "+" if box.delta > 0 else units.MINUS if box.delta < 0 else ""


def tooltip(picture: Picture, box: Box, calls: int = 1) -> str:
    """Name, then costs, then details of the function; several lines, not yet printable."""
    return "\n".join(
        [*_lines(picture, box), *([f"the first of {units.count(calls)} nested calls"] if calls > 1 else [])]
    )


def _lines(picture: Picture, box: Box) -> list[str]:
    metric = picture.metric
    if not picture.differential:
        share = units.percent(box.head / picture.whole) if picture.whole else units.percent(0)
        own = f", self {units.cost(metric, box.head_self)}" if box.head_self else ""
        return [frame_name(box.frame), f"{units.cost(metric, box.head)}, {share} of {picture.whole_name}{own}"]
    change = units.signed_cost(metric, box.delta)
    if picture.whole > 0:
        share = units.signed_percent(box.delta / picture.whole)
        change += f" ({share} of {picture.whole_name})"
    lines = [
        frame_name(box.frame),
        f"{units.change(metric, box.base, box.head)}, {change}",
        f"self {units.change(metric, box.base_self, box.head_self)}",
    ]
    if not (box.base_self or box.head_self):
        lines.pop()
    return [*lines, *facts(picture, box.frame)]
