"""Output of ``perf script``: a line per sample, its frames below it, leaf first.

    python3 4711/4711 [001]  1615.970981:   10101010 cpu-clock:ppp:
            ffffffff815ec9d0 handle_mm_fault+0xd0 ([kernel.kallsyms])
                       219b0 memset+0xb0 (/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2)

Which columns there are depends on perf's release and on ``-F``; without call graphs the one frame stands behind the
event. A sample counts as much as its period says, in the event's unit, and one where none is printed. Names are those
that FlameGraph's ``stackcollapse-perf.pl --all`` gives (https://github.com/brendangregg/FlameGraph): the command below,
``_[k]`` behind functions of the kernel, the library for a function without a symbol.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_flame.errors import FormatError
from pytest_flame.formats.content import Content
from pytest_flame.formats.counts import Tally
from pytest_flame.formats.format import Format
from pytest_flame.formats.labels import Namer, Naming
from pytest_flame.formats.styles import last_group
from pytest_flame.model import Profile

_SAMPLE: Final = re.compile(
    r"\s*(?P<comm>\S.*?)"
    r"(?:\s+(?P<pid>-?\d+)(?:/\s*-?\d+)?)?"
    r"(?:\s+\[\d+\])?"
    r"(?:\s+[.\w]{4,5}(?=\s+\d))?"  # flags of interrupts and preemption
    r"(?:\s+\d+(?:\.\d+)?:)?"
    r"(?:\s+(?P<period>\d+))?"
    r"(?:\s+(?P<event>[A-Za-z][^\s()]*|\{[^}]*\}\S*):(?:\s+(?P<rest>\S.*))?)?"
    r"\s*"
)
_TIMED: Final = re.compile(r"\s*\S.*?\s\d+(?:/\s*-?\d+)?\s+(?:\[\d+\]\s+)?(?:\S{4,5}\s+)?\d+\.\d+:\s+(?:\d+\s+)?\S+:")
"""With process, time and event a line is a sample's, whatever follows."""
_FRAME: Final = re.compile(r"\s+(?P<address>[0-9a-f]{1,16})(?:\s+(?P<symbol>\S.*?))?\s*")
_JAVA: Final = re.compile(r"L(?=[a-z][\w$]*/)")
"""Before a class, as perf-map-agent writes it: Ljava/lang/Thread;::run."""
_OFFSET: Final = re.compile(r"(?<=.)\+0x[0-9a-f]+\Z")
_SOURCE: Final = re.compile(r"\s+(?:.*:\d+|\S+\[[0-9a-f]+\])\s*")
"""``-F +srcline``: where the frame above is."""
_KERNEL: Final = re.compile(
    r"\[(?!unknown|vdso|vsyscall|heap|stack|anon|JIT|uprobes)[^\]]*\](?:\.\S+)?|.*/vmlinux[^/]*|.*\.ko(?:\.\w+)?"
)
_UNKNOWN: Final = "[unknown]"
_CLOCKS: Final = frozenset({"cpu-clock", "task-clock"})
_EVENT: Final = re.compile(r"(?P<event>[a-z]{1,20}(?:-[a-z]{1,20}){0,3})(?::[a-zA-Z]{0,6})?")
"""One of the kernel's own, and who was counted: cycles:u."""
_COUNT_AT_END: Final = re.compile(r".*\s\d+(?:\.\d+)?")
_OFTEN: Final = 10_000


@dataclass(slots=True)
class _Sample:
    command: str
    event: str
    period: str
    labels: list[str]
    """Leaf first."""


