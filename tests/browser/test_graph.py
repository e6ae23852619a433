"""The canvas graph: what is drawn where, and everything a reader can do with the mouse."""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from chromium import Visit, expect
from drawn import SHAPES, VIEWS, Graph

from pytest_flame.model import Judgement
from pytest_flame.render.layout import Width, lay_out
from pytest_flame.render.picture import culprit_nodes, differential_picture, face
from pytest_flame.render.svg import label

TOKENIZE = "orders.parse:tokenize"


@pytest.fixture
def graph(visit: Visit, report: Path, regressed: Judgement) -> Graph:
    return Graph.of(visit(report), regressed)


def test_every_box_is_where_the_tree_says(graph: Graph, subtests: pytest.Subtests) -> None:
    for view, shape in product(VIEWS, SHAPES):
        with subtests.test(view=view, shape=shape):
            graph.look(view, shape)
            wide = {node: box for node, box in enumerate(graph.boxes()) if box.width >= 1}
            assert len(wide) > 40
            assert graph.names([box.middle for box in wide.values()]) == [graph.name(node) for node in wide]
            graph.hover(graph.node("re:Pattern.match"))
            expect(graph.tooltip.locator("b")).to_have_text("re:Pattern.match")


WRITTEN = """canvas => {
    globalThis.written = [];
    const type = CanvasRenderingContext2D.prototype, write = type.fillText;
    type.fillText = function (text, x, y, ...most) {
        if (this.canvas === canvas) written.push([text, x, y]);
        write.call(this, text, x, y, ...most);
    };
    return canvas.getContext("2d").measureText("0".repeat(50)).width / 50;
}"""


def test_boxes_bear_the_labels_of_the_pictures(graph: Graph, regressed: Judgement) -> None:
    picture = differential_picture(regressed)
    culprits = culprit_nodes(picture)
    drawn = {box.node: face(picture, box, culprit=box.node in culprits) for box in lay_out(picture.tree).boxes}
    graph.look("After")
    column = graph.canvas.evaluate(WRITTEN)
    graph.look("Difference")
    bounds, written = graph.bounds(), graph.page.evaluate("written")
    found = {(round(x), round(y)): text for text, x, y in written}
    assert len(found) == len(written) > 20
    for node, box in enumerate(graph.boxes()):
        x, y = box.x - bounds["x"], box.y - bounds["y"]
        room = ((box.width - 0.6 if box.width > 2 else box.width) - 8) / column
        # Rounding to whole units may make it slightly wider or narrower.
        allowed = {
            label(picture.tree.frames[picture.tree.frame[node]], drawn[node], math.floor(room + hair))
            for hair in (-0.01, 0.01)
        }
        if 0 <= y < bounds["height"]:
            assert found.pop((round(x + 4), round(y + 14)), "") in allowed
    assert not [place for place in found if 0 <= place[1] - 14 < bounds["height"]]


def test_beside_the_boxes_there_is_nothing(graph: Graph) -> None:
    """Self cost is drawn right of the children: there is no frame above it."""
    root, inner = (
        graph.box(graph.node("tests.test_orders:test_parse")),
        graph.box(graph.node("orders.api:handle_batch")),
    )
    graph.hover(graph.node("orders.api:handle_batch"))
    expect(graph.tooltip).to_be_visible()
    graph.page.mouse.move(inner.x + inner.width + (root.width - inner.width) / 2, inner.y + 5)
    expect(graph.tooltip).to_be_hidden()


def test_the_tooltip_says_what_is_known(graph: Graph) -> None:
    graph.hover(graph.node(TOKENIZE))
    shown = graph.tooltip.inner_text()
    assert TOKENIZE in shown
    rows = {
        cells[0]: cells[1:]
        for row in graph.tooltip.locator("tr").all()
        if (cells := row.locator("th,td").all_inner_texts())
    }
    assert rows[""][:3] == ["before", "after", "change"]
    assert [rows["inclusive"][i] for i in range(3)] == ["2.62 ms", "4.23 ms", "+1.62 ms"]
    assert [rows["self"][i] for i in range(3)] == ["1.31 ms", "2.93 ms", "+1.62 ms"]
    assert re.search(r"\[\+1\.\d\d, \+1\.\d\d\] ms", shown), "the interval"
    assert "verdict" in shown
    assert "detectable" in shown


