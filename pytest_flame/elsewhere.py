"""``--flame-on``: the run's measured tests as a run on another host, whose result becomes this run's."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_flame import atomic
from pytest_flame.config import Settings
from pytest_flame.errors import FlameError, UsageError
from pytest_flame.gate.run import GateOutcome
from pytest_flame.invocation import options_left_out
from pytest_flame.judge import error
from pytest_flame.measure import arguments
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.seeing import option_parser
from pytest_flame.model import GateChanges, Judgement, RunResult
from pytest_flame.remote.host import Host, connected
from pytest_flame.render.documents import DOCUMENTS, Place
from pytest_flame.render.from_json import read_text, result_of
from pytest_flame.render.report import write_documents, write_merged_report
from pytest_flame.trees.identity import top_of

_STAYS: Final = frozenset(
    {"--flame-on", *(f"--flame-{name}" for name in DOCUMENTS), "--flame-report", "--flame-move"}
    | {"--flame-github", "--flame-source-url", "--flame-editor"}
)
"""Options of the gate that are this run's own."""
_NOT_SENT: Final = ("PYTEST_XDIST_", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_DEBUG_TEMPROOT")
_TAIL: Final = 40
"""Lines of output shown if the run there gave no result."""
_PROGRESS: Final = "flame: "
"""How lines of progress start."""


def measure_elsewhere(
    config: pytest.Config,
    settings: Settings,
    items: Mapping[str, pytest.Item],
    gate: GateChanges,
    skips_here: Callable[[str], bool],
    said: Callable[[str], None],
) -> GateOutcome:
    """Measures ``items`` (by id) on ``settings.on``; ``said`` shows a line. A test that has no verdict there has to
    skip itself here, too. ``gate`` are the changes to the gate: only this run has collected all tests. Raises
    ``FlameError``."""
    assert settings.on is not None
    top = top_of(config.rootpath) or config.rootpath
    if (top / ".git").is_file():
        raise UsageError(
            f"--flame-on: {top} is a worktree or a submodule",
            why="its history is in another folder, which is not sent",
            fix=f"use a clone: git clone {top} DIR",
        )
    with connected(settings.on, top, said) as host:
        _refuse_other_versions(host)
        said(f"measuring {len(items)} tests on {host.name}, Python {host.version}")
        host.send(top)
        document, files = _run(host, top, config, settings, items, said)
    result = result_of(document, f"the result from {host.name}")
    judged = {judgement.test_id for judgement in result.judgements}
    missing = [test_id for test_id in items if test_id not in judged]
    unmeasured = {
        test_id: WorkerResult(Status.SKIPPED, message=f"skipped on {host.name}")
        for test_id in missing
        if skips_here(test_id)
    }
    lost = tuple(
        error(test_id, f"it was not measured on {host.name}, and does not skip itself here")
        for test_id in missing
        if test_id not in unmeasured
    )
    result = replace(
        result,
        judgements=(*result.judgements, *lost),
        gate=gate,
        notes=(f"measured on {host.name}, Python {host.version}", *result.notes),
    )
    inside = _below(config.rootpath, top).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    report, unwritten = _write(result, document, files, settings, lost, prefix)
    return GateOutcome(
        result,
        unmeasured,
        frozenset(j.test_id for j in result.judgements if j.baseline_written is not None),
        {j.test_id: j.wall_s for j in result.judgements},
        report,
        tuple(unwritten),
        prefix,
    )


def _refuse_other_versions(host: Host) -> None:
    own = version("pytest-flame")
    if host.flame != own:
        found = f"has pytest-flame {host.flame}" if host.flame is not None else "has no pytest-flame"
        raise UsageError(
            f"{host.name}: {host.python} {found}, and this run is {own}",
            fix=f"ssh {host.name} {host.python} -m pip install pytest-flame=={own}",
        )


def _run(
    host: Host,
    top: Path,
    config: pytest.Config,
    settings: Settings,
    items: Mapping[str, pytest.Item],
    said: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The result, and the files that the run wrote: those of the report by name, baselines by path below the root."""
    directory = host.folder / _below(config.invocation_params.dir, top)
    root = host.folder / _below(config.rootpath, top)
    # Names of their own: what an earlier run left is never taken for this one's result.
    run = secrets.token_hex(8)
    written, report = host.folder / f".flame-{run}.json", host.folder / f".flame-{run}"
    words = _words(config, settings, top, host.folder)
    words += [f"--rootdir={root}", "--flame", f"--flame-json={written}", f"--flame-report={report}"]
    if config.inipath is not None:
        words += ["-c", str(host.folder / _below(config.inipath, top))]
    tests = [_argument(item, config, top, host.folder) for item in items.values()]
    command = [host.python, "-m", "pytest", *tests, *words]
    output: deque[str] = deque(maxlen=_TAIL)

    def read(line: str) -> None:
        output.append(line)
        if line.startswith(_PROGRESS):
            said(line.removeprefix(_PROGRESS))

    status = host.run(command, directory, _variables(top, host.folder), read)
    baselines = host.folder / _below(settings.baselines, top)
    wanted = [written, report, *([baselines] if settings.update is not None else [])]
    found = host.files(wanted)
    text = found.pop(written, None)
    if text is None:
        raise FlameError(f"the run on {host.name} ended with status {status} and no result", why="\n".join(output))
    files = {
        path.name if path.is_relative_to(report) else path.relative_to(root).as_posix(): content
        for path, content in found.items()
    }
    return read_text(text.decode("utf-8"), f"the result from {host.name}"), files


def _words(config: pytest.Config, settings: Settings, top: Path, there: Path) -> list[str]:
    """The options of the run that decide how tests run and are judged, with paths of the checkout as they are there."""
    given, _ = arguments.read([os.fspath(a) for a in config.invocation_params.args], option_parser(config))
    words = arguments.narrowed(given, options_left_out(config, settings.worker_drop))
    kept = [one for one in given if one.option.startswith("--flame") and one.option not in _STAYS]
    words += [word for one in kept for word in one.words() if word not in ("--flame", "--flame-only")]
    return [word.replace(str(top), str(there)) for word in words]


def _argument(item: pytest.Item, config: pytest.Config, top: Path, there: Path) -> str:
    """The test as an argument there."""
    path = there / _below(Path(item.path), top)
    names = item.nodeid.partition("::")[2]
    return f"{path}::{names}" if names else str(path)


def _variables(top: Path, there: Path) -> dict[str, str]:
    """pytest's own variables, and where this process finds the project's modules."""
    found = {n: v for n, v in os.environ.items() if n.startswith("PYTEST_") and not n.startswith(_NOT_SENT)}
    own = [there / _below(Path(p), top) for p in sys.path if p and Path(p).is_relative_to(top) and _is_source(Path(p))]
    return found | {"PYTHONPATH": os.pathsep.join(map(str, own))}


def _is_source(folder: Path) -> bool:
    return "site-packages" not in folder.parts and folder.is_dir()


def _below(path: Path, top: Path) -> Path:
    try:
        return path.relative_to(top)
    except ValueError:
        raise UsageError(f"--flame-on: {path} lies outside {top}, the folder that is sent") from None


def _write(
    result: RunResult,
    document: Mapping[str, Any],
    files: Mapping[str, bytes],
    settings: Settings,
    lost: Sequence[Judgement],
    prefix: str,
) -> tuple[Path | None, list[FlameError]]:
    """The files that the run there wrote, as this run's: report, result, comment and baselines; with the tests that
    were ``lost``."""
    unwritten: list[FlameError] = []
    report: Path | None = None
    try:
        for judgement in result.judgements:
            _write_baseline(judgement, files, settings)
        for name, path in settings.documents.items():
            place = Place(prefix, os.path.relpath(settings.report, path.parent))
            text = DOCUMENTS[name](result, place)
            _write_text(path, _with_tests(text, document["tests"]) if name == "json" else text)
        pages = {name: files[name].decode("utf-8") for name in _pages(files)}
        report = _with_lost(result, pages, settings) if lost else write_documents(pages, settings.report)
    except OSError as e:
        unwritten.append(FlameError(f"{e.filename or settings.report} cannot be written", why=e.strerror or str(e)))
    except FlameError as e:
        unwritten.append(e)
    return report, unwritten


def _with_tests(text: str, tests: Sequence[Any]) -> str:
    """Those of the run there have more than a result that was read."""
    written = json.loads(text)
    written["tests"][: len(tests)] = tests
    return json.dumps(written, indent=1, ensure_ascii=False) + "\n"


def _with_lost(result: RunResult, pages: Mapping[str, str], settings: Settings) -> Path:
    """The page there does not have them."""
    with tempfile.TemporaryDirectory(prefix="flame-") as name:
        folder = Path(name)
        write_documents(pages, folder)
        return write_merged_report(result, settings.report, {j.test_id: folder for j in result.judgements})


def _pages(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.endswith((".svg", ".html")) and "/" not in name]


def _write_baseline(judgement: Judgement, files: Mapping[str, bytes], settings: Settings) -> None:
    written = judgement.baseline_written
    if written is None or written not in files:
        return
    path = settings.root / written
    if not path.resolve().is_relative_to(settings.baselines.resolve()):
        raise FlameError(f"{written} is not below {settings.baselines}: it was not written")
    _write_text(path, files[written].decode("utf-8"))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)
