"""Makes a page of a run's comment, as GitHub shows it: comment_page.py RESULT.json REPORT-DIRECTORY OUT-DIRECTORY.

Its Markdown (CommonMark with tables), what it leaves of HTML, and its column's width; the pictures come from a branch
that is really pushed, to a repository in OUT-DIRECTORY. Needs `pip install markdown-it-py nh3`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import nh3
from markdown_it import MarkdownIt

from pytest_flame.ci.pictures import Branch, embedded
from pytest_flame.render.from_json import read_document, result_of
from pytest_flame.render.markdown import result_markdown

ALLOWED: Final = {
    *("a", "blockquote", "br", "code", "del", "details", "em", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p"),
    *("picture", "pre", "source", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES: Final = {"a": {"href"}, "details": {"open"}, "img": {"alt", "src"}, "source": {"media", "srcset"}}
STYLE: Final = """
:root { color-scheme: light dark; --fg: #1f2328; --bg: #fff; --line: #d1d9e0; --soft: #818b981f; --faint: #59636e; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #f0f6fc; --bg: #0d1117; --line: #3d444d; --soft: #656c7633; --faint: #9198a1; } }
body { margin: 16px auto; width: 760px; color: var(--fg); background: var(--bg);
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
article { border: 1px solid var(--line); border-radius: 6px; padding: 16px; overflow-wrap: break-word; }
table { display: block; width: max-content; max-width: 100%; overflow: auto; border-collapse: collapse;
  margin: 0 0 16px; }
th, td { border: 1px solid var(--line); padding: 6px 13px; }
code { background: var(--soft); border-radius: 6px; padding: .2em .4em; font: 85% ui-monospace, Menlo, monospace; }
pre { background: var(--soft); border-radius: 6px; padding: 16px; overflow: auto; }
pre code { background: none; padding: 0; }
img { max-width: 100%; background: var(--bg); }
blockquote { margin: 0 0 16px; padding: 0 1em; color: var(--faint); border-left: .25em solid var(--line); }
h3 { font-size: 1.25em; margin: 0 0 16px; } h4 { font-size: 1em; }
"""


def main() -> None:
    result_file, report, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    repository = out / "repository.git"
    subprocess.run(["git", "init", "--quiet", "--bare", repository], check=True)
    result = result_of(read_document(result_file), str(result_file))
    branch = Branch(str(repository), "flame-pictures", out.resolve().as_uri())
    text = result_markdown(result) + embedded(result, report, branch)
    subprocess.run(["git", "clone", "--quiet", "--branch", branch.name, repository, out / branch.name], check=True)
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    clean = nh3.clean(shown, tags=ALLOWED, attributes=ATTRIBUTES, url_schemes={"https", "file"})
    page = f"<!doctype html><meta charset=utf-8><title>Comment</title><style>{STYLE}</style><article>{clean}</article>"
    (out / "comment.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
