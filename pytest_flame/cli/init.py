"""``flame init``: the few lines that gate a project, written where they belong. Nothing that is there is changed."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pytest_flame import atomic
from pytest_flame.cli.found_project import ConfigFile, FoundProject, look_at
from pytest_flame.errors import UsageError
from pytest_flame.render.text import printable

_IGNORED: Final = "/flame-report/"
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One file as it is and as it will be. ``before`` is None for a new file; equal texts: nothing to do."""

    path: Path
    before: str | None
    after: str
    what: str


def run(arguments: argparse.Namespace) -> int:
    project = look_at(Path(arguments.directory))
    ci = project.ci if arguments.ci is None else () if arguments.ci == "none" else (arguments.ci,)
    changes = planned(project, ci)
    for change in changes:
        if arguments.dry_run:
            print(shown(change, project), end="")
        else:
            _write(change)
            done = "unchanged" if change.before == change.after else "wrote" if change.before is None else "extended"
            print(printable(f"{done:<9} {_relative(change.path, project)}: {change.what}"))
    print("\n".join(map(printable, said(project, ci, changes))))
    return 0


def planned(project: FoundProject, ci: tuple[str, ...]) -> list[Change]:
    """All files concerned, also those that are complete."""
    settings = _settings(project)
    # Where no setting is needed, none needs a file.
    changes = [*([settings] if settings.before is not None or settings.after else []), _gitignore(project)]
    if "github" in ci:
        changes.append(_new(project, ".github/workflows/flame.yml", _github(project), "gates pull requests"))
    if "gitlab" in ci:
        there = (_top(project) / ".gitlab-ci.yml").is_file()
        # Another file's jobs can't be added to without changing how it is written.
        name = ".gitlab/flame.yml" if there and not _is_ours(_top(project) / ".gitlab-ci.yml") else ".gitlab-ci.yml"
        changes.append(_new(project, name, _gitlab(project), "gates merge requests"))
    return changes


