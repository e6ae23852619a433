"""The report page's style and script, and the hashes that allow them."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

from pytest_flame.links import Links
from pytest_flame.render import homes
from pytest_flame.render.colour import DARK, LIGHT, SATURATION, Colour, Palette

STYLES: Final = ("report.css", "viewer.css")
SCRIPTS: Final = (
    "overview.js",
    "viewer/inflate.js",
    "viewer/tree.js",
    "viewer/data.js",
    "viewer/words.js",
    "viewer/paint.js",
    "viewer/facts.js",
    "viewer/dom.js",
    "viewer/graph.js",
    "viewer/pane.js",
    "viewer/search.js",
    "viewer/address.js",
    "viewer/functions.js",
    "viewer/source.js",
    "viewer/legend.js",
    "viewer/viewer.js",
    "viewer/page.js",
)
"""In order of concatenation: one script, so that one hash allows it."""


def script() -> Markup:
    """In its own scope."""
    return Markup('"use strict";\n(() => {\n') + _bundle(SCRIPTS) + Markup("})();\n")


def style() -> Markup:
    return _bundle(STYLES)


def settings(links: Links) -> dict[str, Any]:
    """What the script needs to know of how the pictures are drawn."""
    return {
        "saturation": SATURATION,
        "palettes": {"light": _palette("light", LIGHT), "dark": _palette("dark", DARK)},
        "links": dataclasses.asdict(links),
    }


def _palette(name: str, palette: Palette) -> dict[str, Any]:
    def plain(value: Colour | tuple[Colour, ...]) -> str | list[str]:
        if isinstance(value, tuple):
            return [_hex(one) for one in value]
        return _hex(value)

    fields = {field: plain(getattr(palette, field)) for field in Palette.__slots__}
    return {**fields, "homes": {home.value: _hex(fill) for home, fill in homes.COLOURS[name].items()}}


def _hex(colour: Colour) -> str:
    return f"#{colour.red:02x}{colour.green:02x}{colour.blue:02x}"


def inert_json(value: Any) -> Markup:
    """JSON that is safe inside a page: no text in it ends the element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def _bundle(names: Iterable[str]) -> Markup:
    folder = files("pytest_flame.render").joinpath("templates")
    return Markup("".join(folder.joinpath(*name.split("/")).read_text(encoding="utf-8") for name in names))


def digest(text: str) -> str:
    """The policy source that allows exactly this inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
