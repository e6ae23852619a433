"""The scripts that page and interactive SVG share write and cut everything as Python does."""

from __future__ import annotations

import math
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from chromium import Visit
from shared_cases import CASES, face_of, frame_of

from pytest_flame.model import CPU, SAMPLES, Frame
from pytest_flame.render import assets, colour, units
from pytest_flame.render.names import fit, forms
from pytest_flame.render.picture import Face
from pytest_flame.render.svg import label
from pytest_flame.render.text import cells, frame_name, printable

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOADED = (*assets.CORE, "viewer/reshaped.js", "interactive_svg/ruler.js")
SAID = {"cost": "of", "signed_cost": "signed", "change": "change", "cost_interval": "interval"}
NUMBERS = {"percent": "percent", "signed_percent": "signedPercent", "p_value": "pValue", "count": "countText"}


@pytest.fixture
def page(visit: Visit, tmp_path: Path) -> Page:
    """Nothing but the scripts."""
    file = tmp_path / "core.html"
    file.write_text("<!doctype html><title>core</title>", encoding="utf-8")
    page = visit(file)
    page.add_script_tag(content=assets.bundle(LOADED))
    return page


def said(page: Page, kind: Mapping[str, Any], method: str, costs: list[list[float]]) -> list[str]:
    texts: list[str] = page.evaluate(
        "([kind, method, costs]) => { const of = new Amount(kind); return costs.map(some => of[method](...some)); }",
        [dict(kind), method, costs],
    )
    return texts


def fitted(page: Page, names: list[tuple[Frame, list[int]]]) -> list[list[str]]:
    """Each name in this many columns, as the scripts write it."""
    given = [[frame_name(frame), printable(frame.qualname or frame.module), rooms] for frame, rooms in names]
    texts: list[list[str]] = page.evaluate(
        "names => names.map(([name, own, rooms]) => rooms.map(room => fit(formsOf(name, own), room)))", given
    )
    return texts


def labelled(page: Page, labels: list[tuple[Frame, Face, list[int]]]) -> list[list[str]]:
    given = [
        [
            frame_name(frame),
            printable(frame.qualname or frame.module),
            {"mark": face.mark, "change": face.change, "culprit": face.culprit, "calls": face.calls},
            rooms,
        ]
        for frame, face, rooms in labels
    ]
    texts: list[list[str]] = page.evaluate(
        """labels => labels.map(([name, own, face, rooms]) => rooms.map(room =>
            labelOf(formsOf(name, own), face, room)))""",
        given,
    )
    return texts


@pytest.mark.parametrize("case", CASES["amounts"], ids=lambda case: case["noun"] or "time")
def test_amounts(page: Page, case: Mapping[str, Any]) -> None:
    for say, method in SAID.items():
        assert said(page, case, method, [costs for *costs, _ in case[say]]) == [text for *_, text in case[say]]
    for total, marks in case["ticks"]:
        found = page.evaluate(
            "([kind, total]) => ticks(new Amount(kind), total)", [{"noun": case["noun"], "per": case["per"]}, total]
        )
        assert [text for _, text in found] == [text for _, text in marks]
        assert [cost for cost, _ in found] == pytest.approx([cost for cost, _ in marks])


@pytest.mark.parametrize("say", NUMBERS)
def test_numbers(page: Page, say: str) -> None:
    texts = page.evaluate(f"numbers => numbers.map(number => {NUMBERS[say]}(number))", [n for n, _ in CASES[say]])
    assert texts == [text for _, text in CASES[say]]


