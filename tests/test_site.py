"""The documentation as a site: it builds without a warning, its links lead somewhere, its reference is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from test_docs import ROOT, declared

from ci import docs_pages
from pytest_flame import hookspecs
from pytest_flame.render.json import schema


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value or "")
            elif name in ("href", "src") and value and tag in ("a", "img", "link", "script"):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as ``ci/docs.sh`` does."""
    pytest.importorskip("material", reason="needs the extra docs: pip install -e .[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return folder


def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 30
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            where = f"{path.relative_to(site)} links to {link}"
            assert target.is_file(), where
            if parts.fragment and target in pages and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in pages[target].anchors, f"{where}: no such anchor"


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "fonts.googleapis" not in text
        assert 'src="http' not in text


# --- the pages that the code describes --------------------------------------------------------------------------------


def test_every_option_and_ini_value_is_in_the_reference() -> None:
    page = docs_pages.options_page()
    assert [flag for flag in declared().flags if f"## `{flag}`" not in page] == []
    assert [name for name in declared().inis if f"`{name}`" not in page] == []


def test_every_command_is_in_the_reference() -> None:
    page = docs_pages.commands_page()
    for name in ("flame", "flame draw", "flame diff", "flame bisect", "flame merge"):
        assert f"## {name}\n" in page
    assert "--flame-shard" in page


def test_every_hook_is_in_the_reference_with_its_example() -> None:
    page = docs_pages.hooks_page()
    assert [name for name in vars(hookspecs) if name.startswith("pytest_") and f"### `{name}`" not in page] == []
    assert "```python\ndef pytest_flame_judged(item, judgement):\n    print(" in page
    assert "::" not in page


def named(node: Any) -> Iterator[str]:
    """Every field that the schema describes, wherever it is."""
    if isinstance(node, Mapping):
        yield from node.get("properties", {})
        for part in node.values():
            yield from named(part)
    elif isinstance(node, list):
        for part in node:
            yield from named(part)


def test_every_field_of_the_result_is_in_the_reference() -> None:
    rows = docs_pages.result_page().splitlines()
    paths = {row.split("`")[1].rpartition(".")[2] for row in rows if row.startswith("| `")}
    assert set(named(schema())) - {path.removesuffix("[]") for path in paths} == set()


@pytest.mark.parametrize(
    ("page", "link", "leads"),
    [
        ("index.md", "[Usage](docs/usage.md#options)", "[Usage](usage.md#options)"),
        ("index.md", "![A report](docs/report.png)", "![A report](report.png)"),
        ("index.md", "[changes](CHANGELOG.md)", "[changes](changes.md)"),
        ("index.md", "[licence](LICENSE)", "licence (`LICENSE`)"),
        ("statistics.md", "[the start](../README.md)", "[the start](index.md)"),
        ("howto/accept.md", "[trust](../trust.md)", "[trust](../trust.md)"),
        ("howto/accept.md", "[example](../../example_project/README.md)", "[example](../example-project.md)"),
        ("usage.md", "[there](https://example.org/docs/usage.md)", "[there](https://example.org/docs/usage.md)"),
        ("usage.md", "```\n[x](../README.md)\n```", "```\n[x](../README.md)\n```"),
    ],
)
def test_links_lead_to_where_their_targets_are_in_the_site(page: str, link: str, leads: str) -> None:
    assert docs_pages.relinked(link, page) == leads
