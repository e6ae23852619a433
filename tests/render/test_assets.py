from __future__ import annotations

from importlib.resources import files

import pytest

from pytest_flame.links import NO_LINKS
from pytest_flame.render import assets, interactive_svg

TEMPLATES = files("pytest_flame.render").joinpath("templates")
SCRIPTS = {"page": assets.SCRIPTS, "svg": interactive_svg.SCRIPTS}


def test_every_script_is_in_the_page_or_in_the_picture() -> None:
    there = {
        f"{folder.name}/{file.name}"
        for folder in TEMPLATES.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".js")
    }
    assert there == {name for names in SCRIPTS.values() for name in names if "/" in name}


@pytest.mark.parametrize("names", SCRIPTS.values(), ids=SCRIPTS)
def test_page_and_picture_have_the_core_once(names: tuple[str, ...]) -> None:
    assert set(assets.CORE) <= set(names)
    assert len(set(names)) == len(names)
    script = assets.scoped(names)
    for defined in ("class Tree ", "class Amount ", "class Search ", "function labelOf(", "function culpritNodes("):
        assert script.count(defined) == 1


@pytest.mark.parametrize("names", SCRIPTS.values(), ids=SCRIPTS)
def test_comments_and_indentation_stay_at_home_and_all_code_goes(names: tuple[str, ...]) -> None:
    code, inside = [], False
    for line in map(str.strip, assets.bundle(names).splitlines()):
        inside = inside or line.startswith("/**")
        if line and not inside and not line.startswith("//"):
            code.append(line)
        inside = inside and not line.endswith("*/")
    assert [line for line in assets.scoped(names).splitlines() if line] == ['"use strict";', "(() => {", *code, "})();"]


def test_scripts_get_the_colours_of_the_pictures() -> None:
    light = assets.settings(NO_LINKS)["palettes"]["light"]
    assert light["paper"] == "#ffffff"
    assert {"homes", "grey", "red", "modules"} <= light.keys()