def test_any_number(page: Page) -> None:
    """Also where the decimal digits end in a half."""
    rng = Random(1)
    costs: list[float] = [rng.randrange(10 ** rng.randint(1, 15)) * rng.choice((1, -1)) for _ in range(3000)]
    costs += [rng.randrange(1, 1000) * 125 * 10 ** rng.randint(0, 9) for _ in range(1000)]
    pairs = [sorted(rng.sample(costs, 2)) for _ in range(2000)]
    sizes = [[abs(one), abs(other)] for one, other in pairs]
    for metric in (CPU, SAMPLES, SAMPLES.at_scale(1)):
        kind = units.plain(metric)
        assert said(page, kind, "of", [[cost] for cost in costs]) == [units.cost(metric, cost) for cost in costs]
        signed = [units.signed_cost(metric, cost) for cost in costs]
        assert said(page, kind, "signed", [[cost] for cost in costs]) == signed
        assert said(page, kind, "interval", pairs) == [units.cost_interval(metric, *pair) for pair in pairs]
        assert said(page, kind, "change", sizes) == [units.change(metric, *pair) for pair in sizes]
        unknown = [[math.inf], [-math.inf], [math.nan]]
        assert said(page, kind, "of", unknown) == [units.cost(metric, *cost) for cost in unknown]
    shares = [rng.uniform(-2, 2) for _ in range(2000)] + [n / 4000 for n in range(-500, 5000)] + [math.inf, math.nan]
    for say, of in (("percent", units.percent), ("signedPercent", units.signed_percent)):
        assert page.evaluate(f"shares => shares.map({say})", shares) == [*map(of, shares)]


@pytest.mark.parametrize("case", CASES["names"], ids=lambda case: case["qualname"] or case["module"])
def test_names(page: Page, case: Mapping[str, Any]) -> None:
    assert fitted(page, [(frame_of(case), [room for room, _ in case["fits"]])]) == [[text for _, text in case["fits"]]]


@pytest.mark.parametrize("case", CASES["labels"], ids=lambda case: f"{case['mark']} {case['qualname']}")
def test_labels(page: Page, case: Mapping[str, Any]) -> None:
    rooms = [room for room, _ in case["fits"]]
    assert labelled(page, [(frame_of(case), face_of(case), rooms)]) == [[text for _, text in case["fits"]]]


def test_any_name_in_any_room(page: Page) -> None:
    rng = Random(2)
    pieces = [*"ab()<>{}[].:/ …,-+'#注é\u0301", "::", "operator", "operator<<", "->", " const", "<T>", "(int)", "::f"]
    names = [
        Frame(rng.choice(("", "m", "orders.parse", "注")), "".join(rng.choices(pieces, k=rng.randint(0, 14))))
        for _ in range(1500)
    ]
    rooms = [*range(-1, 30), 40]
    assert fitted(page, [(frame, rooms) for frame in names]) == [[fit(frame, n) for n in rooms] for frame in names]
    complete = page.evaluate(
        "names => names.map(([name, own]) => formsOf(name, own).complete)",
        [[frame_name(frame), printable(frame.qualname or frame.module)] for frame in names],
    )
    texts = page.evaluate(
        "names => names.map(([name, own]) => [...new Set(formsOf(name, own).texts)])",
        [[frame_name(frame), printable(frame.qualname or frame.module)] for frame in names],
    )
    assert texts == [[*dict.fromkeys((*forms(frame).complete, *forms(frame).cut))] for frame in names]
    assert min(complete) >= 1
    faces = [
        Face(
            colour.GREY,
            mark=(mark := rng.choice(("", "+", "−", "NEW", "GONE", "MOVED"))),
            change=rng.choice((f"{mark}1.62 ms", "")) if mark in ("+", "−") else "",
            culprit=rng.random() < 0.3,
            calls=rng.choice((1, 1, 12)),
        )
        for _ in names
    ]
    shown = labelled(page, [(frame, face, rooms) for frame, face in zip(names, faces, strict=True)])
    assert shown == [[label(frame, face, n) for n in rooms] for frame, face in zip(names, faces, strict=True)]


