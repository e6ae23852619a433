"""What the hooks of conftest files and plugins change in a run: names of functions, rules, the store of baselines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pytest_flame.baseline.store import Store
from pytest_flame.config import Settings
from pytest_flame.errors import UsageError
from pytest_flame.judge import RULES, Rule
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.model import Frame
from pytest_flame.temporary import owned_folder


def chosen_frames(config: pytest.Config) -> ChosenFrames:
    hook = config.hook.pytest_flame_frame
    if not hook.get_hookimpls():
        return ChosenFrames()

    def choose(frame: Frame) -> object:
        return hook(config=config, frame=frame)

    return ChosenFrames(choose)


class Policy(NamedTuple):
    rules: tuple[Rule, ...]
    remark: str
    """What differs from the rules as they are; empty if nothing does."""


def policy(config: pytest.Config) -> Policy:
    """Raises ``UsageError`` if a hook leaves something that is not a rule."""
    rules: list[Rule] = list(RULES)
    config.hook.pytest_flame_rules(config=config, rules=rules)
    for rule in rules:
        if not callable(rule):
            raise UsageError(
                f"pytest_flame_rules left {rule!r} among the rules",
                why="a rule is a function of a Case",
                fix="rules.insert(0, function)",
            )
    added = [_name(rule) for rule in rules if rule not in RULES]
    gone = [_name(rule) for rule in RULES if rule not in rules]
    said = [
        *([f"with {', '.join(added)}"] if added else []),
        *([f"without {', '.join(gone)}"] if gone else []),
    ]
    return Policy(tuple(rules), f"judged {' and '.join(said)} (pytest_flame_rules)" if said else "")


def _name(rule: Rule) -> str:
    return str(getattr(rule, "__name__", rule)).strip("_").replace("_", " ")


@contextlib.contextmanager
def opened_store(config: pytest.Config, settings: Settings) -> Iterator[Store]:
    """A hook's store, or that of the settings; a remote one is opened only if baselines are used.

    Raises ``FlameError`` if it can't be used.
    """
    found = config.hook.pytest_flame_store(config=config)
    if found is not None and not isinstance(found, Store):
        raise UsageError(
            f"pytest_flame_store returned {found!r}",
            why="it is not a store",
            fix="return a pytest_flame.baseline.store.Store, or None",
        )
    if found is not None or settings.store is None or settings.against is not None:
        yield found or Store(settings.baselines)
        return
    from pytest_flame.baseline.object_store import ObjectStore

    with owned_folder() as folder:
        copy = folder / "baselines"
        copy.mkdir()
        needed = settings.update is None and not settings.move
        yield ObjectStore.open(settings.store, copy, needed=needed)