@pytest.mark.parametrize("width", [375, 1280])
def test_the_tooltip_stays_inside_the_window(visit: Visit, report: Path, regressed: Judgement, width: int) -> None:
    graph = Graph.of(visit(report, width=width, height=600), regressed)
    for node, drawn in enumerate(graph.boxes()):
        if node % 5 == 0 and drawn.width >= 1:
            graph.page.mouse.move(*drawn.middle)
            expect(graph.tooltip.locator("b")).to_have_text(graph.name(node))
            box = graph.tooltip.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 600


def test_click_zooms_and_every_way_leads_back(graph: Graph) -> None:
    parse = graph.node("orders.parse:parse_order")
    graph.click(parse)
    zoomed = graph.box(parse)
    assert zoomed.width == pytest.approx(graph.bounds()["width"])
    for inner in (TOKENIZE, "orders.model:Order.from_fields", "orders.api:handle_batch"):
        if inner == "orders.api:handle_batch":
            # Callers of the zoomed frame stay, as wide as the picture.
            graph.page.mouse.move(zoomed.x + 5, graph.box(graph.node(inner)).middle[1])
        else:
            graph.hover(graph.node(inner))
        expect(graph.tooltip.locator("b")).to_have_text(inner)
    path = ["all", "tests.test_orders:test_parse", "orders.api:handle_batch", "orders.parse:parse_order"]
    assert graph.crumbs.all_inner_texts() == path
    expect(graph.crumbs.last).to_have_attribute("aria-current", "true")

    graph.click(graph.node(TOKENIZE))
    expect(graph.crumbs.last).to_have_text(TOKENIZE)
    graph.page.go_back()
    expect(graph.crumbs.last).to_have_text("orders.parse:parse_order")
    graph.page.go_forward()
    expect(graph.crumbs.last).to_have_text(TOKENIZE)
    graph.crumbs.get_by_text("handle_batch").click()
    expect(graph.crumbs.last).to_have_text("orders.api:handle_batch")
    reset = graph.section.get_by_role("button", name="Reset zoom")
    reset.click()
    expect(graph.crumbs).to_have_count(1)
    expect(reset).to_be_disabled()


def test_the_address_names_frame_path_and_view(visit: Visit, report: Path, graph: Graph, regressed: Judgement) -> None:
    graph.look("After", "Icicle")
    graph.click(graph.node("orders.model:注文.検証する"))
    fragment = graph.page.evaluate("location.hash")
    assert "view=after" in fragment
    assert "shape=icicle" in fragment
    assert "orders.model:注文.検証する" in unquote(fragment)
    again = Graph.of(visit(report, fragment), regressed)
    expect(again.crumbs.last).to_have_text("orders.model:注文.検証する")
    expect(again.section.get_by_role("radio", name="After")).to_be_checked()
    expect(again.section.get_by_role("radio", name="Icicle")).to_be_checked()
    again.view, again.shape, again.zoom = graph.view, graph.shape, graph.zoom
    again.hover(graph.zoom)
    expect(again.tooltip.locator("b")).to_have_text("orders.model:注文.検証する")


def test_an_address_of_a_frame_that_is_not_there_says_so(
    visit: Visit, report: Path, graph: Graph, regressed: Judgement
) -> None:
    anchor = graph.section.get_attribute("id")
    wrong = Graph.of(visit(report, f"#{anchor}&at=no%3Asuch;frame&view=sideways"), regressed)
    expect(wrong.section.locator(".notice")).to_contain_text("not in this graph")
    expect(wrong.crumbs).to_have_count(1)


def matched(graph: Graph, pattern: str) -> float:
    """Share of the picture's width in frames whose name matches, where a match inside a match counts once."""
    tree, weight = graph.tree, graph.tree.weight(VIEWS[graph.view])
    found, stop = 0, 0
    for node in range(len(tree)):
        if node >= stop and re.search(pattern, graph.name(node), re.IGNORECASE):
            found += int(weight[node])
            stop = int(tree.end[node])
    return 100 * found / graph.tree.total(VIEWS[graph.view])


PATTERNS = ("orders", "token", "^re:|^decimal:", "sqlite3_(step|prepare)", "no such frame")


