from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_cases import CASES, face_of, frame_of

from pytest_flame.fold import recording_profile
from pytest_flame.model import CPU, Change, Frame, FrameDelta, Judgement, Profile, Stack, Verdict
from pytest_flame.render import colour
from pytest_flame.render.colour import Colour
from pytest_flame.render.layout import Width
from pytest_flame.render.picture import differential_picture
from pytest_flame.render.svg import differential_svg, label, profile_svg, static_svg

Golden = Callable[[str, str], None]
Judge = Callable[..., Judgement]

ELEMENTS = {"svg", "title", "desc", "defs", "pattern", "g", "rect", "text", "polygon", "path"}
ATTRIBUTES = {
    *(
        "width",
        "height",
        "viewBox",
        "role",
        "aria-label",
        "aria-describedby",
        "font-family",
        "font-size",
        "font-weight",
    ),
    *("fill", "id", "patternUnits", "patternTransform", "fill-opacity", "x", "y", "rx", "class", "stroke", "d"),
    *("stroke-width", "transform", "points", "pointer-events"),
}


def local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


@dataclass(frozen=True)
class Drawn:
    """One box as it is in the picture, with what is drawn on it."""

    tooltip: str
    x: float
    y: float
    width: float
    fill: str
    text: str = ""
    ink: str = ""
    over: tuple[ET.Element, ...] = ()

    @property
    def name(self) -> str:
        return self.tooltip.split("\n")[0]


def drawn(svg: str) -> list[Drawn]:
    """Every box, root first. Labels, bars and hatching belong to the box whose left edge they begin at."""
    boxes: list[Drawn] = []
    row: list[Drawn] = []
    for group in (e for e in ET.fromstring(svg).iter() if local(e) == "g"):
        rects = [e for e in group if local(e) == "rect" and len(e)]
        y = float(group.attrib.get("transform", "translate(0 0)").split()[-1].rstrip(")"))
        if rects:
            row = [
                Drawn(
                    rect[0].text or "",
                    float(rect.attrib["x"]),
                    y,
                    float(rect.attrib["width"]),
                    rect.attrib.get("fill", group.attrib["fill"]),
                )
                for rect in rects
            ]
            boxes += row
        elif "pointer-events" in group.attrib and "transform" in group.attrib:
            for i, box in enumerate(row, len(boxes) - len(row)):
                over = tuple(e for e in group if box.x <= float(e.attrib["x"]) <= box.x + box.width)
                texts = [e for e in over if local(e) == "text"]
                ink = texts[0].attrib.get("fill", str(colour.LIGHT.ink)) if texts else ""
                boxes[i] = replace(box, text="".join(e.text or "" for e in texts), ink=ink, over=over)
    return boxes


def by_name(svg: str) -> dict[str, Drawn]:
    return {box.name: box for box in drawn(svg)}


def outlines(svg: str) -> list[ET.Element]:
    group = next(e for e in ET.fromstring(svg).iter() if e.attrib.get("class") == "outline" and local(e) == "g")
    return list(group)


def is_red(fill: str) -> bool:
    return int(fill[1:3], 16) > int(fill[5:7], 16) + 20


def test_differential_picture(golden: Golden, regressed: Judgement) -> None:
    golden("parse.diff.svg", differential_svg(regressed))


def test_hostile_picture(golden: Golden, hostile: Judgement) -> None:
    golden("hostile.diff.svg", differential_svg(hostile))


def test_picture_of_one_side(golden: Golden, regressed: Judgement) -> None:
    assert regressed.head is not None
    golden("parse.head.svg", profile_svg(recording_profile(regressed.head), regressed.test_id, subtitle="head"))


def test_only_what_survives_sanitising_viewers(regressed: Judgement, hostile: Judgement) -> None:
    assert regressed.base is not None
    for svg in (
        differential_svg(regressed),
        differential_svg(hostile),
        profile_svg(recording_profile(regressed.base), "t"),
    ):
        for element in ET.fromstring(svg).iter():
            assert local(element) in ELEMENTS
            assert set(element.attrib) <= ATTRIBUTES
            assert "//" not in "".join(element.attrib.values())


def test_every_text_is_readable_on_what_lies_below_it(regressed: Judgement, hostile: Judgement) -> None:
    checked = 0
    for judgement in (regressed, hostile):
        for palette in (colour.LIGHT, colour.DARK):
            svg = static_svg(differential_picture(judgement), palette=palette)
            ink = ET.fromstring(svg).attrib["fill"]
            for box in drawn(svg):
                if box.text:
                    assert not any("fill" in e.attrib for e in box.over if local(e) == "text")
                    assert colour.contrast(parse(ink), parse(box.fill)) >= colour.MIN_CONTRAST
                    checked += 1
    assert checked > 40


