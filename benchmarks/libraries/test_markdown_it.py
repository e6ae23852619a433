"""markdown-it-py at work on a structured document, on long prose and on dense inline markup."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

CHAPTER = """# Chapter {i}

Some *emphasis* and **strong words**, `code`, a [link](https://example.org/{i} "title") and ![image](pic{i}.png).
A second line with an &amp; entity, <b>html</b> and a hard break\\
here.

> A quote with a list
> - one
> - two with **bold *and nested* text**

1. first
2. second

   ```python
   print({i})
   ```

| a | b |
|---|---|
| 1 | `x` |
| 2 | *y* |

<div>raw</div>

[ref{i}]: https://example.org/ref "r"

See [ref{i}] and <https://auto.example.org/{i}>.
"""
DOCUMENT = "\n".join(CHAPTER.format(i=i) for i in range(6))
SENTENCE = "The quick brown fox jumps over the lazy dog and then keeps walking along the river "
PROSE = "\n\n".join(SENTENCE * 6 + f"*end {i}*" for i in range(60))
DENSE = r"*a* **b** `c` [d](e) _f_ & \* x! " * 60


@pytest.mark.flame
def test_document() -> None:
    assert MarkdownIt().enable("table").render(DOCUMENT).count("<h1>") == 6


@pytest.mark.flame
def test_prose() -> None:
    assert MarkdownIt().render(PROSE).count("<em>") == 60


@pytest.mark.flame
def test_dense() -> None:
    assert MarkdownIt().renderInline(DENSE).count("<strong>") == 60
