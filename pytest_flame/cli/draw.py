"""``flame draw``: one picture of one or several profiles."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from pytest_flame.cli.inputs import InputOptions, Source, expand, read, summed
from pytest_flame.cli.outputs import Writers, known_formats, outputs, profile_writers, svg_text, write
from pytest_flame.cli.titles import how, title_of
from pytest_flame.formats.format import NamedProfile, Profiles
from pytest_flame.model import Profile
from pytest_flame.render import units
from pytest_flame.render.text import printable


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    results = outputs(arguments.output, arguments.format, known_formats("svg", "html"))
    names = expand(arguments.files)
    sources = read(names, InputOptions(how(arguments, threads=True), arguments.unit))
    for source in sources:
        if source.maybe_pairs:
            _say(f"every line of {source.name} ends in two numbers; if these are two counts: flame diff --two-counts")
    with units.counted_in(sources[0].unit.amount):
        write(results, _writers(arguments, arguments.title or title_of(names), sources))
    return 0


def _writers(arguments: Namespace, title: str, sources: Sequence[Source]) -> Writers:
    whole = summed(title, sources)
    unit = whole.unit

    def svg() -> str:
        from pytest_flame.render.picture import profile_picture

        subtitle = _subtitle(whole, len(sources))
        picture = profile_picture(Profile(whole.costs), title, subtitle=subtitle, of="the profile")
        return svg_text(picture, static=arguments.static)

    def html() -> str:
        from pytest_flame.cli.pages import profile_page
        from pytest_flame.cli.recordings import recording

        return profile_page(recording(title, [whole]))

    profiles = Profiles(title, [NamedProfile(title, whole.costs)], unit.name, unit.scale, whole.lines)
    return {"svg": svg, "html": html, **profile_writers(profiles)}


def _subtitle(whole: Source, profiles: int) -> str:
    parts = [units.duration(sum(whole.costs.values())), units.count(len(whole.costs), "stack")]
    return ", ".join([*parts, f"{profiles} profiles summed"] if profiles > 1 else parts)


def _say(text: str) -> None:
    print(f"flame draw: {printable(text)}", file=sys.stderr)