def test_search_says_the_matched_share(graph: Graph, subtests: pytest.Subtests) -> None:
    for view, pattern in product(VIEWS, PATTERNS):
        with subtests.test(view=view, pattern=pattern):
            graph.look(view)
            graph.search.fill(pattern)
            share = matched(graph, pattern)
            shown = "100 %" if share == 100 else f"{share:.1f} %"
            expect(graph.section.locator("output")).to_have_text(re.compile(f"^{re.escape(shown)} matched, "))


def test_search_steps_through_the_matches(graph: Graph) -> None:
    graph.search.fill("^decimal:")
    order = [n for n in range(len(graph.tree)) if graph.name(n).startswith("decimal:")]
    assert len(order) == 2
    following = graph.section.get_by_role("button", name="Next match")
    for node in (*order, order[0]):
        following.click()
        expect(graph.described).to_have_text(graph.name(node))
    graph.section.get_by_role("button", name="Previous match").click()
    expect(graph.described).to_have_text(graph.name(order[1]))
    expect(graph.section.locator(".viewer table.frames tbody tr")).to_have_count(2)
    graph.search.fill("")
    expect(following).to_be_disabled()


def test_what_is_no_regular_expression_is_said(graph: Graph) -> None:
    graph.search.fill("parse(")
    expect(graph.section.locator(".notice")).to_contain_text("Not a regular expression")
    expect(graph.search).to_have_attribute("aria-invalid", "true")
    graph.search.fill("parse")
    expect(graph.section.locator(".notice")).not_to_contain_text("Not a regular expression")


def test_search_marks_what_it_finds(graph: Graph) -> None:
    node, other = graph.node("orders.store:Session.save"), graph.node(TOKENIZE)
    before, beside = graph.fill(node), graph.fill(other)
    graph.redrawn(lambda: graph.search.fill("Session.save"))
    assert graph.fill(node) != before
    assert graph.fill(other) != beside, "what does not match is dimmed"


def test_inverted_shows_who_spends_the_time(graph: Graph) -> None:
    graph.redrawn(lambda: graph.section.get_by_role("checkbox", name="Inverted").check())
    own = {
        graph.tree.frames[f].name: int(
            np.maximum(graph.tree.base_self, graph.tree.head_self)[graph.tree.frame == f].sum()
        )
        for f in range(len(graph.tree.frames))
    }
    # The roots, in the order of their names, are as wide as their functions' self cost.
    bounds, x = graph.bounds(), graph.bounds()["x"]
    row = float(graph.canvas.get_attribute("data-row") or 0)
    y = bounds["y"] + bounds["height"] - row / 2
    graph.canvas.evaluate("canvas => { canvas.closest('.main-stage').scrollTop = 1e6; }")
    for name in sorted(own):
        width = bounds["width"] * own[name] / sum(own.values())
        if width > 2:
            graph.page.mouse.move(x + width / 2, y)
            expect(graph.tooltip.locator("b")).to_have_text(name)
        x += width


def test_library_frames_fold_into_a_box(graph: Graph) -> None:
    fold = graph.section.get_by_role("checkbox", name="Fold library frames")
    before = graph.everything()
    assert {"json.encoder:JSONEncoder.encode", "logging:Logger.info", TOKENIZE} <= before
    graph.redrawn(fold.check)
    folded = graph.everything()
    assert {"json …", "logging …", TOKENIZE} <= folded
    assert not [name for name in folded if name.startswith(("json.", "logging:"))]
    graph.redrawn(fold.uncheck)
    assert graph.everything() == before


def test_colours_say_what_they_are_asked(graph: Graph) -> None:
    culprit, same, gone = (
        graph.node(TOKENIZE),
        graph.node("orders.store:Session.save"),
        graph.node("orders.parse:_legacy_unquote"),
    )
    red, _, blue = graph.fill(culprit)
    assert red > blue + 50, "slower is red"
    assert max(graph.fill(same)) - min(graph.fill(same)) < 16, "no significant change is grey"
    box = graph.box(gone)
    hatched = [graph.colour(box.x + box.width / 2 + step, box.y + 3) for step in range(8)]
    assert any(blue > red + 30 for red, _, blue in hatched), "gone is blue"
    by = graph.section.get_by_label("Colour by")
    graph.redrawn(lambda: by.select_option("module"))
    assert graph.fill(graph.node("orders.store:Session.save")) == graph.fill(graph.node("orders.store:cache_key"))
    graph.redrawn(lambda: by.select_option("kind"))
    kernel, native, python = (
        graph.node("kernel:fsync"),
        graph.node("libsqlite3.so.0:sqlite3_step"),
        graph.node("orders.parse:parse_order"),
    )
    assert len({graph.fill(kernel), graph.fill(native), graph.fill(python)}) == 3


