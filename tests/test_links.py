from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.links import EDITORS, editor_template, relative_root, source_template


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/me/shop/blob/{commit}/{path}#L{line}",
        "http://localhost:8080/{path}?line={line}",
    ],
)
def test_addresses_with_path_and_line_are_templates(text: str) -> None:
    assert source_template(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert('{path}{line}')",
        "data:text/html,{path}{line}",
        "//git.example/{path}#{line}",
        "https://git.example/{path}",
        "https://git.example/{path}#{line}{user}",
        'https://git.example/{path}#{line}"onclick=x',
        "https:///{path}#{line}",
        " https://git.example/{path}#{line}",
        "",
    ],
)
def test_other_texts_are_not(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        source_template(text)


def test_editors_have_names() -> None:
    assert editor_template("vscode") == "vscode://file{file}:{line}"
    assert editor_template("none") == ""
    assert all("{file}" in template and "{line}" in template for name, template in EDITORS.items() if name != "none")
    with pytest.raises(ValueError, match="ed"):
        editor_template("ed")


def test_the_way_from_the_page_to_the_project(tmp_path: Path) -> None:
    assert relative_root(tmp_path / "shop" / "flame-report", tmp_path / "shop") == ".."
    assert relative_root(tmp_path / "out", tmp_path / "my shop") == "../my%20shop"
