"""What can be found out about a project without asking: its settings, tests, installation, branch and CI."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_flame.errors import UsageError
from pytest_flame.git import Repository
from pytest_flame.git_program import GitError

_MARKED: Final = re.compile(r"\bmark\.flame\b|^\s*(async )?def test_\w*\([^)]*\bflame\b", re.MULTILINE)
_BENCHMARKED: Final = re.compile(r"\bmark\.benchmark\b|^\s*(async )?def test_\w*\([^)]*\bbenchmark\b", re.MULTILINE)
_TEST_FILE: Final = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_COMPILED: Final = re.compile(r"\.(pyx|rs)$|(^|/)(CMakeLists\.txt|meson\.build)$")
_EXTENSION: Final = re.compile(r"\bext_modules\b|\bcffi_modules\b|\brust_extensions\b")
_SKIPPED: Final = frozenset({".git", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__", "build", "dist"})
_EXTRAS: Final = ("test", "tests", "testing", "dev")
_REQUIREMENTS: Final = (
    *("requirements-test.txt", "requirements-tests.txt", "requirements-dev.txt", "test-requirements.txt"),
    *("dev-requirements.txt", "requirements/test.txt", "requirements/dev.txt", "requirements.txt"),
)
_GITHUB: Final = re.compile(r"github\.com[:/]+(?P<name>[\w.-]+/[\w.-]+?)(\.git)?/?$")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where pytest reads its settings from, or will."""

    name: str
    table: tuple[str, ...]
    """Keys of the table in TOML, or the one section of an INI file."""
    exists: bool
    """Whether the table is there."""

    @property
    def toml(self) -> bool:
        return self.name.endswith(".toml")


@dataclass(frozen=True, slots=True)
class FoundProject:
    root: Path
    files: tuple[str, ...]
    """Relative to the root, without what git ignores."""
    config: ConfigFile
    settings: Mapping[str, Any]
    """pytest's, as they are now."""
    marked: tuple[str, ...]
    """Test files with a mark or the fixture of pytest-flame."""
    benchmarked: tuple[str, ...]
    """Test files with the fixture or the mark of another benchmark plugin."""
    install: tuple[str, ...]
    """Arguments of ``pip install``, one command each, that install the project and what its tests need."""
    compiled: bool
    """It builds modules of its own: one installation can't serve two commits."""
    python: str
    """The file that names the Python version for CI; empty if none does."""
    top: Path | None
    """The repository's; None if the project is in none."""
    base: str | None
    """The default branch, as git names it here: ``origin/main``, or ``main`` without a remote."""
    remote: str
    ci: tuple[str, ...]
    """``github`` and ``gitlab``, as far as they are used."""

    @property
    def below(self) -> str:
        """The project's folder in its repository, with ``/`` at the end; empty if it is the repository."""
        if self.top is None or self.root == self.top:
            return ""
        return f"{self.root.relative_to(self.top).as_posix()}/"

    @property
    def source_url(self) -> str:
        """The address of a source line on GitHub; empty if the remote is elsewhere."""
        found = _GITHUB.search(self.remote)
        return f"https://github.com/{found['name']}/blob/{{commit}}/{{path}}#L{{line}}" if found else ""


def look_at(folder: Path) -> FoundProject:
    """Raises ``UsageError`` for a folder without a Python project, or with a settings file that can't be read."""
    root = folder.resolve()
    if not root.is_dir():
        raise UsageError(f"{folder} is not a folder", fix="flame init DIR, the folder of a project")
    repository = _repository(root)
    files = tuple(sorted(_files(root, repository)))
    pyproject = _toml(root / "pyproject.toml")
    tests = [name for name in files if _TEST_FILE.search(name)]
    if not pyproject and not tests and not {"setup.py", "setup.cfg", "pytest.ini", "tox.ini"} & set(files):
        raise UsageError(
            f"{folder} is not the folder of a Python project",
            why="it has no pyproject.toml, setup.py or settings of pytest, and no tests",
            fix="cd to the project, or flame init DIR",
        )
    config, settings = _config(root, pyproject)
    texts = {name: _text(root / name) for name in tests}
    return FoundProject(
        root=root,
        files=files,
        config=config,
        settings=settings,
        marked=tuple(name for name, text in texts.items() if _MARKED.search(text)),
        benchmarked=tuple(name for name, text in texts.items() if _BENCHMARKED.search(text)),
        install=_install(root, files, pyproject),
        compiled=any(map(_COMPILED.search, files)) or bool(_EXTENSION.search(_text(root / "setup.py"))),
        python=_python(files, pyproject),
        top=repository.top if repository is not None else None,
        base=_base(repository),
        remote=_remote(repository),
        ci=tuple(_ci(root, repository)),
    )


# --- files -------------------------------------------------------------------------------------------------------


