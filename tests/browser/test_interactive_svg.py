"""The interactive SVG, opened alone: it draws what the static picture shows, and responds to its readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import Visit, expect

from pytest_flame.fold import recording_profile
from pytest_flame.model import SAMPLES, Frame, Judgement, Profile, Verdict
from pytest_flame.render.interactive_svg import interactive_svg
from pytest_flame.render.layout import Width
from pytest_flame.render.picture import Picture, differential_picture, profile_picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Judge = Callable[..., Judgement]

DRAWN = """() => [...document.querySelectorAll("#graph > g:first-child > rect")].map(rect => ({
    x: +rect.getAttribute("x"), y: +rect.getAttribute("y"), width: +rect.getAttribute("width"),
    fill: getComputedStyle(rect).fill, node: rect.node,
}))"""
TEXTS = """() => [...document.querySelectorAll("#graph text")].map(text => text.textContent)"""
STATIC = """() => [...document.querySelectorAll("#graph title")].map(title => title.parentNode).map(rect => ({
    x: +rect.getAttribute("x"), width: +rect.getAttribute("width"), fill: getComputedStyle(rect).fill,
    y: rect.getBoundingClientRect().top, title: rect.querySelector("title").textContent,
}))"""


@pytest.fixture
def picture(regressed: Judgement) -> Picture:
    return differential_picture(regressed)


@pytest.fixture
def file(picture: Picture, tmp_path: Path) -> Path:
    return written(picture, tmp_path)


def written(picture: Picture, folder: Path) -> Path:
    file = folder / "picture.svg"
    file.write_text(interactive_svg(picture), encoding="utf-8")
    return file


def boxes(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(DRAWN)
    return found


def box(page: Page, picture: Picture, name: str) -> dict[str, Any]:
    wanted = {i for i, frame in enumerate(picture.tree.frame.tolist()) if picture.tree.frames[frame].name == name}
    return next(box for box in boxes(page) if box["node"] in wanted)


def at(page: Page, picture: Picture, name: str) -> Locator:
    index = next(i for i, drawn in enumerate(boxes(page)) if drawn == box(page, picture, name))
    return page.locator("#graph > g:first-child > rect").nth(index)


def tip(page: Page) -> Locator:
    return page.get_by_role("tooltip")


def test_script_and_static_picture_draw_the_same(visit: Visit, file: Path) -> None:
    """Every box: same place, same colour, same text."""
    static = visit(file, width=1000, scripts=False)
    live = visit(file, width=1000)
    expected = static.evaluate(STATIC)
    drawn = boxes(live)
    assert len(drawn) == len(expected) > 50
    bottom = max(one["y"] for one in expected)
    rows = {(round((bottom - one["y"]) / 20), one["x"]): one for one in expected}
    live_bottom = max(one["y"] for one in drawn)
    for one in drawn:
        twin = rows[round((live_bottom - one["y"]) / 20), one["x"]]
        assert one["width"] == pytest.approx(twin["width"], abs=0.11)
        assert one["fill"] == twin["fill"]
    assert sorted(static.evaluate(TEXTS)) == sorted(live.evaluate(TEXTS))


def test_tooltips_say_what_the_static_picture_says(visit: Visit, picture: Picture, file: Path) -> None:
    static = {one["title"].split("\n")[0]: one["title"] for one in visit(file, scripts=False).evaluate(STATIC)}
    page = visit(file)
    for name in ("tests.test_orders:test_parse", "orders.parse:tokenize", "orders.store:Session.save"):
        at(page, picture, name).hover()
        lines = tip(page).locator("*").all_inner_texts()
        assert "\n".join(lines) == static[name]


def test_click_zooms_and_reset_shows_everything(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    before = box(page, picture, "orders.store:Session.save")
    at(page, picture, "orders.store:Session.save").click()
    after = box(page, picture, "orders.store:Session.save")
    assert before["width"] < 400 < 1200 < after["width"]
    names = {picture.tree.frames[picture.tree.frame[one["node"]]].name for one in boxes(page)}
    assert "orders.parse:tokenize" not in names
    assert "orders.api:handle_batch" in names  # its callers stay
    page.get_by_role("button", name="Reset zoom").click()
    assert box(page, picture, "orders.store:Session.save") == before


def test_zoom_is_in_the_address_and_back_undoes_it(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    whole = boxes(page)
    at(page, picture, "orders.parse:parse_order").click()
    zoomed = boxes(page)
    assert "zoom=orders.parse%3Aparse_order" in page.url
    page.go_back()
    page.wait_for_function("!location.hash.includes('zoom')")
    assert boxes(page) == whole
    page.go_forward()
    page.wait_for_function("location.hash.includes('zoom')")
    assert boxes(page) == zoomed
    again = visit(file, page.url.partition("#")[1] + page.url.partition("#")[2])
    assert boxes(again) == zoomed


@pytest.mark.parametrize("fragment", ["#zoom=no:such", "#view=nothing&search=%5B", "#%", "#x=y&zoom="])
def test_a_foreign_address_does_no_harm(visit: Visit, file: Path, fragment: str) -> None:
    assert len(boxes(visit(file, fragment))) > 50


def test_search_by_expression_says_what_it_holds(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    search = page.get_by_role("searchbox")
    search.fill(r"tokenize|Tokenizer\.")
    matched = {one["node"] for one in boxes(page) if one["fill"] == "rgb(214, 120, 232)"}
    names = {picture.tree.frames[picture.tree.frame[node]].qualname for node in matched}
    assert names == {
        "tokenize", "Tokenizer.__init__", "Tokenizer.next", "Tokenizer._skip_white_space", "Tokenizer.<listcomp>"
    }  # fmt: skip
    base = (35 + 1310 + 420 + 610 + 180 + 95) / 10009
    head = (36 + 2930 + 423 + 604 + 182 + 94) / 11473
    said = page.get_by_role("status")
    expect(said).to_contain_text("5 functions")
    shares = [float(word) for word in said.inner_text().split() if word.replace(".", "").isdigit()][:2]
    assert shares == [pytest.approx(base * 100, abs=0.3), pytest.approx(head * 100, abs=0.3)]


def test_search_is_smart_about_case_and_honest_about_nonsense(visit: Visit, file: Path) -> None:
    page = visit(file)
    search, said = page.get_by_role("searchbox"), page.get_by_role("status")
    search.fill("SESSION")
    expect(said).to_contain_text("0 functions")
    search.fill("session")
    expect(said).to_contain_text("3 functions")
    search.fill("(")
    expect(said).to_have_text("not a regular expression")
    expect(search).to_have_attribute("aria-invalid", "true")


def test_next_and_previous_go_round_the_matches(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.keyboard.press("/")
    page.keyboard.type("Session")
    page.keyboard.press("Enter")
    seen = []
    for _ in range(4):
        seen.append(tip(page).locator("b").inner_text())
        page.keyboard.press("n")
    assert seen == [
        "orders.store:Session.save", "orders.store:Session._flush", "orders.store:Session._row",
        "orders.store:Session.save",
    ]  # fmt: skip
    page.keyboard.press("N")
    expect(tip(page).locator("b")).to_have_text("orders.store:Session.save")


def test_boxes_as_wide_as_before_and_after(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    gone, new = "orders.parse:_legacy_unquote", "orders.parse:unquote_fast"

    def names() -> set[str]:
        return {picture.tree.frames[picture.tree.frame[one["node"]]].name for one in boxes(page)}

    assert {gone, new} <= names()
    page.get_by_role("button", name="Before").click()
    assert gone in names() and new not in names()
    width = box(page, picture, "orders.parse:tokenize")["width"]
    assert width / (1280 - 24) == pytest.approx(2615 / 10009, rel=0.02)
    page.get_by_role("button", name="After").click()
    assert new in names() and gone not in names()
    expect(page.get_by_role("button", name="After")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("text.caption").first).to_contain_text("in head; the full width is 11.47 ms")


def test_a_picture_of_the_base_opens_as_one(visit: Visit, regressed: Judgement, tmp_path: Path) -> None:
    page = visit(written(differential_picture(regressed, width=Width.BASE), tmp_path))
    expect(page.get_by_role("button", name="Before")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("text.caption").first).to_contain_text("in base; the full width is 10.01 ms")
    before = len(boxes(page))
    page.get_by_role("button", name="Both").click()
    assert len(boxes(page)) > before
    assert "view=max" in page.url


def test_the_root_goes_to_the_top(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    root, leaf = "tests.test_orders:test_parse", "orders.parse:tokenize"
    assert box(page, picture, root)["y"] > box(page, picture, leaf)["y"]
    page.get_by_role("button", name="Icicle").click()
    assert box(page, picture, root)["y"] < box(page, picture, leaf)["y"]


def test_everything_by_keyboard(visit: Visit, picture: Picture, file: Path) -> None:
    page = visit(file)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "graph":
            break
    focused = tip(page).locator("b")
    expect(focused).to_have_text("tests.test_orders:test_parse")
    page.keyboard.press("ArrowUp")
    expect(focused).to_have_text("orders.api:handle_batch")
    page.keyboard.press("ArrowUp")
    expect(focused).to_have_text("orders.parse:parse_order")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_text("orders.rules:apply_discounts")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("status")).to_contain_text("orders.parse:parse_order, 4.25 → 5.68 ms")
    page.keyboard.press("Enter")
    assert box(page, picture, "orders.parse:parse_order")["width"] > 1200
    page.keyboard.press("Escape")
    assert box(page, picture, "orders.parse:parse_order")["width"] < 1000


def test_the_culprit_is_one_click_away(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.get_by_role("button", name="Culprit").click()
    expect(tip(page).locator("b")).to_have_text("orders.parse:tokenize")
    expect(tip(page)).to_contain_text("[+1.57, +1.67] ms, 62 % slower under every caller")


def test_dark_mode_has_its_own_colours(visit: Visit, picture: Picture, file: Path) -> None:
    light, dark = visit(file), visit(file, dark=True)
    paper = "getComputedStyle(document.getElementById('paper')).fill"
    assert light.evaluate(paper) == "rgb(255, 255, 255)"
    assert dark.evaluate(paper) == "rgb(20, 22, 26)"
    name = "orders.auth:verify_token"
    assert box(light, picture, name)["fill"] != box(dark, picture, name)["fill"]
    assert dark.locator("g.dark").is_visible() and not dark.locator("g.light").is_visible()
    assert light.locator("g.light").is_visible() and not light.locator("g.dark").is_visible()


def test_it_fills_the_window(visit: Visit, file: Path) -> None:
    page = visit(file, width=1600)
    assert max(one["width"] for one in boxes(page)) > 1570
    page.set_viewport_size({"width": 1200, "height": 800})
    page.wait_for_function("document.documentElement.getAttribute('width') === '1200'")
    assert 1170 < max(one["width"] for one in boxes(page)) < 1200


def test_labels_fit_into_their_boxes(visit: Visit, file: Path) -> None:
    page = visit(file)
    over = page.evaluate(
        """() => {
            const rects = [...document.querySelectorAll("#graph > g:first-child > rect")]
                .map(rect => rect.getBoundingClientRect());
            return [...document.querySelectorAll("#graph > g:nth-child(2) > text")].map(text => {
                const words = text.getBoundingClientRect();
                const box = rects.find(r => r.left <= words.left && words.left < r.right && r.top <= words.top + 9 &&
                    words.top + 9 < r.bottom);
                return [text.textContent, words.right - box.right];
            });
        }"""
    )
    assert len(over) > 15
    assert [text for text, beyond in over if beyond > 0.5] == []


def test_hostile_names_stay_text(visit: Visit, hostile: Judgement, tmp_path: Path) -> None:
    picture = differential_picture(hostile)
    page = visit(written(picture, tmp_path))
    at(page, picture, "tests.test_x:test_<script>alert('x')</script>").hover()
    expect(tip(page).locator("b")).to_have_text("tests.test_x:test_<script>alert('x')</script>")
    at(page, picture, "%s:{{ 7*7 }}${x}").click()
    page.get_by_role("searchbox").fill("<script>")
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert "owned" not in page.title() or "document.title" in page.title()


def test_a_profile_of_samples_alone(visit: Visit, regressed: Judgement, tmp_path: Path) -> None:
    root = Frame("", "main")
    costs = {(root,): 5_000, (root, Frame("", "a;b")): 1_234_000, (root, Frame("kernel", "sys_read")): 70_000}
    picture = profile_picture(Profile.of(SAMPLES, costs), "perf.folded", of="the profile")
    page = visit(written(picture, tmp_path))
    expect(page.get_by_role("button", name="Before")).to_have_count(0)
    at(page, picture, "a;b").hover()
    expect(tip(page)).to_contain_text("1,234 samples, 94.3 % of the profile, self 1,234 samples")
    assert regressed.head is not None
    one_side = profile_picture(recording_profile(regressed.head), "t")
    assert len(boxes(visit(written(one_side, tmp_path)))) > 50


def test_deep_recursion_is_folded(visit: Visit, make_judgement: Judge, tmp_path: Path) -> None:
    levels = "m:root 10 10\n" + "".join(f"{'  ' * i}m:walk 5 {5 + (i == 900) * 4000}\n" for i in range(1, 1000))
    judgement = make_judgement("t", Verdict.REGRESSED, levels, "", culprits={"m:walk": 4000})
    page = visit(written(differential_picture(judgement), tmp_path))
    assert "◆ +4.00 ms m:walk ×899" in page.evaluate(TEXTS)
    assert len(boxes(page)) < 10


def test_a_thousand_boxes_are_drawn_at_once(visit: Visit, make_judgement: Judge, tmp_path: Path) -> None:
    text = "m:root 10 10\n" + "".join(
        f"  m:group{i} 5 5\n" + "".join(f"    m:f{i}_{j} 20 25\n" for j in range(40)) for i in range(30)
    )
    picture = differential_picture(make_judgement("t", Verdict.PASS, text, "", noise=0.0001))
    page = visit(written(picture, tmp_path))
    took = page.evaluate(
        """() => {
            const start = performance.now();
            dispatchEvent(new Event("resize"));
            return performance.now() - start;
        }"""
    )
    assert len(boxes(page)) > 1000
    assert took < 1000
