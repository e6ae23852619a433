"""speedscope's own JSON, as written by py-spy, pyinstrument, memray, Tachyon and others, and by this package.

Reads samples and events, one profile or one per thread. Written directly: the schema is small and stable
(https://www.speedscope.app/file-format-schema.json). One file may hold several profiles, such as before and after; they
share their frames.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pytest_flame.errors import FormatError
from pytest_flame.formats.content import Content
from pytest_flame.formats.counts import Tally
from pytest_flame.formats.format import Format, Profiles
from pytest_flame.formats.labels import Namer, Naming
from pytest_flame.formats.roots import numbered
from pytest_flame.formats.styles import Place
from pytest_flame.model import PS_PER_NS, TIMES, Frame, Metric, Profile, SourceLine, Stack, check_costs

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
MOST: Final = 2**53
"""The reader's numbers are doubles: larger sums would not be exact."""
UNITS: Final[Mapping[str, str]] = {
    "none": "",
    "nanoseconds": "ns",
    "microseconds": "us",
    "milliseconds": "ms",
    "seconds": "s",
    "bytes": "bytes",
}
_OURS: Final = "pytest-flame"
_FINEST: Final = -40
"""Decimals of a number: no float has more that mean anything."""
_OFTEN: Final = 10_000

# --- writing --------------------------------------------------------------------------------------------------------


def dumps(document: Profiles) -> str:
    """The file's text. Equal profiles give equal text: frames and stacks are sorted.

    Raises ``IntegrityError`` for costs that are no whole numbers ≥ 0, ``FormatError`` where a sum exceeds 2^53 units.
    """
    for profile in document.profiles:
        check_costs(profile.costs)
    frames = sorted({frame for profile in document.profiles for stack in profile.costs for frame in stack})
    index = {frame: i for i, frame in enumerate(frames)}
    lines = {frame: line for profile in document.profiles for frame, line in profile.lines.items()}
    content = {
        "$schema": SCHEMA,
        "name": _encodable(document.name),
        "exporter": _OURS,
        "activeProfileIndex": len(document.profiles) - 1,
        "shared": {"frames": [_frame(frame, lines.get(frame)) for frame in frames]},
        "profiles": [_profile(profile, index) for profile in document.profiles],
    }
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"


def _frame(frame: Frame, line: SourceLine | None) -> dict[str, Any]:
    named: dict[str, Any] = {"name": _encodable(frame.name)}
    return named | {"file": _encodable(line.path), "line": line.line} if line else named


def _profile(profile: Profile, index: Mapping[Frame, int]) -> dict[str, Any]:
    unit, per = _terms(profile.metric)
    stacks = sorted((stack, cost) for stack, cost in profile.costs.items() if cost)
    total = sum(cost for _, cost in stacks)
    if total > MOST * per:
        raise FormatError(
            f"{profile.name} is too long for speedscope",
            why=f"its sum, {total / per:.3g} {unit}, is above 2^53, the largest exact number there",
        )
    return {
        "type": "sampled",
        "name": _encodable(profile.name),
        "unit": unit,
        "startValue": 0,
        "endValue": _weight(total, per),
        "samples": [[index[frame] for frame in stack] for stack, _ in stacks],
        "weights": [_weight(cost, per) for _, cost in stacks],
    }


def _terms(metric: Metric) -> tuple[str, int]:
    """What the format calls the unit, and how much of a cost one of it is. Times are written in nanoseconds."""
    if metric.timed:
        return "nanoseconds", PS_PER_NS * metric.scale // TIMES[metric.unit]
    return "bytes" if metric.noun == "bytes" else "none", metric.scale


def _weight(cost: int, per: int) -> int | float:
    return cost // per if cost % per == 0 else cost / per