def looks_like(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are output of ``perf script`` with frames."""
    data = [line for line in lines if line.strip() and not line.startswith("#")][:2]
    if not data or ";" in data[0].partition(":")[0]:
        return False
    if _TIMED.match(data[0]):
        inline = _SAMPLE.fullmatch(data[0])
        return bool(inline and inline["rest"]) or (len(data) == 2 and _is_frame(data[1]))
    return len(data) == 2 and data[0][:1].strip() != "" and _is_frame(data[1])


def without_stacks(lines: Sequence[str]) -> bool:
    """Whether they are samples of ``perf script`` without a function."""
    data = [line for line in lines if line.strip() and not line.startswith("#")][:2]
    return bool(data) and all(_TIMED.match(line) for line in data) and not looks_like(lines)


def _is_frame(line: str) -> bool:
    return bool(_FRAME.fullmatch(line)) and (line.rstrip().endswith(")") or not _COUNT_AT_END.fullmatch(line))


def read(content: Content, naming: Naming, metric: str = "") -> Profile:
    """One profile, of the samples of one event: ``metric``, or the only one there is.

    Raises ``FormatError`` with the line and what was expected of it.
    """
    namer = Namer(naming)
    tally = Tally(content.name, content.bounds)
    events: Counter[str] = Counter()
    sample: _Sample | None = None
    lines = frames = 0
    weighted = True

    def finish() -> None:
        nonlocal sample, lines, frames, weighted
        if sample is None:
            return
        events[sample.event] += 1
        if not metric or sample.event == metric:
            stack = namer.stack([sample.command, *reversed(sample.labels)])
            tally.add(stack, sample.period or "1")
            weighted = weighted and bool(sample.period)
            lines, frames = lines + 1, frames + len(stack)
        sample = None

    for number, line in content.lines():
        if not line.strip():
            finish()
        elif line.startswith("#"):
            continue
        elif sample is not None and (found := _FRAME.fullmatch(line)) and not _TIMED.match(line):
            label = _label(found["symbol"] or _UNKNOWN)
            if label:
                sample.labels.append(label)
        elif sample is not None and sample.labels and line[:1].isspace() and _SOURCE.fullmatch(line):
            continue
        else:
            finish()
            sample = _sample(line)
            if sample is None or (line[:1].isspace() and not _TIMED.match(line)):
                raise FormatError(
                    f"{content.name}, line {number} is neither a sample nor a frame of perf script: {line[:100]!r}",
                    why="a sample is a command, a process and an event; a frame an address, a symbol and a library",
                    fix="print it again with these columns: perf script -F comm,pid,tid,time,period,event,ip,sym,dso",
                )
        if lines >= _OFTEN:
            tally.check(namer.held, lines, frames)
            lines = frames = 0
    finish()
    _one_event(content.name, events, metric)
    unit = _unit(metric or next(iter(events))) if weighted else ""
    return tally.profile(namer, unit)


def _unit(event: str) -> str:
    """What periods of an event count; nothing where that has no name."""
    match = _EVENT.fullmatch(event)
    if match is None:
        return ""
    return "ns" if match["event"] in _CLOCKS else match["event"]


def _sample(line: str) -> _Sample | None:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        return None
    labels = []
    if match["rest"] and (frame := _FRAME.fullmatch(f" {match['rest']}")):
        label = _label(frame["symbol"] or _UNKNOWN)
        labels = [label] if label else []
    return _Sample(match["comm"], match["event"] or "", match["period"] or "", labels)


def _label(symbol: str) -> str:
    """As folded stacks have it; empty for what is no function."""
    name, library = last_group(symbol)
    if not library:
        name = symbol
    name = _OFFSET.sub("", name)
    if _JAVA.match(name):
        name = name[1:].replace(";", ":")
    if name.startswith("("):
        return ""
    kernel = "_[k]" if _KERNEL.fullmatch(library) else ""
    if name == _UNKNOWN and library and not kernel and library != _UNKNOWN:
        name = f"[{library.rpartition('/')[2]}]"
    return name + kernel


def _one_event(name: str, events: Counter[str], metric: str) -> None:
    if not events:
        raise FormatError(f"{name} contains no samples", fix="check the output of perf record, and record for longer")
    seen = ", ".join(f"{found or 'no name'} ({count:,} samples)" for found, count in events.most_common())
    if metric and metric not in events:
        raise FormatError(f"{name} contains no samples of {metric}", why=f"its events are {seen}")
    if not metric and len(events) > 1:
        raise FormatError(
            f"{name} contains samples of {len(events)} events: {seen}",
            why="their counts can't be summed",
            fix=f"choose one: --metric {next(iter(events))}",
        )


FORMAT: Final = Format(
    name="perf script",
    suffixes=(".script", ".txt"),
    recognises=lambda beginning: beginning.document is None and looks_like(beginning.lines),
    read=lambda content, how, beginning: read(content, how.naming, how.metric),
    several_metrics=True,
)
