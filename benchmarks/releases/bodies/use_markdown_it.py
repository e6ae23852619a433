"""Dense inline markup is rendered."""

from markdown_it import MarkdownIt

TEXT = "*a* **b** `c` [d](e) _f_ *g*h **i**j `k`l [m](n)o _p_\n\n" * 8
renderer = MarkdownIt()


def work() -> object:
    return renderer.render(TEXT)