def parse(hexadecimal: str) -> Colour:
    size = len(hexadecimal) // 3
    channels = (hexadecimal[1 + i * size : 1 + (i + 1) * size] * (3 - size) for i in range(3))
    return Colour(*(int(channel, 16) for channel in channels))


GREY = str(colour.LIGHT.grey)


def test_grey_unless_significant(regressed: Judgement) -> None:
    assert regressed.comparison is not None
    boxes = drawn(differential_svg(regressed))
    real = {delta.frame.name for delta in regressed.comparison.frames if delta.significant}
    assert len(boxes) > 50
    for box in boxes:
        assert (box.fill == GREY) == (box.name not in real), box.name


def test_red_grew_blue_shrank_with_a_sign_beside_the_colour(regressed: Judgement) -> None:
    boxes = by_name(differential_svg(regressed))
    assert is_red(boxes["orders.parse:parse_order"].fill)
    assert boxes["orders.parse:parse_order"].text == "+1.43 ms orders.parse:parse_order"
    assert not is_red(boxes["orders.parse:_legacy_unquote"].fill)
    assert boxes["orders.parse:_legacy_unquote"].text == "GONE"


def test_gone_is_hatched(regressed: Judgement) -> None:
    box = by_name(differential_svg(regressed))["orders.parse:_legacy_unquote"]
    assert any(e.attrib.get("fill") == "url(#gone)" for e in box.over)


def test_marks_say_new_and_moved(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t",
        Verdict.PASS,
        "m:root 1000 1000\n  m:fresh 0 500\n  m:extracted 100 600\n",
        "",
        changes={"m:fresh": (Change.NEW, None), "m:extracted": (Change.MOVED, None)},
    )
    boxes = by_name(differential_svg(judgement))
    assert boxes["m:fresh"].text == "NEW +500.0 µs m:fresh"
    assert boxes["m:extracted"].text == "MOVED +500.0 µs m:extracted"


def test_a_box_has_its_own_change_not_the_functions(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t",
        Verdict.REGRESSED,
        "m:root 100 100\n  m:a 10 10\n    m:f 500 900\n  m:b 10 10\n    m:g 10 10\n      m:f 300 200\n",
        "",
    )
    fills = [box.fill for box in drawn(differential_svg(judgement)) if box.name == "m:f"]
    assert [is_red(fill) for fill in fills] == [True, False]


def test_what_was_not_tested_is_coloured_and_says_so(regressed: Judgement) -> None:
    assert regressed.comparison is not None
    untested = replace(regressed, comparison=replace(regressed.comparison, tested=False, culprits=()))
    svg = differential_svg(untested)
    boxes = by_name(svg)
    assert ">NOT TESTED</text>" in svg
    assert "REGRESSED" not in svg and "significant" not in svg and "interval" not in svg
    assert boxes["orders.auth:verify_token"].fill != GREY
    assert boxes["orders.rules:walk"].fill != GREY


def test_the_culprit_is_outlined_and_named(regressed: Judgement) -> None:
    svg = differential_svg(regressed)
    culprit = by_name(svg)["orders.parse:tokenize"]
    (outline,) = outlines(svg)
    assert float(outline.attrib["x"]) == culprit.x
    assert culprit.text == "◆ +1.62 ms orders.parse:tokenize"
    assert (
        "◆ orders.parse:tokenize (changed in this diff) · +1.62 ms, 111 % of the change · "
        "62 % slower under every caller · orders/parse.py:28" in svg
    )


def test_a_culprit_too_narrow_for_its_name_is_pointed_at(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t", Verdict.REGRESSED, "m:root 100000 100000\n  m:thin 1 900\n", "", culprits={"m:thin": 899}, noise=0.001
    )
    assert any(local(e) == "polygon" for e in outlines(differential_svg(judgement)))


def test_long_names_show_their_tail(make_judgement: Judge) -> None:
    name = "a.package.of.some.depth:Parser.tokenize_everything"
    judgement = make_judgement("t", Verdict.PASS, f"m:root 9000 9000\n  {name} 1900 1900\n", "")
    shown = by_name(differential_svg(judgement))[name].text
    assert shown == "…tokenize_everything"


def test_header_cuts_long_ids_and_keeps_them_whole_in_the_tooltip(regressed: Judgement) -> None:
    long = "tests/" + "very_" * 60 + "deep.py::test_the_end"
    svg = differential_svg(replace(regressed, test_id=long))
    assert re.search(r"<title>tests/very_\S+</title><text[^>]*>…\S*::test_the_end</text>", svg)


