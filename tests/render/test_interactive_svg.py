from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flame.fold import recording_profile
from pytest_flame.model import CPU, SAMPLES, Frame, Judgement, Profile, Verdict
from pytest_flame.render.interactive_svg import interactive_svg
from pytest_flame.render.picture import Picture, differential_picture, profile_picture

Judge = Callable[..., Judgement]
NS = "{http://www.w3.org/2000/svg}"


def scripts(svg: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(f"{NS}script"))


def data(svg: str) -> dict[str, Any]:
    found = next(e for e in scripts(svg) if e.attrib.get("id") == "data")
    decoded: dict[str, Any] = json.loads(found.text or "")
    return decoded


def test_without_script_it_is_the_static_picture(regressed: Judgement) -> None:
    root = ET.fromstring(interactive_svg(differential_picture(regressed)))
    assert root.attrib["role"] == "img"
    boxes = [e for e in root.iter(f"{NS}rect") if len(e)]
    assert len(boxes) > 50
    assert all(box[0].text for box in boxes)


def test_nothing_is_fetched(regressed: Judgement) -> None:
    svg = interactive_svg(differential_picture(regressed))
    addresses = set(re.findall(r"https?://[^\s\"'<>`]+", svg))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert not re.search(r"\b(href|src|@import|fetch|XMLHttpRequest|import\()", svg)


def test_it_knows_all_boxes_and_their_sums(regressed: Judgement) -> None:
    picture = differential_picture(regressed)
    tree, known = picture.tree, data(interactive_svg(picture))
    assert known["base"] == tree.base.tolist()
    assert known["head"] == tree.head.tolist()
    assert known["baseSelf"] == tree.base_self.tolist()
    assert known["headSelf"] == tree.head_self.tolist()
    assert known["widest"] == tree.widest.tolist()
    assert [known["names"][i] for i in known["frame"]] == [tree.frames[i].name for i in tree.frame.tolist()]
    assert known["depth"] == tree.depth.tolist()
    assert known["step"] == 1


def test_costs_beyond_what_scripts_can_count_keep_what_is_there() -> None:
    root, big, small = (Frame("m", name) for name in ("root", "big", "small"))
    picture = profile_picture(Profile.of(CPU, {(root, big): 2**60, (root, small): 2**50}), "t")
    known = data(interactive_svg(picture))
    assert known["step"] == 129
    assert known["head"] == [-(-cost // 129) for cost in (2**60 + 2**50, 2**60, 2**50)]
    assert known["headSelf"][0] == 0


def test_the_culprits_and_what_is_known_of_them(regressed: Judgement) -> None:
    known = data(interactive_svg(differential_picture(regressed)))
    culprits = [known["names"][int(i)] for i, facts in known["known"].items() if facts.get("culprit")]
    assert culprits == ["orders.parse:tokenize"]
    facts = known["known"][str(known["names"].index("orders.parse:tokenize"))]
    assert facts["real"] == 1
    assert "[+1.57, +1.67] ms, 62 % slower under every caller" in facts["facts"][0]


def test_samples_stay_samples() -> None:
    root = Frame("", "main")
    profile = Profile.of(SAMPLES, {(root,): 5000, (root, Frame("", "f;g")): 7000})
    svg = interactive_svg(profile_picture(profile, "perf", of="the profile"))
    assert "12 samples, 100 % of the profile, self 5 samples" in svg
    assert data(svg)["amount"] == {"axis": "samples", "noun": "sample", "per": 1000}
    assert not re.search(r"\d (s|ms|µs|ns|ps)\b", svg.partition("<script><![CDATA[")[0])


def test_the_script_ends_only_where_it_ends(regressed: Judgement) -> None:
    svg = interactive_svg(differential_picture(regressed))
    assert svg.count("]]>") == 1
    assert len(scripts(svg)) == 2


HOSTILE = [
    "</script><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<!--",
    "\x00\x1b[31m",
    "\ud800",
    "\u202e\u2028",
    "&lt;&#60;",
    "__proto__",
    "constructor",
]


def renamed(judgement: Judgement, name: str) -> Picture:
    comparison, base = judgement.comparison, judgement.base
    assert comparison is not None and base is not None
    stranger = Frame(name, name)

    def rename(frame: Frame) -> Frame:
        return stranger if frame.name == "orders.parse:tokenize" else frame

    process = base.processes[0]
    stacks = {tuple(map(rename, stack)): sample for stack, sample in process.stacks.items()}
    culprits = tuple(replace(d, frame=stranger, caller=stranger) for d in comparison.culprits)
    return differential_picture(
        replace(
            judgement,
            test_id=name,
            base=replace(base, processes=(replace(process, stacks=stacks),)),
            comparison=replace(comparison, frames=culprits, culprits=culprits),
        )
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markup_or_script(regressed: Judgement, name: str) -> None:
    assert_inert(interactive_svg(renamed(regressed, name)), interactive_svg(differential_picture(regressed)))


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=30))
def test_any_name_gives_well_formed_xml_with_the_same_elements(regressed: Judgement, name: str) -> None:
    assert_inert(interactive_svg(renamed(regressed, name)), interactive_svg(renamed(regressed, "honest")))


def assert_inert(svg: str, honest: str) -> None:
    """Whatever the names are: the same script, and no element or attribute that a harmless picture does not have."""
    ours, theirs = ET.fromstring(honest.encode()), ET.fromstring(svg.encode())
    assert {e.tag for e in theirs.iter()} == {e.tag for e in ours.iter()}
    attributes = {name for e in ours.iter() for name in e.attrib}
    assert {name for e in theirs.iter() for name in e.attrib} <= attributes
    assert [e.text for e in theirs.iter(f"{NS}script") if not e.attrib] == [
        e.text for e in ours.iter(f"{NS}script") if not e.attrib
    ]
    data(svg)


def test_one_side_has_tones_and_no_difference(regressed: Judgement) -> None:
    assert regressed.head is not None
    known = data(interactive_svg(profile_picture(recording_profile(regressed.head), "t")))
    assert not known["differential"]
    assert "base" not in known
    assert len(known["tone"]) == len(known["names"])
    assert set(known["tone"]) <= set(range(8))


def test_nothing_sampled_draws_nothing(make_judgement: Judge) -> None:
    assert "no samples: nothing to draw" in interactive_svg(profile_picture(Profile.of(CPU, {}), "t"))
    costless = make_judgement("t", Verdict.PASS, "m:root 5 0\n", "")
    assert data(interactive_svg(differential_picture(costless)))["head"] == [0]
