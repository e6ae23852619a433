"""``flame init``: what it finds out, what it writes, and that nothing that was there is changed."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.cli.found_project import look_at

from .conftest import Flame

TESTS = "import pytest\n\n\n@pytest.mark.flame\ndef test_it():\n    pass\n"
PYPROJECT = """\
# kept as it is written
[project]
name = "shop"
version="1"   # odd spacing
requires-python = ">=3.11"
[project.optional-dependencies]
test=["pytest"]

[tool.pytest.ini_options]
testpaths = [ "tests" ] # here

[tool.ruff]
line-length=99
"""


@pytest.fixture
def shop(tmp_path: Path, flame: Flame) -> Checkout:
    """The working directory, as a clone of a project on GitHub."""
    made = Checkout(tmp_path)
    made.git("init", "-q", "-b", "trunk")
    made.write("pyproject.toml", PYPROJECT)
    made.write("src/shop/__init__.py", "")
    made.write("tests/test_it.py", TESTS)
    made.commit()
    made.git("remote", "add", "origin", "git@github.com:me/shop.git")
    made.git("update-ref", "refs/remotes/origin/trunk", "HEAD")
    made.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def test_settings_ignored_report_and_workflow(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    said = flame("init")
    assert said.status == 0, said.err
    added = 'flame_against = "origin/trunk..."\n'
    added += 'flame_source_url = "https://github.com/me/shop/blob/{commit}/{path}#L{line}"\n'
    assert read(tmp_path, "pyproject.toml") == PYPROJECT.replace("# here\n", f"# here\n{added}")
    assert read(tmp_path, ".gitignore") == "/flame-report/\n"
    workflow = read(tmp_path, ".github/workflows/flame.yml")
    for line in (
        "fetch-depth: 0 ",
        "python-version-file: pyproject.toml",
        "- run: pip install -e '.[test]' pytest-flame",
        '- run: pytest --flame-only --flame-against="origin/$GITHUB_BASE_REF..." --flame-markdown=flame.md',
    ):
        assert line in workflow
    assert "wrote     .github/workflows/flame.yml" in said.out
    assert said.out.endswith(
        "next:\n  git add pyproject.toml .gitignore .github/workflows/flame.yml\n  pytest --flame-only\n"
    )


def test_a_second_run_changes_nothing(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    flame("init")
    before = contents(tmp_path)
    said = flame("init")
    assert contents(tmp_path) == before
    assert said.status == 0 and "wrote" not in said.out and "extended" not in said.out
    assert flame("init", "--dry-run").out.startswith("\nnext:")


def test_a_dry_run_shows_what_a_run_does(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    before = contents(tmp_path)
    shown = flame("init", "--dry-run").out
    assert contents(tmp_path) == before
    patch = shown.partition("\n\nnext:")[0].partition("\nfound ")[0] + "\n"
    flame("init")
    after = contents(tmp_path)
    shop.git("checkout", "-q", "--", ".")
    shop.git("clean", "-fdq")
    (tmp_path / ".git" / "patch").write_text(patch, encoding="utf-8")
    shop.git("apply", ".git/patch")
    assert contents(tmp_path) == after


def test_what_is_there_stays(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    shop.write("pyproject.toml", PYPROJECT.replace("# here\n", '# here\nflame_against = "v1"\n'))
    shop.write(".gitignore", "*.pyc\nflame-report")
    shop.write(".github/workflows/flame.yml", "name: mine\n")
    said = flame("init")
    assert 'flame_against = "v1"\nflame_source_url' in read(tmp_path, "pyproject.toml")
    assert read(tmp_path, ".gitignore") == "*.pyc\nflame-report"
    assert read(tmp_path, ".github/workflows/flame.yml") == "name: mine\n"
    assert "unchanged .github/workflows/flame.yml: it is there already and stays as it is" in said.out


@pytest.mark.parametrize(
    ("name", "text", "after"),
    [
        ("pytest.ini", "[pytest]\naddopts = -q\n", "[pytest]\nflame_against = origin/trunk...\nX\naddopts = -q\n"),
        ("tox.ini", "[tox]\n[pytest]\n# c\n", "[tox]\n[pytest]\nflame_against = origin/trunk...\nX\n# c\n"),
        ("setup.cfg", "[tool:pytest]\n", "[tool:pytest]\nflame_against = origin/trunk...\nX\n"),
        ("pytest.ini", "", "[pytest]\nflame_against = origin/trunk...\nX\n"),
        ("pytest.ini", "[pytest]\r\n", "[pytest]\r\nflame_against = origin/trunk...\r\nX\r\n"),
        ("pytest.toml", "[pytest]\n", '[pytest]\nflame_against = "origin/trunk..."\nX\n'),
        ("pyproject.toml", "", '[tool.pytest.ini_options]\nflame_against = "origin/trunk..."\nX\n'),
        (
            "pyproject.toml",
            "[tool.ruff]\na = 1\n",
            '[tool.ruff]\na = 1\n\n[tool.pytest.ini_options]\nflame_against = "origin/trunk..."\nX\n',
        ),
        ("pyproject.toml", "[tool.pytest]\na = 1\n", '[tool.pytest]\na = 1\nflame_against = "origin/trunk..."\nX\n'),
        (
            "pyproject.toml",
            '[tool]\npytest.ini_options.a = "1"\n',
            '[tool]\npytest.ini_options.a = "1"\npytest.ini_options.flame_against = "origin/trunk..."\nY\n',
        ),
    ],
)
def test_each_settings_file_keeps_its_form(
    flame: Flame, shop: Checkout, tmp_path: Path, name: str, text: str, after: str
) -> None:
    (tmp_path / "pyproject.toml").unlink()
    if text or name == "pytest.ini":
        (tmp_path / name).write_bytes(text.encode())
    else:
        (tmp_path / name).write_text("[build-system]\nrequires = []\n", encoding="utf-8")
    said = flame("init", "--ci=none")
    assert said.status == 0, said.err
    written = (tmp_path / name).read_bytes().decode()
    url = "https://github.com/me/shop/blob/{commit}/{path}#L{line}"
    quoted = f'"{url}"' if name.endswith(".toml") else url
    expected = after.replace("X", f"flame_source_url = {quoted}").replace(
        "Y", f'pytest.ini_options.flame_source_url = "{url}"'
    )
    if name == "pyproject.toml" and not text:
        expected = f"[build-system]\nrequires = []\n\n{expected}"
    if name.endswith(".toml"):
        assert tomllib.loads(written) == tomllib.loads(expected)
    assert written == expected or "\npytest." in text


def test_pytest_reads_what_was_written(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "pytest.ini"):
        (tmp_path / "pytest.ini").unlink(missing_ok=True)
        if name == "pytest.ini":
            (tmp_path / name).write_text("[pytest]\n", encoding="utf-8")
        assert flame("init").status == 0
        code = (
            "import pytest; c = pytest.Config.fromdictargs({}, []); print(c.getini('flame_source_url'), c.inipath.name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.split()
        assert done == ["https://github.com/me/shop/blob/{commit}/{path}#L{line}", name]


@pytest.mark.parametrize(
    ("files", "install"),
    [
        ({"pyproject.toml": "[project]\nname='a'\n[project.optional-dependencies]\ndev=[]\n"}, "-e '.[dev]'"),
        ({"pyproject.toml": "[project]\nname='a'\n[dependency-groups]\ntest=[]\n"}, "-e . --group test"),
        ({"pyproject.toml": "[tool.ruff]\n", "requirements-dev.txt": ""}, "-r requirements-dev.txt"),
        ({"setup.py": "", "requirements/test.txt": ""}, "-e . -r requirements/test.txt"),
        ({"tests/test_a.py": ""}, ""),
    ],
)
def test_how_a_project_is_installed(tmp_path: Path, files: dict[str, str], install: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert " ".join(look_at(tmp_path).install) == install


def test_compiled_projects_get_an_installation_for_each_side(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    shop.write("src/shop/fast.pyx", "")
    flame("init", "--ci=none")
    assert 'flame_base_install = "pip install ."' in read(tmp_path, "pyproject.toml")


def test_stored_baselines_stay_what_a_project_compares_with(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    (tmp_path / "flame-baselines").mkdir()
    flame("init", "--ci=none")
    assert "flame_against" not in read(tmp_path, "pyproject.toml")


def test_a_project_below_its_repository(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    shop.write("services/a b/pyproject.toml", PYPROJECT)
    shop.write("services/a b/tests/test_b.py", "def test_b(benchmark):\n    pass\n")
    said = flame("init", "services/a b")
    workflow = read(tmp_path, ".github/workflows/flame.yml")
    assert 'working-directory: "services/a b"' in workflow
    assert 'path: "services/a b/flame-report"' in workflow
    assert "hashFiles('services/a b/flame.md')" in workflow
    assert "pytest --flame-all " in workflow
    assert "benchmarks of another plugin in tests/test_b.py" in said.out
    (added,) = [line for line in said.out.splitlines() if line.startswith("  git add ")]
    assert "services/a b/pyproject.toml" in shlex.split(added)


def test_gitlab(flame: Flame, shop: Checkout, tmp_path: Path) -> None:
    flame("init", "--ci=gitlab")
    text = read(tmp_path, ".gitlab-ci.yml")
    assert "pytest --flame-only --flame-against=FETCH_HEAD..." in text and "GIT_DEPTH: 0" in text
    assert not (tmp_path / ".github").exists()
    assert "unchanged .gitlab-ci.yml" in flame("init", "--ci=gitlab").out
    shop.write(".gitlab-ci.yml", "stages: [test]\n")
    said = flame("init", "--ci=gitlab")
    assert read(tmp_path, ".gitlab-ci.yml") == "stages: [test]\n"
    assert read(tmp_path, ".gitlab/flame.yml") == text
    assert "include: [{local: .gitlab/flame.yml}]" in said.out


def test_without_git_or_ci(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_a():\n    pass\n", encoding="utf-8")
    said = flame("init")
    assert said.status == 0
    assert "no commit to compare with" in said.out and "flame init --ci=github" in said.out
    assert set(contents(tmp_path)) == {"tests/test_a.py", ".gitignore"}
    assert said.out.endswith("next:\n  pytest --flame-all\n")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "is not the folder of a Python project"),
        ({"pyproject.toml": "[tool"}, "pyproject.toml is not TOML"),
        ({"pytest.ini": "addopts"}, "pytest.ini cannot be read"),
    ],
)
def test_what_it_cannot_read_is_an_error(flame: Flame, tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = contents(tmp_path)
    got = flame("init")
    assert got.status == 2 and said in got.err and "fix:" in got.err
    assert contents(tmp_path) == before
