"""Source is highlighted."""

from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEXT = Path(__file__).read_text(encoding="utf-8") * 3
lexer, formatter = PythonLexer(), HtmlFormatter()


def work():
    return highlight(TEXT, lexer, formatter)