def _encodable(text: str) -> str:
    """Lone surrogates, from names that are not UTF-8, are no text in JSON."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- reading --------------------------------------------------------------------------------------------------------


def looks_like(document: Any) -> bool:
    return isinstance(document, dict) and "profiles" in document and "shared" in document


def read(document: Mapping[str, Any], content: Content, naming: Naming, metric: str = "") -> Profile:
    """All profiles of the document added up, each rooted at its name where there are several; of those that count
    different things, the ones whose name or unit is ``metric``.

    Numbers of the document are ``int`` or ``Decimal``. Raises ``FormatError`` where it does not hold together.
    """
    name = content.name
    try:
        return _read(document, content, naming, metric)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as e:
        raise FormatError(
            f"{name} is not a valid speedscope file",
            why=f"it begins like one, but {_reason(e)}",
            fix="write it again with the tool that made it; https://www.speedscope.app shows whether it opens there",
        ) from e


class _Broken(ValueError):
    """What does not hold together."""


def _reason(error: Exception) -> str:
    if isinstance(error, _Broken):
        return str(error)
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return "something in it does not match the format"


def _read(document: Mapping[str, Any], content: Content, naming: Naming, metric: str = "") -> Profile:
    profiles = _chosen(document["profiles"], content.name, metric)
    unit = profiles[0]["unit"]
    if unit not in UNITS:
        raise _Broken(f"it counts {unit!r}, which is not a unit of the format")
    namer = Namer(naming)
    frames = _frames(document, namer)
    tally = Tally(content.name, content.bounds)
    added = depth = 0
    for profile in profiles:
        title = str(profile.get("name") or "")
        rooted = len(profiles) > 1 and title and (naming.threads or not numbered(title))
        root = (namer.frame(Place(title)),) if rooted else ()
        for stack, weight in _evented(profile) if profile["type"] == "evented" else _sampled(profile):
            named = (_at(frames, index) for index in stack)
            found: Stack = (*root, *(frame for frame in named if frame is not None)) or namer.stack([])
            tally.add_decimal(found, weight)
            added, depth = added + 1, depth + len(found)
            if added == _OFTEN:
                tally.check(namer.held, added, depth)
                added = depth = 0
    if not tally.columns[0]:
        raise FormatError(f"{content.name} contains no stacks", why="the profiles in it are empty")
    return tally.profile(namer, UNITS[unit])


def _chosen(profiles: Sequence[Mapping[str, Any]], name: str, metric: str) -> list[Mapping[str, Any]]:
    chosen = [p for p in profiles if not metric or metric in (p.get("name"), p["unit"])]
    seen = ", ".join(f"{p.get('name') or 'no name'} ({p['unit']})" for p in profiles[:5])
    if not chosen:
        raise FormatError(f"{name} contains no profile of {metric or 'anything'}", why=f"it contains {seen or 'none'}")
    if len({p["unit"] for p in chosen}) > 1:
        raise FormatError(
            f"{name} contains profiles that count different things: {seen}",
            why="they can't be summed",
            fix=f"choose one: --metric {shlex.quote(str(chosen[0].get('name') or chosen[0]['unit']))}",
        )
    return chosen


def _frames(document: Mapping[str, Any], namer: Namer) -> list[Frame | None]:
    """None for those that are left out."""
    own = document.get("exporter") == _OURS
    frames: list[Frame | None] = []
    for frame in document["shared"]["frames"]:
        label, file, line = str(frame["name"]), str(frame.get("file") or ""), frame.get("line")
        number = line if isinstance(line, int) and line > 0 else 0
        if numbered(label) and not namer.naming.threads:
            frames.append(None)
            continue
        if own or not file or not namer.naming.functions:
            found = namer.stack([label])[-1] if label else namer.frame(Place("(anonymous)"))
            if own and file and number:
                namer.seen(found, file, number)
        else:
            found = namer.frame(Place(label or "(anonymous)", file, number))
        frames.append(found)
    return frames


def _at(frames: Sequence[Frame | None], index: Any) -> Frame | None:
    if not isinstance(index, int) or not 0 <= index < len(frames):
        raise _Broken(f"it names the frame {index!r} of {len(frames)}")
    return frames[index]


def _sampled(profile: Mapping[str, Any]) -> Iterator[tuple[Sequence[int], Decimal]]:
    samples, weights = profile["samples"], profile.get("weights") or []
    if weights and len(weights) != len(samples):
        raise _Broken(f"it has {len(samples)} samples and {len(weights)} weights")
    for index, stack in enumerate(samples):
        yield stack, _positive(weights[index] if weights else 1)


def _evented(profile: Mapping[str, Any]) -> Iterator[tuple[Sequence[int], Decimal]]:
    """Between two events the time is that of what is open."""
    open_: list[int] = []
    last = _number(profile["startValue"])
    for event in profile["events"]:
        at = _number(event["at"])
        if at < last:
            raise _Broken(f"its events go back, from {last} to {at}")
        if open_ and at > last:
            yield tuple(open_), at - last
        last = at
        if event["type"] == "O":
            open_.append(event["frame"])
        elif open_ and open_[-1] == event["frame"]:
            open_.pop()
        else:
            raise _Broken(f"the frame {event['frame']} ends at {at}, but it is not the current one")


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise _Broken(f"{value!r} is not a number")
    number = Decimal(value)
    if abs(number) >= 10**19 or number.normalize().as_tuple().exponent < _FINEST:  # type: ignore[operator]
        raise _Broken(f"{value} is not a possible measurement")
    return number


def _positive(value: Any) -> Decimal:
    number = _number(value)
    if number < 0:
        raise _Broken(f"the weight {value} is negative")
    return number


FORMAT: Final = Format(
    name="speedscope",
    suffixes=(".speedscope.json", ".speedscope"),
    recognises=lambda beginning: looks_like(beginning.document),
    read=lambda content, how, beginning: read(beginning.document, content, how.naming, how.metric),
    write=dumps,
    several_metrics=True,
)
