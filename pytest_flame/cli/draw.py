"""``flame draw``: one picture of one or several profiles."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from pytest_flame.cli.inputs import InputOptions, expand, read
from pytest_flame.cli.outputs import Writers, known_formats, outputs, profile_writers, svg_text, write
from pytest_flame.cli.titles import how, title_of
from pytest_flame.formats import collapsed
from pytest_flame.formats.format import Profiles
from pytest_flame.model import Profile, added
from pytest_flame.render import units
from pytest_flame.render.text import printable


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    results = outputs(arguments.output, arguments.format, known_formats("svg", "html"))
    names = expand(arguments.files)
    profiles = read(names, InputOptions(how(arguments, threads=True), arguments.unit))
    for profile in profiles:
        if collapsed.maybe_pairs(profile):
            _say(f"every line of {profile.name} ends in two numbers; if these are two counts: flame diff --two-counts")
    write(results, _writers(arguments, arguments.title or title_of(names), profiles))
    return 0


def _writers(arguments: Namespace, title: str, profiles: Sequence[Profile]) -> Writers:
    whole = added(profiles, title)

    def svg() -> str:
        from pytest_flame.render.picture import profile_picture

        subtitle = _subtitle(whole, len(profiles))
        picture = profile_picture(whole, title, subtitle=subtitle, of="the profile")
        return svg_text(picture, static=arguments.static)

    def html() -> str:
        from pytest_flame.cli.pages import profile_page
        from pytest_flame.cli.recordings import recording

        return profile_page(recording(title, [whole]))

    return {"svg": svg, "html": html, **profile_writers(Profiles(title, [whole]))}


def _subtitle(whole: Profile, profiles: int) -> str:
    parts = [units.cost(whole.metric, whole.total), units.count(len(whole.costs), "stack")]
    return ", ".join([*parts, f"{profiles} profiles summed"] if profiles > 1 else parts)


def _say(text: str) -> None:
    print(f"flame draw: {printable(text)}", file=sys.stderr)