def test_callers_and_callees_of_a_function(graph: Graph) -> None:
    graph.section.get_by_role("button", name="logging:Logger._log", exact=True).click()
    graph.section.locator(".function").get_by_role("button", name="Callers and callees").click()
    for stage, expected in ((".callers-stage", "logging:Logger.info"), (".callees-stage", "logging:Logger.makeRecord")):
        canvas = graph.section.locator(f"{stage} canvas")
        assert {"logging:Logger._log", expected} <= graph.everything(canvas)


def test_the_table_sorts_by_any_column(graph: Graph) -> None:
    table = graph.section.locator(".viewer table.frames")
    first = table.locator("tbody tr").first
    expect(first).to_contain_text(TOKENIZE)
    for head in table.locator("thead th").all():
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", re.compile("ascending|descending"))
        order = head.get_attribute("aria-sort")
        head.get_by_role("button").click()
        expect(head).not_to_have_attribute("aria-sort", order or "")
    assert len(table.locator("[aria-sort]").all()) == 1


def test_copy_name(graph: Graph) -> None:
    graph.section.get_by_role("button", name=TOKENIZE, exact=True).first.click()
    expect(graph.described).to_have_text(TOKENIZE)
    graph.section.get_by_role("button", name="Copy name").click()
    expect(graph.spoken).to_contain_text(f"copied {TOKENIZE}")
    assert graph.page.evaluate("navigator.clipboard.readText()") == TOKENIZE


def test_dark_mode_follows_the_system(graph: Graph) -> None:
    root, inner = (
        graph.box(graph.node("tests.test_orders:test_parse")),
        graph.box(graph.node("orders.api:handle_batch")),
    )
    above = inner.x + inner.width + (root.width - inner.width) / 2, inner.y - 30
    assert min(graph.colour(*above)) > 200
    graph.redrawn(lambda: graph.page.emulate_media(color_scheme="dark"))
    assert max(graph.colour(*above)) < 60


def test_the_graph_fits_a_narrow_screen(visit: Visit, report: Path, regressed: Judgement) -> None:
    page = visit(report, width=375, height=700)
    graph = Graph.of(page, regressed)
    bounds = graph.bounds()
    assert bounds["x"] >= 0
    assert bounds["x"] + bounds["width"] <= 375
    graph.canvas.scroll_into_view_if_needed()
    graph.hover(graph.node(TOKENIZE))
    expect(graph.tooltip.locator("b")).to_have_text(TOKENIZE)
    box = graph.tooltip.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375
    for control in graph.section.locator("button:visible, input:visible, select:visible").all():
        at = control.bounding_box()
        assert at
        assert at["x"] + at["width"] <= 376 or control.evaluate("element => Boolean(element.closest('table'))")


def test_resizing_the_window_redraws(graph: Graph) -> None:
    graph.redrawn(lambda: graph.page.set_viewport_size({"width": 800, "height": 700}))
    graph.hover(graph.node(TOKENIZE))
    expect(graph.tooltip.locator("b")).to_have_text(TOKENIZE)


def test_print_shows_everything_and_no_controls(graph: Graph) -> None:
    graph.page.emulate_media(media="print")
    expect(graph.search).to_be_hidden()
    expect(graph.section.locator(".viewer table.frames")).to_be_visible()
    assert len(graph.page.pdf()) > 20_000


def test_widths_are_cpu_time_and_add_up(graph: Graph) -> None:
    for view, width in VIEWS.items():
        graph.look(view)
        total = graph.tree.total(width) / 1e9
        expect(graph.section.locator(".legend")).to_contain_text(f"all of it is {total:.2f} ms")
    assert graph.tree.total(Width.MAX) > graph.tree.total(Width.HEAD)