def test_pruning_is_said_in_the_picture() -> None:
    costs: dict[Stack, int] = {(Frame("m", "root"), Frame("m", f"f{i}")): 1000 + i for i in range(2000)}
    svg = profile_svg(Profile.of(CPU, costs), "t")
    assert svg.count("<title>m:") == 1500
    assert "1,500 of 2,001 boxes drawn; the 501 smallest, left out, make up 15.7 % of the width" in svg


def test_nothing_sampled_is_said_in_the_picture() -> None:
    assert "no samples: nothing to draw" in profile_svg(Profile.of(CPU, {}), "t")


def test_saturation_and_level_are_stated(regressed: Judgement) -> None:
    svg = differential_svg(regressed)
    assert "+30 % of the test's base cost" in svg
    assert "98 % interval" in svg
    assert "no significant change" in svg


def test_tooltip_has_both_sides_change_and_interval(regressed: Judgement) -> None:
    tooltip = by_name(differential_svg(regressed))["orders.parse:tokenize"].tooltip
    assert "2.62 → 4.23 ms, +1.62 ms (+16.2 % of the test)" in tooltip
    assert "self 1.31 → 2.93 ms" in tooltip
    assert "function: +1.62 ms [+1.57, +1.67] ms, 62 % slower under every caller" in tooltip
    assert "p < 0.001" in tooltip


def test_a_picture_inside_a_page_has_ids_of_its_own(regressed: Judgement) -> None:
    svg = differential_svg(regressed, header=False, prefix="t7-")
    assert 'id="t7-gone"' in svg
    assert "url(#gone)" not in svg
    assert "REGRESSED" not in re.sub(
        r"<title>.*?</title>|<desc.*?</desc>|aria-label=\"[^\"]*\"", "", svg, flags=re.DOTALL
    )


def test_the_width_may_be_that_of_one_side(regressed: Judgement) -> None:
    svg = differential_svg(regressed, width=Width.BASE)
    assert "width: CPU time per iteration in base; the full width is 10.01 ms" in svg
    assert "orders.parse:unquote_fast" not in by_name(svg)


def test_one_side_alone_is_no_difference(regressed: Judgement) -> None:
    with pytest.raises(ValueError, match="test_parse: a differential picture needs both sides"):
        differential_svg(replace(regressed, base=None))


names = st.text(st.characters(exclude_categories=()), min_size=1, max_size=30)


@given(names, names, names)
def test_any_name_gives_well_formed_xml(regressed: Judgement, test_id: str, module: str, qualname: str) -> None:
    comparison, base = regressed.comparison, regressed.base
    assert comparison is not None and base is not None
    stranger = Frame(module, qualname)

    def rename(frame: Frame) -> Frame:
        return stranger if frame.name == "orders.parse:tokenize" else frame

    process = base.processes[0]
    stacks = {tuple(map(rename, stack)): sample for stack, sample in process.stacks.items()}
    renamed = replace(base, processes=(replace(process, stacks=stacks),))
    culprits: tuple[FrameDelta, ...] = tuple(replace(d, frame=stranger, caller=stranger) for d in comparison.culprits)
    judgement = replace(
        regressed, test_id=test_id, base=renamed, comparison=replace(comparison, frames=culprits, culprits=culprits)
    )
    ET.fromstring(differential_svg(judgement).encode())
    ET.fromstring(profile_svg(recording_profile(renamed), test_id).encode())


def test_boxes_are_as_wide_as_they_cost(regressed: Judgement) -> None:
    """Compared with the profiles themselves, summed without the tree."""
    assert regressed.base is not None and regressed.head is not None
    base, head = (recording_profile(side).costs for side in (regressed.base, regressed.head))
    widest = {stack: max(base.get(stack, 0), head.get(stack, 0)) for stack in base.keys() | head.keys()}
    whole = sum(widest.values())
    expected: Counter[Stack] = Counter()
    for stack, cost in widest.items():
        for depth in range(len(stack)):
            expected[stack[: depth + 1]] += cost
    widths = sorted((stack[-1].name, cost / whole * 976) for stack, cost in expected.items() if cost / whole * 976 > 3)
    shown = sorted((box.name, box.width) for box in drawn(differential_svg(regressed)) if box.width > 2.4)
    assert [name for name, _ in shown] == [name for name, _ in widths]
    for (_, width), (_, there) in zip(widths, shown, strict=True):
        assert there == pytest.approx(width - 0.6, abs=0.11)


@pytest.mark.parametrize("case", CASES["labels"], ids=lambda case: f"{case['mark']} {case['qualname']}")
def test_labels_as_the_scripts_write_them(case: Mapping[str, Any]) -> None:
    shown = [[room, label(frame_of(case), face_of(case), room)] for room, _ in case["fits"]]
    assert shown == case["fits"]