def _repository(root: Path) -> Repository | None:
    try:
        return Repository.find(root)
    except GitError:
        return None


def _files(root: Path, repository: Repository | None) -> Iterator[str]:
    if repository is not None:
        below = "" if root == repository.top else f"{root.relative_to(repository.top).as_posix()}/"
        for name in {*repository.index(), *repository.untracked()}:
            if name.startswith(below) and (repository.top / name).is_file():
                yield name.removeprefix(below)
        return
    for place, folders, names in os.walk(root):
        kept = (name for name in folders if name not in _SKIPPED)
        folders[:] = [name for name in kept if not Path(place, name, "pyvenv.cfg").exists()]
        yield from (Path(place, name).relative_to(root).as_posix() for name in names)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{path} is not TOML", why=str(e), fix="mend it, and run flame init again") from e


# --- settings ----------------------------------------------------------------------------------------------------


def _config(root: Path, pyproject: Mapping[str, Any]) -> tuple[ConfigFile, Mapping[str, Any]]:
    """As pytest chooses it; if there is none yet, pyproject.toml, or a new pytest.ini."""
    for name in ("pytest.toml", ".pytest.toml"):
        if (root / name).is_file():
            settings = _toml(root / name).get("pytest", {})
            return ConfigFile(name, ("pytest",), bool(settings)), settings
    for name in ("pytest.ini", ".pytest.ini"):
        if (root / name).is_file():
            ini = _ini(root / name)
            return ConfigFile(name, ("pytest",), ini.has_section("pytest")), _section(ini, "pytest")
    tool = pyproject.get("tool", {}).get("pytest", {})
    if "ini_options" in tool:
        return ConfigFile("pyproject.toml", ("tool", "pytest", "ini_options"), True), tool["ini_options"]
    if tool:
        return ConfigFile("pyproject.toml", ("tool", "pytest"), True), tool
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        if (root / name).is_file() and (ini := _ini(root / name)).has_section(section):
            return ConfigFile(name, (section,), True), _section(ini, section)
    if pyproject:
        return ConfigFile("pyproject.toml", ("tool", "pytest", "ini_options"), False), {}
    return ConfigFile("pytest.ini", ("pytest",), False), {}


def _ini(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(_text(path))
    except configparser.Error as e:
        why = " ".join(str(e).split())
        raise UsageError(f"{path} cannot be read", why=why, fix="mend it, and run flame init again") from e
    return parser


def _section(ini: configparser.ConfigParser, name: str) -> Mapping[str, Any]:
    return dict(ini[name]) if ini.has_section(name) else {}


# --- installation ------------------------------------------------------------------------------------------------


def _install(root: Path, files: Sequence[str], pyproject: Mapping[str, Any]) -> tuple[str, ...]:
    project = pyproject.get("project", {})
    extra = next((name for name in _EXTRAS if name in project.get("optional-dependencies", {})), None)
    group = next((name for name in _EXTRAS if name in pyproject.get("dependency-groups", {})), None)
    listed = next((name for name in _REQUIREMENTS if name in files), None)
    # A pyproject.toml may hold only settings of tools.
    installable = bool({"build-system", "project"} & pyproject.keys()) or "setup.py" in files
    found = []
    if installable:
        found.append(f"-e '.[{extra}]'" if extra else "-e .")
    if group and not extra:
        found.append(f"--group {group}")
    elif listed and not extra:
        found.append(f"-r {listed}")
    return tuple(found)


def _python(files: Sequence[str], pyproject: Mapping[str, Any]) -> str:
    if ".python-version" in files:
        return ".python-version"
    return "pyproject.toml" if pyproject.get("project", {}).get("requires-python") else ""


# --- git and CI --------------------------------------------------------------------------------------------------


def _base(repository: Repository | None) -> str | None:
    if repository is None:
        return None
    try:
        return repository.run("symbolic-ref", "--short", "refs/remotes/origin/HEAD").decode().strip()
    except GitError:
        known = ("origin/main", "origin/master", "main", "master")
        found = next((name for name in known if repository.known(name)), None)
    if found is not None:
        return found
    try:
        return repository.run("symbolic-ref", "--short", "HEAD").decode().strip()
    except GitError:  # detached
        return None


def _remote(repository: Repository | None) -> str:
    if repository is None:
        return ""
    try:
        return repository.run("config", "--get", "remote.origin.url").decode().strip()
    except GitError:
        return ""


def _ci(root: Path, repository: Repository | None) -> Iterator[str]:
    top, remote = repository.top if repository is not None else root, _remote(repository)
    if (top / ".github").is_dir() or "github.com" in remote:
        yield "github"
    if (top / ".gitlab-ci.yml").is_file() or "gitlab" in remote:
        yield "gitlab"
