"""The graph of one test in the report page, used as a reader uses it; the tree alone determines where things must
be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chromium import expect

from pytest_flame.fold import recording_profile
from pytest_flame.model import Frame, Judgement
from pytest_flame.render.layout import Tree, Width, build_tree

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

VIEWS = {"Difference": Width.MAX, "Before": Width.BASE, "After": Width.HEAD}
SHAPES = ("Flame", "Icicle")


def tree_of(judgement: Judgement) -> Tree:
    assert judgement.base and judgement.head
    return build_tree(recording_profile(judgement.base).costs, recording_profile(judgement.head).costs)


class Box(NamedTuple):
    """In pixels of the window."""

    x: float
    y: float
    width: float
    row: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.row / 2


@dataclass
class Graph:
    page: Page
    section: Locator
    tree: Tree
    view: str = "Difference"
    shape: str = "Flame"
    zoom: int = -1

    @classmethod
    def of(cls, page: Page, judgement: Judgement) -> Graph:
        """Opens the test's section, if it is not open yet, and waits for its graph."""
        section = page.locator("details.test", has=page.get_by_text(judgement.test_id, exact=True))
        if section.get_attribute("open") is None:
            section.locator("summary").first.click()
        # Graphs are decoded when they come near the viewport.
        section.evaluate("element => element.scrollIntoView()")
        graph = cls(page, section, tree_of(judgement))
        expect(graph.canvas).to_have_attribute("data-drawn", re.compile(r"\d+"))
        return graph

    @property
    def canvas(self) -> Locator:
        return self.section.locator(".main-stage canvas")

    @property
    def tooltip(self) -> Locator:
        return self.page.get_by_role("tooltip")

    @property
    def crumbs(self) -> Locator:
        return self.section.get_by_role("navigation", name="Breadcrumbs").get_by_role("button")

    @property
    def spoken(self) -> Locator:
        return self.section.locator("[aria-live]")

    @property
    def described(self) -> Locator:
        return self.section.locator(".function h4")

    @property
    def search(self) -> Locator:
        return self.section.get_by_role("searchbox", name="Search frames")

    def node(self, *names: str) -> int:
        """The node of a path's last names; the widest if there are several."""
        tail = list(names)
        found = [n for n in range(len(self.tree)) if [f.name for f in self.tree.stack(n)][-len(tail) :] == tail]
        assert found, f"no {names} in the tree"
        return max(found, key=lambda n: int(self.tree.widest[n]))

    def name(self, node: int) -> str:
        frame: Frame = self.tree.frames[self.tree.frame[node]]
        return frame.name

    def look(self, view: str | None = None, shape: str | None = None) -> None:
        for wanted, group in ((view, "view"), (shape, "shape")):
            if wanted and wanted != getattr(self, group):
                self.redrawn(self.section.get_by_role("radio", name=wanted, exact=True).check)
                setattr(self, group, wanted)

    def redrawn(self, act: Callable[[], object]) -> None:
        """Does something and waits until the canvas has been drawn again."""
        before = int(self.canvas.get_attribute("data-drawn") or 0)
        act()
        self.page.wait_for_function(
            "([canvas, before]) => Number(canvas.dataset.drawn) > before", arg=[self.canvas.element_handle(), before]
        )

    def boxes(self) -> list[Box]:
        """Every node's place on the screen, computed from the tree alone."""
        seen = self.canvas.evaluate(
            """canvas => {
                canvas.scrollIntoView({ block: "nearest" });
                const { x, y, width } = canvas.getBoundingClientRect();
                return { x, y, width, ...canvas.dataset };
            }"""
        )
        row, top, levels = float(seen["row"]), float(seen["top"]), int(seen["levels"])
        weight, left = self.tree.weight(VIEWS[self.view]), self.tree.left(VIEWS[self.view])
        whole = self.tree.total(VIEWS[self.view]) if self.zoom < 0 else int(weight[self.zoom])
        start = 0 if self.zoom < 0 else int(left[self.zoom])
        scale = seen["width"] / whole
        return [
            Box(
                x=seen["x"] + (int(left[node]) - start) * scale,
                y=seen["y"] + (levels - 1 - depth if self.shape == "Flame" else depth) * row - top,
                width=int(weight[node]) * scale,
                row=row,
            )
            for node, depth in enumerate(self.tree.depth.tolist())
        ]

    def box(self, node: int) -> Box:
        return self.boxes()[node]

    def bounds(self) -> FloatRect:
        """Place of the canvas in the window, into which it is scrolled first."""
        bounds: FloatRect = self.canvas.evaluate(
            """canvas => {
                canvas.scrollIntoView({ block: "nearest" });
                return canvas.getBoundingClientRect().toJSON();
            }"""
        )
        return bounds

    def hover(self, node: int) -> None:
        self.page.mouse.move(*self.box(node).middle)

    def names(self, points: list[tuple[float, float]], canvas: Locator | None = None) -> list[str | None]:
        """What the tooltip calls each point of the window; many at once, without a real pointer."""
        names: list[str | None] = (canvas or self.canvas).evaluate(
            """(canvas, points) => points.map(([clientX, clientY]) => {
                canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
                const tooltip = document.querySelector("[role=tooltip]");
                return tooltip.hidden ? null : tooltip.querySelector("b").textContent;
            })""",
            points,
        )
        return names

    def everything(self, canvas: Locator | None = None, step: int = 6) -> set[str]:
        """The names of all boxes of a canvas that are at least ``step`` pixels wide."""
        canvas = canvas or self.canvas
        canvas.scroll_into_view_if_needed()
        bounds = canvas.bounding_box()
        assert bounds
        row, levels = (float(canvas.get_attribute(f"data-{name}") or 0) for name in ("row", "levels"))
        rows = [
            bounds["y"] + (level + 0.5) * row for level in range(int(levels)) if (level + 0.5) * row < bounds["height"]
        ]
        columns = range(int(bounds["x"]) + 1, int(bounds["x"] + bounds["width"]), step)
        return {name for name in self.names([(x, y) for x in columns for y in rows], canvas) if name}

    def click(self, node: int) -> None:
        """Zooms to a node."""
        self.redrawn(lambda: self.page.mouse.click(*self.box(node).middle))
        self.zoom = node

    def colour(self, x: float, y: float) -> tuple[int, int, int]:
        """Of one point of the canvas, in pixels of the page."""
        bounds = self.bounds()
        red, green, blue, _ = self.canvas.evaluate(
            """(canvas, [x, y]) => {
                const ratio = canvas.width / canvas.clientWidth;
                return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data];
            }""",
            [x - bounds["x"], y - bounds["y"]],
        )
        return red, green, blue

    def fill(self, node: int) -> tuple[int, int, int]:
        """The colour of a node's box, taken near its upper right corner, where no text is."""
        box = self.box(node)
        return self.colour(box.x + box.width - min(4, box.width / 4), box.y + 3)
