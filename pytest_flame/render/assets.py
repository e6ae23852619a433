"""Styles and scripts of pages and pictures, and the hashes that allow them."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

from pytest_flame.links import Links
from pytest_flame.render import homes
from pytest_flame.render.colour import DARK, LIGHT, SATURATION, Colour, Palette

STYLES: Final = ("report.css", "viewer.css")
CORE: Final = ("core/tree.js", "core/units.js", "core/names.js", "core/changes.js", "core/search.js")
"""What page and interactive SVG share: the rules of ``layout``, ``units``, ``names`` and ``picture`` as scripts."""
SCRIPTS: Final = (
    "overview.js",
    *CORE,
    "viewer/inflate.js",
    "viewer/reshaped.js",
    "viewer/data.js",
    "viewer/paint.js",
    "viewer/facts.js",
    "viewer/dom.js",
    "viewer/graph.js",
    "viewer/pane.js",
    "viewer/address.js",
    "viewer/functions.js",
    "viewer/source.js",
    "viewer/legend.js",
    "viewer/viewer.js",
    "viewer/page.js",
)
"""In order of concatenation: one script, so that one hash allows it."""
_COMMENT: Final = re.compile(r"^[ ]*(?://.*|/\*\*(?:[^*]|\*(?!/))*\*/)\n", re.MULTILINE)
"""On separate lines. No text in the scripts spans lines."""
_MARGIN: Final = re.compile(r"^[ ]+", re.MULTILINE)


def script() -> Markup:
    return scoped(SCRIPTS)


def scoped(names: Iterable[str]) -> Markup:
    """These files as one script in its own scope, without comments and indentation."""
    lean = _MARGIN.sub("", _COMMENT.sub("", bundle(names)))
    return Markup(f'"use strict";\n(() => {{\n{lean}}})();\n')


def style() -> Markup:
    return bundle(STYLES)


def settings(links: Links) -> dict[str, Any]:
    """What the script needs to know of how the pictures are drawn."""
    return {
        "saturation": SATURATION,
        "palettes": {"light": _with_homes("light", LIGHT), "dark": _with_homes("dark", DARK)},
        "links": dataclasses.asdict(links),
    }


def _with_homes(name: str, colours: Palette) -> dict[str, Any]:
    return {**palette(colours), "homes": {home.value: _hex(fill) for home, fill in homes.COLOURS[name].items()}}


def palette(colours: Palette) -> dict[str, Any]:
    """A palette's fields as scripts mix them, ``#rrggbb``."""

    def plain(value: Colour | tuple[Colour, ...]) -> str | list[str]:
        if isinstance(value, tuple):
            return [_hex(one) for one in value]
        return _hex(value)

    return {field: plain(getattr(colours, field)) for field in Palette.__slots__}


def _hex(colour: Colour) -> str:
    return f"#{colour.red:02x}{colour.green:02x}{colour.blue:02x}"


def inert_json(value: Any) -> Markup:
    """JSON that is safe inside a page: no text in it ends the element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def bundle(names: Iterable[str]) -> Markup:
    """These files of ``templates``, one after the other."""
    folder = files("pytest_flame.render").joinpath("templates")
    return Markup("".join(folder.joinpath(*name.split("/")).read_text(encoding="utf-8") for name in names))


def digest(text: str) -> str:
    """The policy source that allows exactly this inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
