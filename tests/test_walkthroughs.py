"""The commands of README and tutorial do what the pages say, on small projects of the same kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from repositories import IDENTITY
from test_docs import ROOT, blocks

SHORT = "[pytest]\nflame_time = 0.06\nflame_processes = 3\naddopts = -p no:cacheprovider -p no:randomly\n"
"""What the commands do is looked at here, not what they measure."""
PROGRAMS = r"(?:\w+=\S+ )?(?:pip|pytest|git|flame|python\S*|sh) "

NOT_RUN = {
    "pip install .": "ci/packaging.sh does, in new environments",
    "sh ci/demo.sh": "takes minutes; its patches and its script are tested by test_example_project.py",
    "sh ci/test.sh": "is what runs this",
    "sh ci/docs.sh": "test_site.py builds the site",
    "git clone https://github.com/andialbrecht/sqlparse && cd sqlparse": "needs the network; a miniature stands in",
    "python3.11 -m venv .venv && . .venv/bin/activate": "this environment is used",
    "pip install -e . pytest": "needs the network",
    "pip install ../pytest-flame": "it is installed",
}


def commands(name: str) -> list[str]:
    """The page's commands, in order; comments are cut off."""
    lines = [
        line for block in blocks((ROOT / name).read_text(encoding="utf-8"), "", "sh") for line in block.splitlines()
    ]
    return [re.sub(r"\s+#.*", "", line) for line in lines if re.match(PROGRAMS, line)]


class Folder:
    """A project in a git repository, in which the commands of a page are run."""

    def __init__(self, path: Path, files: dict[str, str]) -> None:
        self.path = path
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_flame.plugin",
            **IDENTITY,
        }
        for name, content in files.items():
            self.write(name, content)
        self.run("git init -q -b main && git add . && git commit -q -m first")

    def write(self, name: str, content: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(content, encoding="utf-8")

    def run(self, command: str, *statuses: int) -> str:
        """What it printed; its exit status has to be one of these (0 if none is given)."""
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode in (statuses or (0,)), f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


def test_readme(tmp_path: Path) -> None:
    test = next(
        block for block in blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python") if "mark" in block
    )
    folded = "main;parse 70\nmain;write 30\n"
    orders = Folder(
        tmp_path,
        {
            "pytest.ini": SHORT,
            ".gitignore": "flame-report/\n*.folded\n*.svg\n*.html\n",
            "orders/__init__.py": "",
            "orders/parse.py": "def parse(lines):\n    return [line.split(',') for line in lines]\n",
            "conftest.py": "import pytest\n@pytest.fixture\ndef day_of_orders(): return ['1,2,3'] * 1000\n",
            "tests/test_parse.py": test,
            "app.py": "from orders.parse import parse\nfor _ in range(300): parse(['1,2,3'] * 1000)\n",
            **{f"{side}.folded": folded for side in ("before", "after")},
            **{f"{side}/{i}.folded": folded for side in ("before", "after") for i in range(3)},
        },
    )
    orders.run("git checkout -q -b branch")
    printed = {line: orders.run(line) for line in commands("README.md") if line not in NOT_RUN}
    for line in ("pytest --flame-against=HEAD", "pytest --flame-against=main..."):
        assert "test_parse  pass, same code" in printed[line]
    assert "new baseline" in printed["pytest --flame-update"] or "written" in printed["pytest --flame-update"]
    assert "test_parse  pass, same code" in printed["pytest --flame"]
    assert (tmp_path / "out.svg").exists()
    assert (tmp_path / "diff.html").exists()


LEXER = """\
from io import TextIOBase
from itertools import cycle, islice

from sqlparse import tokens


class Lexer:
    def __init__(self):
        self._keywords = [{f"WORD{i}{j}": tokens.Keyword for j in range(20)} for i in range(9)] + [{"SELECT": 1}]

    def is_keyword(self, value):
        val = value.upper()
        for kwdict in self._keywords:
            if val in kwdict:
                return kwdict[val], value
        else:
            return tokens.Name, value


def tokenize(sql):
    lexer = Lexer()
    assert not isinstance(sql, TextIOBase)
    return [lexer.is_keyword(word) for word in islice(cycle(sql.split()), 1250)]
"""


def changed(source: str, diff: str) -> str:
    """The source with a page's diff, which has no line numbers, applied."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if not line.startswith("+"))
        assert source.count(old) == 1
        source = source.replace(old, "".join(line[1:] for line in lines if not line.startswith("-")))
    return source


def test_tutorial(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    sqlparse = Folder(
        tmp_path,
        {
            "pytest.ini": SHORT,
            ".gitignore": "flame-report/\n",
            "sqlparse/__init__.py": "",
            "sqlparse/tokens.py": "Name, Keyword = 'Name', 'Keyword'\n",
            "sqlparse/lexer.py": LEXER,
            "conftest.py": "",
            **{f"tests/test_{name}.py": "def test_it(): pass\n" for name in ("keywords", "tokenize")},
        },
    )
    sqlparse.write("tests/test_performance.py", blocks(page, "python")[0])
    plain, same, others, slower, restore = (line for line in commands("docs/tutorial.md") if line not in NOT_RUN)
    assert "1 passed" in sqlparse.run(plain)
    assert "test_tokenize  pass, same code" in sqlparse.run(same)
    sqlparse.write("sqlparse/lexer.py", changed(LEXER, blocks(page, "diff")[0]))
    assert "2 passed" in sqlparse.run(others)
    assert "changed: function sqlparse.lexer:Lexer.is_keyword" in sqlparse.run(slower, 0, 1)
    sqlparse.run(restore)
    assert (tmp_path / "sqlparse" / "lexer.py").read_text(encoding="utf-8") == LEXER


def test_what_is_not_run_is_still_in_a_page() -> None:
    assert set(NOT_RUN) <= {*commands("README.md"), *commands("docs/tutorial.md"), "sh ci/docs.sh"}
