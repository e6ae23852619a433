"""pytest-flame's own hooks, for conftest files and other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_flame.baseline.store import Store
    from pytest_flame.judge import Rule
    from pytest_flame.model import Frame, Judgement, RunResult

hookspec = pluggy.HookspecMarker("pytest")


@hookspec
def pytest_flame_judged(item: pytest.Item, judgement: Judgement) -> None:
    """One test has its verdict; called before its report is made.

    Example, in ``conftest.py``::

        def pytest_flame_judged(item, judgement):
            print(item.nodeid, judgement.verdict.value, judgement.reason)
    """


@hookspec
def pytest_flame_finished(config: pytest.Config, result: RunResult, report: Path | None) -> None:
    """All tests have their verdicts and the reports are written; for reports of your own.

    ``report`` is the page, or None if it could not be written.

    Example, in ``conftest.py``::

        from pathlib import Path

        from pytest_flame.render import words


        def pytest_flame_finished(config, result, report):
            compared = [j for j in result.judgements if j.comparison is not None]
            rows = [f"{j.test_id},{j.verdict.value},{words.times(j.comparison)}" for j in compared]
            Path("flame.csv").write_text("\\n".join(rows))
    """


@hookspec(firstresult=True)
def pytest_flame_frame(config: pytest.Config, frame: Frame) -> Frame | None:
    """What the gate calls a function, in everything that is measured, stored, judged and drawn.

    Called once for each function, in the process of the run. Return a ``Frame`` to rename it (functions with one name
    become one), ``IGNORED`` to leave it out (its cost is its caller's), or None to keep it. The answer should depend on
    the frame alone, and an answer should be kept when it is asked for: stored baselines have the names of their time.
    The body of the test always stays.

    Example, in ``conftest.py``::

        from pytest_flame.model import IGNORED, Frame


        def pytest_flame_frame(config, frame):
            if frame.module.startswith("vendored."):
                return IGNORED
            if frame.qualname.startswith("_generated_"):
                return Frame(frame.module, "_generated")
    """


@hookspec
def pytest_flame_rules(config: pytest.Config, rules: list[Rule]) -> None:
    """The policy: change the list of rules in place. Called once for a run, before measuring.

    The first rule with a verdict decides. A rule that says REGRESSED has to say so again on fresh pairs; put it first,
    since rules after the one that gives PASS are not asked. Which rules a run was judged with is among its notes.

    Example, in ``conftest.py``::

        from pytest_flame.judge import Ruling
        from pytest_flame.model import Verdict


        def within_budget(case):
            if case.comparison.head > 50 * 10**9:  # picoseconds
                return Ruling(Verdict.REGRESSED, "an iteration takes more than 50 ms")


        def pytest_flame_rules(config, rules):
            rules.insert(0, within_budget)
    """


@hookspec(firstresult=True)
def pytest_flame_store(config: pytest.Config) -> Store | None:
    """Where baselines are kept, instead of the directory or the URL of the settings. Called once for a run.

    Return a ``pytest_flame.baseline.store.Store``, also one of a class of your own, or None.

    Example, in ``conftest.py``::

        import sys

        from pytest_flame.baseline.store import Store


        def pytest_flame_store(config):
            return Store(config.rootpath / "flame-baselines" / f"python{sys.version_info.minor}")
    """
