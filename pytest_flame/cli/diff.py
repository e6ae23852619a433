"""``flame diff``: compares and draws two sides of profiles and, if there are enough of them, judges them."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame import fold
from pytest_flame.cli.alignment import aligned, note
from pytest_flame.cli.inputs import InputOptions, expand, read, read_pair
from pytest_flame.cli.outputs import STDOUT, Writers, known_formats, outputs, profile_writers, svg_text, write
from pytest_flame.cli.replicates import FEWEST, Terms, compare_replicates, unlike
from pytest_flame.cli.summary import diff_lines
from pytest_flame.cli.titles import how, title_of, title_of_sides
from pytest_flame.errors import UsageError
from pytest_flame.formats.format import Profiles
from pytest_flame.judge import outcome
from pytest_flame.model import Judgement, Limits, Profile, added
from pytest_flame.render import units
from pytest_flame.render.layout import Width
from pytest_flame.render.lines import paint, wants_colour

REGRESSED: Final = 1
"""Exit status."""
_WIDTHS: Final = {"max": Width.MAX, "before": Width.BASE, "after": Width.HEAD}


@dataclass(frozen=True, slots=True)
class Inputs:
    before: Sequence[Profile]
    after: Sequence[Profile]
    title: str
    notes: tuple[str, ...] = ()


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    results = outputs(arguments.output or (), arguments.format, known_formats("svg", "html", "markdown"))
    if arguments.strict and not arguments.fail_on_regression:
        raise UsageError("--strict only adds to --fail-on-regression", fix="add --fail-on-regression")
    sides = _read(arguments)
    if arguments.fail_on_regression and min(len(sides.before), len(sides.after)) < FEWEST:
        raise UsageError(
            f"--fail-on-regression: {len(sides.before)} before and {len(sides.after)} after are too few to be tested",
            why="a difference between single profiles may be noise: it would never fail, or fail without reason",
            fix=f"give {FEWEST} or more profiles of each side",
        )
    limits = Limits(arguments.threshold, arguments.frame_threshold, arguments.alpha)
    judgement = compare_replicates(sides.title, sides.before, sides.after, Terms(limits, arguments.paired))
    notes = [*sides.notes, _SHARES] if arguments.shares else sides.notes
    judgement = replace(judgement, notes=(*judgement.notes, *notes, *unlike(sides.before, sides.after)))
    write(results, _writers(arguments, sides, judgement, limits))
    if not any(output.path == STDOUT for output in results):
        _summarise(judgement)
    if not arguments.fail_on_regression:
        return 0
    return REGRESSED if outcome(judgement.verdict, arguments.strict) == "failed" else 0


_SHARES: Final = (
    "every profile is scaled to the same sum: functions are compared by their shares, and the total says nothing"
)


def _read(arguments: Namespace) -> Inputs:
    reading = InputOptions(how(arguments, threads=False), arguments.unit)
    asked = [bool(arguments.sides), bool(arguments.before or arguments.after), bool(arguments.two_counts)]
    if sum(asked) != 1:
        raise UsageError(
            "name two sides" if not any(asked) else "name the two sides in only one way",
            why="either BEFORE AFTER, or --before FILE… --after FILE…, or --two-counts FILE",
        )
    if arguments.two_counts:
        pair = read_pair(arguments.two_counts, reading)
        return _scaled(Inputs(pair[:1], pair[1:], arguments.title or title_of([arguments.two_counts])), arguments)
    if arguments.sides:
        if len(arguments.sides) != 2:
            raise UsageError(
                f"{units.count(len(arguments.sides), 'profile')} given, but two are compared: BEFORE AFTER",
                fix="name several per side with --before FILE… --after FILE…, or give a folder for each side",
            )
        named = [[side] for side in arguments.sides]
    else:
        named = [arguments.before or [], arguments.after or []]
        if not all(named):
            raise UsageError(
                "--before and --after belong together",
                why="only one side was given",
                fix="flame diff --before FILE… --after FILE…",
            )
    files = [expand(side) for side in named]
    if sum(side.count("-") for side in files) > 1:
        raise UsageError("- is standard input, which can be read only once")
    title = arguments.title or title_of_sides(named[0], named[1])
    profiles = read([name for side in files for name in side], reading)
    before, after, moved = aligned(profiles[: len(files[0])], profiles[len(files[0]) :])
    return _scaled(Inputs(before, after, title, (note(moved),) if moved else ()), arguments)


def _scaled(sides: Inputs, arguments: Namespace) -> Inputs:
    if not arguments.shares:
        return sides
    totals = [profile.total for profile in sides.before]
    whole = max(1, round(sum(totals) / len(totals)))
    before, after = (
        [replace(p, columns={**p.columns, p.metric: fold.scale(p.costs, whole)}) for p in side]
        for side in (sides.before, sides.after)
    )
    return replace(sides, before=before, after=after)


def _writers(arguments: Namespace, sides: Inputs, judgement: Judgement, limits: Limits) -> Writers:
    names = [side[0].name if len(side) == 1 else f"{side[0].name} and {len(side) - 1} more" for side in _both(sides)]
    shown = f"before: {names[0]}; after: {names[1]}"

    def svg() -> str:
        from pytest_flame.render.picture import differential_picture

        return svg_text(differential_picture(judgement, width=_WIDTHS[arguments.width]), static=arguments.static)

    def html() -> str:
        from pytest_flame.cli.pages import comparison_page

        return comparison_page(judgement, limits, shown)

    def markdown() -> str:
        from pytest_flame.cli.pages import comparison_markdown

        return comparison_markdown(judgement, limits, shown)

    named = zip(("before", "after"), names, _both(sides), strict=True)
    wholes = Profiles(sides.title, [added(profiles, f"{side}: {name}") for side, name, profiles in named])
    return {"svg": svg, "html": html, "markdown": markdown, **profile_writers(wholes)}


def _both(sides: Inputs) -> tuple[Sequence[Profile], Sequence[Profile]]:
    return sides.before, sides.after


def _summarise(judgement: Judgement) -> None:
    lines = diff_lines(judgement, width=shutil.get_terminal_size((80, 24)).columns)
    sys.stdout.write(paint(lines, colour=wants_colour(sys.stdout, os.environ)))
