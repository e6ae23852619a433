"""The report directory: writes the page and its pictures, and touches nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_flame.atomic import write_text
from pytest_flame.baseline.slug import slug
from pytest_flame.errors import UsageError
from pytest_flame.links import NO_LINKS, Links
from pytest_flame.model import Judgement, Profile, Recording, RunResult, Verdict
from pytest_flame.render import units
from pytest_flame.render.colour import DARK
from pytest_flame.render.drawn import Drawn
from pytest_flame.render.html import Pictures, result_html
from pytest_flame.render.interactive_svg import interactive_svg
from pytest_flame.render.listing import Texts
from pytest_flame.render.picture import differential_picture
from pytest_flame.render.svg import profile_svg, static_svg

INDEX: Final = "index.html"
MANIFEST: Final = ".flame-report.json"
_KINDS: Final = ("diff", "base", "head", "interactive")
"""Of pictures that the page links to."""
_DARK: Final = "dark"
"""Of pictures for pages with a dark background."""
_OWN_NAME: Final = re.compile(rf"index\.html|[\w.-]+\.({'|'.join((*_KINDS, _DARK))})\.svg", re.ASCII)


def write_report(result: RunResult, directory: Path, *, texts: Texts | None = None, links: Links = NO_LINKS) -> Path:
    """Write ``index.html`` and, for each test, the pictures it has data for; return the page's path.

    A manifest lists the report's files. Those of an earlier run that are not written again are removed; any other file
    is left alone, and one that is in the report's way raises UsageError before anything is changed. Every file is
    written atomically.
    """
    documents, pictures = _documents(result)
    documents[INDEX] = result_html(result, pictures, texts=texts, links=links)
    return write_documents(documents, directory)


def write_merged_report(result: RunResult, directory: Path, folders: Mapping[str, Path]) -> Path:
    """Like ``write_report``, for a result without profiles: the pictures of each test are copied from the report of the
    run that measured it, in ``folders``; where there is none, the page says no more than the result."""
    documents: dict[str, str] = {}
    pictures: dict[str, Pictures] = {}
    for test_id, folder in folders.items():
        found = {kind: folder / f"{slug(test_id)}.{kind}.svg" for kind in (*_KINDS, _DARK)}
        copied = {kind: file for kind, file in found.items() if file.is_file()}
        documents |= {file.name: file.read_text(encoding="utf-8") for file in copied.values()}
        diff, base, head, interactive = (copied[kind].name if kind in copied else None for kind in _KINDS)
        pictures[test_id] = Pictures(diff, base, head, interactive)
    documents[INDEX] = result_html(result, pictures)
    return write_documents(documents, directory)


def write_documents(documents: Mapping[str, str], directory: Path) -> Path:
    """The files of a report, by name; as ``write_report`` writes them."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"the report cannot be written to {directory}", why=str(error), fix=_FIX) from error
    earlier = _read_manifest(directory)
    for name in sorted(documents):
        file = directory / name
        if file.is_symlink() or (name not in earlier and file.exists()):
            raise UsageError(
                f"{file} is in the way of the report",
                why="no earlier report wrote it, so it is not replaced",
                fix=_FIX,
            )
    _write_manifest(directory, earlier | documents.keys())
    for name, text in documents.items():
        write_text(directory / name, text)
    for name in earlier - documents.keys():
        (directory / name).unlink(missing_ok=True)
    _write_manifest(directory, set(documents))
    return directory / INDEX


def light_picture(test_id: str) -> str:
    """The name of the file with the test's differential flame graph."""
    return f"{slug(test_id)}.diff.svg"


def dark_picture(test_id: str) -> str:
    """The same for pages with a dark background; there is one for each test that regressed."""
    return f"{slug(test_id)}.{_DARK}.svg"


_FIX: Final = "choose another directory with --flame-report=DIR"


def _documents(result: RunResult) -> tuple[dict[str, str], dict[str, Pictures]]:
    documents: dict[str, str] = {}
    pictures: dict[str, Pictures] = {}
    for judgement in result.judgements:
        stem = slug(judgement.test_id)
        drawn = Drawn.of(judgement)
        svgs = _svgs(judgement, drawn)
        names = {kind: f"{stem}.{kind}.svg" for kind in svgs}
        documents |= {names[kind]: svg for kind, svg in svgs.items()}
        if drawn.comparison is not None and judgement.verdict is Verdict.REGRESSED:
            documents[dark_picture(judgement.test_id)] = static_svg(
                differential_picture(judgement, tree=drawn.tree), palette=DARK
            )
        pictures[judgement.test_id] = Pictures(**names, drawn=drawn)
    return documents, pictures


def _svgs(judgement: Judgement, drawn: Drawn) -> dict[str, str]:
    svgs: dict[str, str] = {}
    if drawn.comparison is not None:
        picture = differential_picture(judgement, tree=drawn.tree)
        svgs["diff"] = static_svg(picture)
        if judgement.verdict is not Verdict.PASS:
            svgs["interactive"] = interactive_svg(picture)
    for side, profile, recording in (("base", drawn.base, judgement.base), ("head", drawn.head, judgement.head)):
        if profile is not None and recording is not None:
            svgs[side] = _side_svg(judgement.test_id, side, profile, recording)
    return svgs


def _side_svg(test_id: str, side: str, profile: Profile, recording: Recording) -> str:
    processes = units.count(len(recording.processes), "process", "processes")
    return profile_svg(
        profile, test_id, subtitle=f"{side}: {units.cost(profile.metric, profile.total)} per iteration, {processes}"
    )


def _read_manifest(directory: Path) -> set[str]:
    """Files of an earlier report. A manifest that cannot be read, or names anything else, is ignored."""
    try:
        names = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
    if not isinstance(names, list):
        return set()
    return {name for name in names if isinstance(name, str) and _OWN_NAME.fullmatch(name)}


def _write_manifest(directory: Path, names: set[str]) -> None:
    write_text(
        directory / MANIFEST, json.dumps({"schema": "pytest-flame/report/1", "files": sorted(names)}, indent=1) + "\n"
    )
