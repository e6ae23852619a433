from __future__ import annotations

import pytest

from pytest_flame.model import Frame, SourceLine
from pytest_flame.render.colour import DARK, LIGHT, MIN_CONTRAST, contrast
from pytest_flame.render.homes import COLOURS, Home, home_of


@pytest.mark.parametrize(
    ("module", "path", "home"),
    [
        ("shop.cart", "shop/cart.py", Home.PROJECT),
        ("json.decoder", "/usr/lib/python3.11/json/decoder.py", Home.STDLIB),
        ("json.decoder", None, Home.STDLIB),
        ("json", "json.py", Home.PROJECT),  # a project may have a module of that name
        ("requests.api", "/venv/lib/python3.11/site-packages/requests/api.py", Home.INSTALLED),
        ("requests.api", ".venv/lib/python3.11/site-packages/requests/api.py", Home.INSTALLED),
        ("numpy.core", "/opt/numpy/core.py", Home.INSTALLED),
        ("_pytest.python", "/venv/lib/python3.11/site-packages/_pytest/python.py", Home.PYTEST),
        ("pluggy._callers", None, Home.PYTEST),
        ("importlib._bootstrap", "<frozen importlib._bootstrap>", Home.STDLIB),
        ("libc.so.6", None, Home.NATIVE),
        ("kernel", None, Home.KERNEL),
        ("app.main", None, Home.PROJECT),  # profiles of other tools have no paths
        ("", None, Home.PROJECT),
    ],
)
def test_home(module: str, path: str | None, home: Home) -> None:
    assert home_of(Frame(module, "f"), SourceLine(path, 1) if path else None) is home


def test_every_home_has_a_legible_colour() -> None:
    for palette, colours in ((LIGHT, COLOURS["light"]), (DARK, COLOURS["dark"])):
        assert set(colours) == set(Home)
        assert all(contrast(palette.ink, fill) >= MIN_CONTRAST for fill in colours.values())
        assert len({str(fill) for fill in colours.values()}) == len(Home)
