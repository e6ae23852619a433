"""Runs the gate on two commits: real pytest processes, of which nothing is left and nothing reaches the checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_flame.errors import FlameError, UsageError
from pytest_flame.trees.scratch import Scratch

_REFUSED: Final = 4
"""``pytest.ExitCode.USAGE_ERROR``, without importing pytest here: also a commit that could not be installed."""
_LAST_LINES: Final = 12
_MOST_NAMED: Final = 3


class NotMeasured(FlameError):
    """One of the two commits could not be installed, or the test skips itself there."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One test at two commits, base and head. ``test`` is its entry in the gate's JSON result."""

    test: Mapping[str, Any]
    alpha: float

    @property
    def verdict(self) -> str:
        return str(self.test["verdict"])

    @property
    def reason(self) -> str:
        return str(self.test["reason"])

    @property
    def is_executed(self) -> bool:
        """Whether the test passes at head."""
        return self.verdict not in ("ERROR", "NEW")

    @property
    def why_not_executed(self) -> str:
        """One line."""
        last = [line.removeprefix("E ").strip() for line in (self.test["details"] or "").splitlines() if line.strip()]
        return f"{self.reason}: {last[-1]}" if last and last[-1] not in self.reason else self.reason

    @property
    def is_slower(self) -> bool | None:
        """None: not clear."""
        return {"REGRESSED": True, "ACCEPTED": True, "PASS": False, "IMPROVED": False}.get(self.verdict)

    @property
    def same_code(self) -> bool:
        exact = self.test["exact"]
        return exact is not None and bool(exact["same_code"])

    def code(self, side: str) -> str | None:
        """A hash of all that the test executes on a side, ``base`` or ``head``; None if that is not fully known."""
        exact = self.test["exact"]
        if exact is None or exact["unknown"]:
            return None
        if side == "base" or exact["same_code"]:
            return str(exact["base_digest"])
        return " ".join([exact["head_digest"], json.dumps(exact["calls"])])


@dataclass(frozen=True, slots=True)
class GateRuns:
    """``arguments`` are pytest's, as if run in ``directory``; they select one test."""

    scratch: Scratch
    directory: Path
    arguments: Sequence[str]

    def compare(self, base: str, head: str, *, timed: bool, alpha: float | None = None) -> Compared:
        """``timed``: what is not proved to be the same is measured. ``alpha`` replaces that of the settings.

        Raises ``NotMeasured``, and ``UsageError`` if no commits can be measured like this.
        """
        status, result = self._run(base, head, timed=timed, alpha=alpha)
        if result is None:
            raise (NotMeasured if status == _REFUSED else UsageError)(
                "pytest measured nothing",
                why="\n       ".join(["its last output:", *self._last_output()]),
                fix="TEST has to be a test with @pytest.mark.flame or the fixture flame, which pytest "
                "--flame-only TEST measures here",
            )
        tests = result["tests"]
        if not tests:
            raise NotMeasured("the test has no cost", why="it is skipped, or expected to fail")
        if len(tests) > 1:
            named = ", ".join(test["id"] for test in tests[:_MOST_NAMED])
            more = f" and {len(tests) - _MOST_NAMED} more" if len(tests) > _MOST_NAMED else ""
            raise UsageError(
                f"{len(tests)} tests are measured: {named}{more}",
                why="the search is for the commit that made one of them slower",
                fix="name one test: FILE::TEST, or with its parameters 'FILE::TEST[PARAMETERS]'",
            )
        return Compared(tests[0], float(result["alpha"]))

    def _run(self, base: str, head: str, *, timed: bool, alpha: float | None) -> tuple[int, Any]:
        """pytest's exit status and its JSON result; None if it wrote none."""
        folder = self.scratch.path
        result = folder / "result.json"
        result.unlink(missing_ok=True)
        words = [
            *(sys.executable, "-B", "-m", "pytest", *self.arguments),  # -B: no bytecode in the checkout
            *("--flame-only", f"--flame-against={base}", f"--flame-head={head}"),
            f"--flame-measure={'affected' if timed else 'none'}",
            *(f"--flame-json={result}", f"--flame-report={folder / 'report'}", f"--flame-markdown={folder / 'all.md'}"),
            *("-o", f"cache_dir={folder / 'cache'}"),
        ]
        if alpha is not None:
            words.append(f"--flame-alpha={alpha!r}")
        with self._output.open("wb") as output:
            # In a session of its own: Ctrl-C reaches it once, from here.
            child = subprocess.Popen(
                words,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.scratch.guard(child.pid)
        try:
            status = child.wait()
        except BaseException:
            child.send_signal(signal.SIGINT)
            try:
                child.wait()  # it ends its workers and removes its copies
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
            raise
        finally:
            self.scratch.release(child.pid)
        written = result.read_bytes() if result.is_file() else None
        return status, None if written is None else json.loads(written)

    @property
    def _output(self) -> Path:
        return self.scratch.path / "output.txt"

    def _last_output(self) -> list[str]:
        lines = self._output.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if line.strip()][-_LAST_LINES:]
