"""What the documentation's site has beside the files of ``docs/``: a hook of MkDocs (``hooks`` in ``mkdocs.yml``).

The reference of options, commands, hooks and the JSON result is made from the code each time, so it cannot go out of
date. README, changelog and the like become pages, too. Links that lead out of ``docs/`` lead to these pages; files that
have none are named without a link.
"""

from __future__ import annotations

import argparse
import inspect
import posixpath
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_flame import hookspecs, in_worker, marker, options
from pytest_flame.cli import command
from pytest_flame.render.json import schema

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
OUTSIDE: Final = {
    "index.md": "README.md",
    "changes.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "example-project.md": "example_project/README.md",
}
"""Pages from files outside ``docs/``, by the page's name."""
_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


# --- the hook -----------------------------------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of ``docs/``."""
    from mkdocs.structure.files import File

    for name, source in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where their targets are in the site."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, page: str) -> str:
    """The page with its links changed; those in code stay."""
    parts = _FENCE.split(markdown)
    return "".join(part if i % 2 else _LINK.sub(lambda m: _relink(m, page), part) for i, part in enumerate(parts))


def _relink(found: re.Match[str], page: str) -> str:
    picture, text, link = found.groups()
    file, _, anchor = link.partition("#")
    if not file or re.match(r"\w+:", file):
        return found[0]
    place = posixpath.dirname(OUTSIDE.get(page, f"docs/{page}"))
    target = posixpath.normpath(posixpath.join(place, file))
    names = {source: name for name, source in OUTSIDE.items()}
    if target in names:
        name = names[target]
    elif target.startswith("docs/") and (ROOT / target).is_file():
        name = target.removeprefix("docs/")
    elif not (ROOT / target).exists():
        return found[0]  # MkDocs says so
    else:
        return text if text == f"`{target}`" else f"{text} (`{target}`)"
    way = posixpath.relpath(name, posixpath.dirname(page) or ".")
    return f"{picture}[{text}]({way}{'#' if anchor else ''}{anchor})"


# --- pages made from the code -------------------------------------------------------------------------------------


class _Collected:
    """Stands in for pytest's parser and keeps what is added to it."""

    def __init__(self) -> None:
        self.flags: dict[str, Mapping[str, Any]] = {}
        self.inis: dict[str, str] = {}

    def getgroup(self, *_: str) -> _Collected:
        return self

    def addoption(self, flag: str, **attributes: Any) -> None:
        self.flags[flag] = attributes

    def addini(self, name: str, help: str, **_: Any) -> None:  # as pytest names it
        self.inis[name] = help


def options_page() -> str:
    """Every option with its ini value and help text, every ini value without an option, the marker's arguments."""
    collected = _Collected()
    options.add_options(collected)  # type: ignore[arg-type]
    inis = dict(collected.inis)
    parts = ["# Options", "As `pytest --help` shows them. [Usage](../usage.md#options) explains more."]
    for flag, attributes in collected.flags.items():
        ini = flag.removeprefix("--").replace("-", "_")
        value = f"={attributes['metavar']}" if "metavar" in attributes else ""
        value = f"[{value}]" if attributes.get("nargs") == "?" else value
        also = f" In an ini file: `{ini}`." if inis.pop(ini, None) else ""
        parts += [f"## `{flag}`", f"`{flag}{value}`", _prose(str(attributes["help"]).replace("%%", "%")) + also]
    parts.append("## Ini values without an option")
    parts.append("\n".join(f"- `{name}`: {text}" for name, text in inis.items()))
    parts += ["## The marker", f"```text\n@pytest.mark.{marker.MARKER_HELP.partition(':')[0]}\n```"]
    parts.append("\n".join(f"- `{name}`: {expects}" for name, (expects, _) in marker.ARGUMENTS.items()))
    return _page(parts)


def commands_page() -> str:
    """The help of ``flame`` and of each of its commands."""
    parts = ["# The flame command: help texts", "[The flame command](../commands.md) explains it."]
    for name, one in _commands(command.parser()):
        one.formatter_class = _Wide
        parts += [f"## {name}", f"```text\n{one.format_help().rstrip()}\n```"]
    return _page(parts)


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Does not depend on the terminal in which the site is built."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=110)


