from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.fold import recording_profile
from pytest_flame.model import Change, Frame, FrameDelta, Judgement, Profile, Verdict
from pytest_flame.render import colour
from pytest_flame.render.colour import Colour
from pytest_flame.render.svg import differential_svg, profile_svg

Golden = Callable[[str, str], None]
Judge = Callable[..., Judgement]

ELEMENTS = {"svg", "title", "defs", "pattern", "g", "rect", "text", "polygon"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "role", "aria-label", "font-family", "font-size", "font-weight", "fill", "id"),
    *("patternUnits", "patternTransform", "fill-opacity", "x", "y", "rx", "class", "stroke", "stroke-width"),
    *("transform", "points"),
}


def local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def groups(svg: str) -> dict[str, ET.Element]:
    """Boxes by the frame name that heads their tooltip."""
    found = {}
    for group in ET.fromstring(svg).iter():
        if local(group) == "g" and len(group) and local(group[0]) == "title":
            found[(group[0].text or "").split("\n")[0]] = group
    return found


def text_of(group: ET.Element) -> str:
    return " ".join(element.text or "" for element in group if local(element) == "text")


def fill_of(group: ET.Element) -> str:
    return next(element for element in group if local(element) == "rect").attrib["fill"]


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
    for svg in (differential_svg(regressed), differential_svg(hostile)):
        for group in groups(svg).values():
            texts = [element for element in group if local(element) == "text"]
            rects = [element for element in group if local(element) == "rect"]
            for text in texts:
                ground = rects[0].attrib["fill"] if rects and text.attrib.get("class") != "ink" else str(colour.PAPER)
                ink = text.attrib.get("fill", str(colour.INK))
                assert colour.contrast(parse(ink), parse(ground)) >= colour.MIN_CONTRAST
                checked += 1
    assert checked > 20


def parse(hexadecimal: str) -> Colour:
    return Colour(*(int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)))


def test_grey_unless_significant(regressed: Judgement) -> None:
    assert regressed.comparison is not None
    boxes = groups(differential_svg(regressed))
    real = {delta.frame.name for delta in regressed.comparison.frames if delta.significant}
    for name, group in boxes.items():
        if ":" in name and not name.startswith("tests/") and "," not in name:
            assert (fill_of(group) == str(colour.GREY)) == (name not in real), name


def test_red_grew_blue_shrank_with_a_sign_beside_the_colour(regressed: Judgement) -> None:
    boxes = groups(differential_svg(regressed))
    assert is_red(fill_of(boxes["orders.parse:parse_order"]))
    assert text_of(boxes["orders.parse:parse_order"]).startswith("+ ")
    assert not is_red(fill_of(boxes["orders.parse:_legacy_unquote"]))
    assert text_of(boxes["orders.parse:_legacy_unquote"]) == "GONE"


def test_gone_is_hatched(regressed: Judgement) -> None:
    fills = [
        e.attrib["fill"]
        for e in groups(differential_svg(regressed))["orders.parse:_legacy_unquote"]
        if len(e.attrib) > 3
    ]
    assert "url(#gone)" in fills


def test_marks_say_new_and_moved(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t",
        Verdict.PASS,
        "m:root 1000 1000\n  m:fresh 0 500\n  m:extracted 100 600\n",
        "",
        changes={"m:fresh": (Change.NEW, None), "m:extracted": (Change.MOVED, None)},
    )
    boxes = groups(differential_svg(judgement))
    assert text_of(boxes["m:fresh"]) == "NEW m:fresh"
    assert text_of(boxes["m:extracted"]) == "MOVED m:extracted"


def test_a_box_has_its_own_change_not_the_functions(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t",
        Verdict.REGRESSED,
        "m:root 100 100\n  m:a 10 10\n    m:f 500 900\n  m:b 10 10\n    m:g 10 10\n      m:f 300 200\n",
        "",
    )
    fills = [
        fill_of(g)
        for g in ET.fromstring(differential_svg(judgement)).iter()
        if local(g) == "g" and len(g) and (g[0].text or "").startswith("m:f\n")
    ]
    assert [is_red(fill) for fill in fills] == [True, False]


def test_the_culprit_is_outlined_and_named(regressed: Judgement) -> None:
    svg = differential_svg(regressed)
    culprit = groups(svg)["orders.parse:tokenize"]
    outline = next(e for e in culprit if "stroke-width" in e.attrib)
    assert float(outline.attrib["stroke-width"]) > 2
    assert text_of(culprit).startswith("◆ + ")
    assert (
        "◆ orders.parse:tokenize · +1.62 ms, 111 % of the change · 62 % slower under every caller · orders/parse.py:28"
        in svg
    )


def test_a_culprit_too_narrow_for_its_name_is_pointed_at(make_judgement: Judge) -> None:
    judgement = make_judgement(
        "t", Verdict.REGRESSED, "m:root 100000 100000\n  m:thin 1 900\n", "", culprits={"m:thin": 899}, noise=0.001
    )
    assert any(local(e) == "polygon" for e in groups(differential_svg(judgement))["m:thin"])


def test_long_names_show_their_tail(make_judgement: Judge) -> None:
    name = "a.package.of.some.depth:Parser.tokenize_everything"
    judgement = make_judgement("t", Verdict.PASS, f"m:root 9000 9000\n  {name} 1900 1900\n", "")
    shown = text_of(groups(differential_svg(judgement))[name])
    assert shown == "…tokenize_everything"


def test_header_cuts_long_ids_and_keeps_them_whole_in_the_tooltip(regressed: Judgement) -> None:
    long = "tests/" + "very_" * 60 + "deep.py::test_the_end"
    svg = differential_svg(replace(regressed, test_id=long))
    assert re.search(r"<title>tests/very_\S+</title><text[^>]*>…\S*::test_the_end</text>", svg)


def test_pruning_is_said_in_the_picture() -> None:
    costs = {(Frame("m", "root"), Frame("m", f"f{i}")): 1000 + i for i in range(2000)}
    svg = profile_svg(Profile(costs), "t")
    assert svg.count("<title>m:") == 1500
    assert "1,500 of 2,001 boxes drawn; the 501 smallest, left out, hold 15.7 % of the width" in svg


def test_nothing_sampled_is_said_in_the_picture() -> None:
    assert "no samples: nothing to draw" in profile_svg(Profile({}), "t")


def test_saturation_and_level_are_stated(regressed: Judgement) -> None:
    svg = differential_svg(regressed)
    assert "+30 % of the test's base cost" in svg
    assert "98 % interval" in svg
    assert "no significant change" in svg


def test_tooltip_has_both_sides_change_and_interval(regressed: Judgement) -> None:
    tooltip = groups(differential_svg(regressed))["orders.parse:tokenize"][0].text or ""
    assert "here: 2.62 ms → 4.23 ms, +1.62 ms (+16.2 % of the test)" in tooltip
    assert "self here: 1.31 ms → 2.93 ms" in tooltip
    assert "function: +1.62 ms [+1.57, +1.67] ms, 62 % slower under every caller" in tooltip
    assert "p < 0.001" in tooltip


def test_a_picture_inside_a_page_has_ids_of_its_own(regressed: Judgement) -> None:
    svg = differential_svg(regressed, header=False, prefix="t7-")
    assert 'id="t7-gone"' in svg
    assert "url(#gone)" not in svg
    assert "REGRESSED" not in re.sub(r"<title>.*?</title>|aria-label=\"[^\"]*\"", "", svg, flags=re.DOTALL)


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
