"""``flame draw``: one picture of one or several profiles."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from pytest_flame.cli.inputs import InputOptions, Source, expand, read, summed
from pytest_flame.cli.outputs import Writers, outputs, svg_text, write
from pytest_flame.cli.titles import how, title_of
from pytest_flame.formats import collapsed
from pytest_flame.model import Profile
from pytest_flame.render import units
from pytest_flame.render.text import printable

KNOWN: Final = ("svg", "html", "speedscope", "folded")


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    results = outputs(arguments.output, arguments.format, KNOWN)
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

    def as_speedscope() -> str:
        from pytest_flame.formats import speedscope

        profile = speedscope.NamedProfile(title, whole.costs)
        return speedscope.dumps(
            speedscope.Document(title, [profile], unit.speedscope, unit.speedscope_per, whole.lines)
        )

    def folded() -> str:
        return collapsed.dumps([whole.costs], unit.scale)

    return {"svg": svg, "html": html, "speedscope": as_speedscope, "folded": folded}


def _subtitle(whole: Source, profiles: int) -> str:
    parts = [units.duration(sum(whole.costs.values())), units.count(len(whole.costs), "stack")]
    return ", ".join([*parts, f"{profiles} profiles added up"] if profiles > 1 else parts)


def _say(text: str) -> None:
    print(f"flame draw: {printable(text)}", file=sys.stderr)