def test_every_character_is_as_wide(page: Page) -> None:
    """Characters whose width no later version of Unicode has changed; Python and browser may have different
    versions."""

    def settled(character: str) -> bool:
        early = unicodedata.ucd_3_2_0
        if "\U0001f300" <= character <= "\U0001f64f":
            return unicodedata.category(character) != "Cn"
        kinds = early.category(character), unicodedata.category(character)
        widths = early.east_asian_width(character), unicodedata.east_asian_width(character)
        return kinds[0] == kinds[1] not in ("Cn", "Cs", "Cc") and (widths[0] in "WF") == (widths[1] in "WF")

    characters = [*filter(settled, map(chr, range(sys.maxunicode + 1)))]
    assert len(characters) > 90_000
    found = page.evaluate("text => [...text].map(cells)", "".join(characters))
    unlike = [f"{ord(c):x}" for c, columns in zip(characters, found, strict=True) if cells(c) != columns]
    assert unlike == []


GROWN = """([base, head]) => {
    const pool = [...new Set([base, head].flatMap(Object.keys).flatMap(path => path.split(";")))].sort();
    const grower = new Grower(pool.length);
    for (const [side, costs] of [base, head].entries()) {
        for (const [path, cost] of Object.entries(costs)) {
            const node = path.split(";").reduce((at, name) => grower.child(at, pool.indexOf(name)), -1);
            grower.add(node, side ? 0 : cost, side ? cost : 0);
        }
    }
    globalThis.pool = pool;
    globalThis.tree = grower.tree();
    globalThis.shown = node => tree.path(node).map(frame => pool[frame]).join(";");
}"""


@pytest.mark.parametrize("case", CASES["trees"], ids=lambda case: case["says"])
def test_trees(page: Page, case: Mapping[str, Any]) -> None:
    page.evaluate(GROWN, [case["base"], case["head"]])
    columns = ("baseSelf", "headSelf", "base", "head", "widest")
    nodes = page.evaluate(
        "columns => [...Array(tree.size).keys()].map(i => [shown(i), ...columns.map(column => tree[column][i])])",
        columns,
    )
    assert nodes == case["nodes"]
    assert page.evaluate("['base', 'head', 'widest'].map(column => tree.totals[column])") == case["totals"]
    assert page.evaluate("[...tree.places('widest')]") == case["left"]
    assert page.evaluate("[...parentsOf(tree.depth)]") == page.evaluate("[...tree.parent]")
    costs = page.evaluate("Object.values(tree.functions(pool.length)).map(column => [...column])")
    names = page.evaluate("pool")
    found = {name: [column[i] for column in (costs[2], costs[3])] for i, name in enumerate(names)}
    assert found == {name: whole for name, (_, _, *whole) in case["functions"].items()}
    own = {name: [costs[0][i], costs[1][i]] for i, name in enumerate(names)}
    assert own == {name: [before, after] for name, (before, after, *_) in case["functions"].items()}
    marks = page.evaluate("[...Array(tree.size).keys()].map(i => markOf(tree, i, false))")
    assert marks == case["marks"]
    for name, paths in case["culprits"].items():
        pointed = page.evaluate("name => culpritNodes(tree, frame => pool[frame] === name).map(shown)", name)
        assert pointed == paths
    for expression, functions, shares in case["searches"]:
        functions_found, shares_found = page.evaluate(
            """expression => {
                const search = new Search(expression, pool);
                return [search.functions, ["base", "head", "widest"].map(column => search.over(tree, column).share)];
            }""",
            expression,
        )
        assert functions_found == functions
        assert shares_found == pytest.approx(shares, abs=5e-5)


def test_colours_of_changes(page: Page) -> None:
    palette = assets.palette(colour.LIGHT)
    shares = [n / 40 for n in range(-16, 17)]
    found = page.evaluate(
        "([shares, colours, most]) => shares.map(part => ofChange(part, colours, most))",
        [shares, palette, colour.SATURATION],
    )

    def rgb(share: float) -> str:
        fill = colour.of_change(share)
        return f"rgb({fill.red},{fill.green},{fill.blue})" if share else str(palette["grey"])

    assert found == [rgb(share) for share in shares]
