"""tomlkit at work: parsing sub-tables, writing a parsed document, building a document."""

from __future__ import annotations

import pytest
import tomlkit

PLUGINS = "\n".join(f'[tool.plugin{i}]\nname = "p{i}"\non = true\n' for i in range(12))
SECTION = """[section{i}]
name = "value {i}"  # comment
numbers = [1, 2, 3, {i}]
when = 1979-05-27T07:32:00Z
point = {{ x = 1, y = 2.5 }}
[section{i}.sub]
text = 'literal'
flag = true
[[item]]
sku = {i}
tags = ["a", "b"]
"""
DOCUMENT = tomlkit.parse("\n".join(SECTION.format(i=i) for i in range(120)))


@pytest.mark.flame
def test_parse() -> None:
    assert len(tomlkit.parse(PLUGINS)["tool"]) == 12


@pytest.mark.flame
def test_dumps() -> None:
    assert tomlkit.dumps(DOCUMENT).count("[[item]]") == 120


@pytest.mark.flame
def test_build() -> None:
    document = tomlkit.document()
    for i in range(40):
        table = tomlkit.table()
        table["a"] = i
        table["b"] = [1, 2, 3]
        table["c"] = {"x": "y"}
        document[f"section{i}"] = table
    assert tomlkit.dumps(document).count("x = ") == 40