def _commands(whole: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield whole.prog, whole
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((one.prog, one) for one in action.choices.values())


def hooks_page() -> str:
    """The hooks that conftest files can implement, and the package's public functions."""
    from pytest_flame.profiling.profiler import Profiler
    from pytest_flame.profiling.result import ProfileResult

    parts = ["# Hooks and functions", "## Hooks"]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        arguments = ", ".join(inspect.signature(hook).parameters)
        parts += [f"### `{name}`", f"```python\ndef {name}({arguments}): ...\n```", _documented(hook)]
    parts.append("## Functions and classes of `pytest_flame`")
    for thing in (in_worker, Profiler, ProfileResult):
        parts += [f"### `{thing.__name__}`", _signature(thing), _documented(thing)]
        if inspect.isclass(thing):
            for name, member in vars(thing).items():
                if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member)):
                    parts += [f"#### `{thing.__name__}.{name}`", _signature(member), _documented(member)]
    return _page(parts)


def _signature(thing: Any) -> str:
    if isinstance(thing, property):
        return ""
    parameters = inspect.signature(thing).parameters.values()
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters if p.name != "self"]
    shown = ", ".join(str(p) for p in plain)
    return f"```python\n{thing.__name__}({shown})\n```"


def _documented(thing: Any) -> str:
    """A docstring as Markdown: its indented examples after ``::`` as code, its literals with single backticks."""
    text = re.sub(r"``([^`]+)``", r"`\1`", inspect.getdoc(thing) or "")
    return re.sub(r"::\n\n((?:    .*\n?|\n)+)", _as_code, text)


def _as_code(found: re.Match[str]) -> str:
    return f":\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n"


def result_page() -> str:
    """Every field of the JSON result, from its schema."""
    whole = schema()
    parts = ["# JSON result", str(whole["description"]), "`pytest --flame-json=FILE` writes it; [an example and what"]
    parts[-1] += " it is for](../formats.md#the-result). `[]` is each element of a list, `*` each value of an object."
    rows = [f"| `{path}` | {kind} | {_cell(text)} |" for path, kind, text in _fields(whole, "")]
    parts.append("\n".join(["| field | type | meaning |", "|---|---|---|", *rows]))
    return _page(parts)


def _fields(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """Path, type and meaning of each field below a part of the schema."""
    for name, field in node.get("properties", {}).items():
        place = f"{path}.{name}".lstrip(".")
        kinds, inner = _kinds(field)
        yield place, " or ".join(kinds), _meaning(field)
        for one, suffix in inner:
            yield from _fields(one, place + suffix)


def _kinds(field: Mapping[str, Any]) -> tuple[list[str], list[tuple[Mapping[str, Any], str]]]:
    """The types a field can have, and the objects inside it, each with what its path gets appended."""
    kinds: list[str] = []
    inner: list[tuple[Mapping[str, Any], str]] = []
    for one in field.get("oneOf", field.get("anyOf", [field])):
        one = _resolved(one)
        types = one.get("type", [])
        kinds += [types] if isinstance(types, str) else types
        inner.append((one, ""))
        for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(one.get(key), Mapping):
                inner += [(deep, suffix + more) for deep, more in _kinds(_resolved(one[key]))[1]]
    return kinds or ["string"], inner


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref", "")
    if not reference:
        return node
    found: Any = schema()
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}


def _meaning(field: Mapping[str, Any]) -> str:
    field = _resolved(field)
    texts = [field.get("description", "")]
    texts += [_resolved(one).get("description", "") for one in field.get("oneOf", ())]
    if "enum" in field:
        texts.append(", ".join(f"`{value}`" for value in field["enum"]))
    if "const" in field:
        texts.append(f"`{field['const']}`")
    return ". ".join(text.rstrip(".") for text in dict.fromkeys(texts) if text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _prose(text: str) -> str:
    """A help text as a sentence; what Markdown would take for its own signs stays as it is."""
    text = re.sub(r"([*_<>\[\]{}])", r"\\\1", text)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/options.md": options_page,
    "reference/command-line.md": commands_page,
    "reference/hooks.md": hooks_page,
    "reference/result.md": result_page,
}
"""Pages that the code describes."""