def shown(change: Change, project: FoundProject) -> str:
    """As a diff; empty if there is nothing to do."""
    name = _relative(change.path, project)
    lines = difflib.unified_diff(
        (change.before or "").splitlines(keepends=True),
        change.after.splitlines(keepends=True),
        "/dev/null" if change.before is None else f"a/{name}",
        f"b/{name}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def said(project: FoundProject, ci: tuple[str, ...], changes: list[Change]) -> list[str]:
    """What was found, and the next command."""
    lines = []
    if project.benchmarked and not project.marked:
        lines.append(
            f"found     benchmarks of another plugin in {_named(project.benchmarked)}: mark those tests "
            "@pytest.mark.flame to gate them"
        )
    if project.base is None:
        lines.append("found     no commit to compare with: make one, or record baselines with pytest --flame-update")
    if not ci:
        lines.append("found     no CI: flame init --ci=github (or gitlab) writes a job for it")
    if any(change.path.name == "flame.yml" and change.path.parent.name == ".gitlab" for change in changes):
        lines.append("add       to .gitlab-ci.yml:  include: [{local: .gitlab/flame.yml}]")
    changed = [shlex.quote(_relative(change.path, project)) for change in changes if change.before != change.after]
    lines += ["", "next:"]
    if changed and project.top is not None:
        lines.append(f"  git add {' '.join(changed)}")
    return [*lines, f"  pytest {_select(project)}"]


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


# --- settings ----------------------------------------------------------------------------------------------------


def wanted(project: FoundProject) -> dict[str, str]:
    """The settings that a run can't find out by itself."""
    found: dict[str, str] = {}
    if project.base is not None and not (project.root / "flame-baselines").is_dir():
        found["flame_against"] = f"{project.base}..."
    if project.compiled:
        found["flame_base_install"] = "pip install ."
    if project.source_url:
        found["flame_source_url"] = project.source_url
    return found


def _settings(project: FoundProject) -> Change:
    config = project.config
    path = project.root / config.name
    before = _read(path)
    missing = {name: value for name, value in wanted(project).items() if name not in project.settings}
    edit = _with_toml if config.toml else _with_ini
    after = edit(before or "", config, missing) if missing else before or ""
    if missing and config.toml:
        _check_toml(config, before or "", after, missing)
    where = f"[{'.'.join(config.table)}]"
    what = f"{', '.join(missing)} in {where}" if missing else f"all that is needed is in {where}, or is the default"
    return Change(path, before, after, what)


def _with_toml(text: str, config: ConfigFile, missing: Mapping[str, str]) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for depth, key in enumerate(config.table):
        if key not in table:
            table[key] = tomlkit.table(is_super_table=depth < len(config.table) - 1)
        table = table[key]
    for name, value in missing.items():
        table[name] = value
    return str(tomlkit.dumps(document))


def _check_toml(config: ConfigFile, before: str, after: str, missing: Mapping[str, str]) -> None:
    """Whether exactly the missing settings were added."""
    expected = tomllib.loads(before)
    table = expected
    for key in config.table:
        table = table.setdefault(key, {})
    table.update(missing)
    try:
        same = tomllib.loads(after) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        lines = "\n       ".join(f"{name} = {json.dumps(value)}" for name, value in missing.items())
        raise UsageError(
            f"{config.name} is written in a way that cannot be extended safely; nothing was changed",
            fix=f"add these lines under [{'.'.join(config.table)}] yourself:\n       {lines}",
        )


def _with_ini(text: str, config: ConfigFile, missing: Mapping[str, str]) -> str:
    """After the section's heading, with the file's own line ends."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = "".join(f"{name} = {value}{end}" for name, value in missing.items())
    (section,) = config.table
    heading = re.search(rf"^\[{re.escape(section)}\][^\n]*\n", text, re.MULTILINE)
    if heading is not None:
        return text[: heading.end()] + lines + text[heading.end() :]
    ended = "" if not text or text.endswith("\n") else end
    blank = end if text else ""
    return f"{text}{ended}{blank}[{section}]{end}{lines}"


def _gitignore(project: FoundProject) -> Change:
    path = project.root / ".gitignore"
    before = _read(path)
    lines = {line.strip().strip("/") for line in (before or "").splitlines()}
    if _IGNORED.strip("/") in lines:
        return Change(path, before, before or "", "the report is ignored already")
    ended = "" if not before or before.endswith("\n") else "\n"
    end = "\r\n" if "\r\n" in (before or "") else "\n"
    return Change(path, before, f"{before or ''}{ended}{_IGNORED}{end}", _IGNORED)


# --- CI ----------------------------------------------------------------------------------------------------------


def _select(project: FoundProject) -> str:
    return "--flame-only" if project.marked else "--flame-all"


def _template(name: str, values: Mapping[str, str]) -> str:
    text = files("pytest_flame.cli").joinpath("templates", name).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text)


def _github(project: FoundProject) -> str:
    below = _yaml(project.below.rstrip("/"))
    file = project.below + project.python if project.python else ""
    return _template(
        "github.yml",
        {
            "DIRECTORY": f"    defaults:\n      run:\n        working-directory: {below}\n" if below else "",
            "PYTHON": f"python-version-file: {_yaml(file)}" if file else 'python-version: "3.x"',
            "INSTALL": "\n".join(f"      - run: {command}" for command in _install(project)),
            "SELECT": _select(project),
            "FILE": project.below.replace("'", "''"),
            "REPORT": _yaml(f"{project.below}flame-report"),
        },
    )


def _gitlab(project: FoundProject) -> str:
    enter = [f"cd {shlex.quote(project.below)}"] if project.below else []
    return _template(
        "gitlab.yml",
        {
            "IMAGE": "3",
            "INSTALL": "\n".join(f"    - {command}" for command in (*enter, *_install(project))),
            "SELECT": _select(project),
            "PATHS": ", ".join(_yaml(f"{project.below}{name}") for name in ("flame-report", "flame.md")),
        },
    )


def _yaml(text: str) -> str:
    """A YAML string; in quotes, as JSON has them, unless it is plain."""
    return text if re.fullmatch(r"[A-Za-z0-9_./-]*", text) else json.dumps(text)


def _install(project: FoundProject) -> list[str]:
    """One command for what is the project's own, and pytest-flame with it."""
    return [f"pip install {' '.join((*project.install, 'pytest-flame'))}"]


def _new(project: FoundProject, name: str, text: str, what: str) -> Change:
    path = _top(project) / name
    before = _read(path)
    if before is not None and before != text:
        return Change(path, before, before, "it is there already and stays as it is")
    return Change(path, before, text, f"{what} with pytest {_select(project)}")


def _is_ours(path: Path) -> bool:
    return (_read(path) or "").startswith("# Written by `flame init`")


# --- files -------------------------------------------------------------------------------------------------------


def _top(project: FoundProject) -> Path:
    return project.top or project.root


def _relative(path: Path, project: FoundProject) -> str:
    return path.relative_to(_top(project)).as_posix()


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8") if path.exists() else None
    except UnicodeDecodeError as e:
        raise UsageError(f"{path} is not UTF-8", why=f"byte {e.start}", fix="save it as UTF-8") from e


def _write(change: Change) -> None:
    if change.before != change.after:
        change.path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(change.path, change.after)
