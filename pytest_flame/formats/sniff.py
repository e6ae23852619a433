"""What a file is that is not read, by its first bytes, and the one command that makes of it what is read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pytest_flame.errors import FormatError

STDIN: Final = "standard input"


@dataclass(frozen=True, slots=True)
class UnreadFormat:
    """A format that is recognised and not read."""

    what: str
    why: str
    fix: str
    """``{file}`` is the file, ``{out}`` its name without a suffix."""

    def refusal(self, name: str) -> FormatError:
        file = "FILE" if name == STDIN else name
        stem = re.sub(r"(?<=[^/])\.\w{1,12}$", "", file)
        fix = re.sub(r"\{out\}([.\w]*)", lambda match: shlex.quote(stem + match[1]), self.fix)
        return FormatError(f"{name} is {self.what}", why=self.why, fix=fix.replace("{file}", shlex.quote(file)))


_OTHERWISE: Final = "write folded stacks or a speedscope file with the tool that made it"
_IN_FLAMEGRAPH: Final = "    (a script of FlameGraph); then read that"
_THEN: Final = "    then read that"
_UNPACK: Final = "it is compressed, and of what is compressed only gzip is read"
_SUMS: Final = "it knows what each function took, and not by which callers it was reached"
_PICTURE: Final = "a picture shows a profile and doesn't hold it"
_DRAWN_FROM: Final = "give the profile that it was drawn from"
_RECORD: Final = "record stacks: py-spy record --format raw -o out.folded -- python PROGRAM"
_NATIVE: Final = "record stacks: perf record -g -- PROGRAM && perf script > out.script"
_COLLAPSED: Final = "record again: python -m profiling.sampling run --collapsed -o out.folded PROGRAM"
_PPROF: Final = UnreadFormat(
    "a profile in pprof's format",
    "that is a protocol buffer, of which nothing is read yet",
    "go tool pprof -raw {file} | stackcollapse-go.pl > {out}.folded" + _IN_FLAMEGRAPH,
)
_BINARY: Final = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (
            rb"PERFILE2|2ELIFREP",
            UnreadFormat(
                "a recording of perf",
                "it holds addresses; perf knows which functions they are of",
                "perf script -i {file} > {out}.script" + _THEN,
            ),
        ),
        (
            rb"MOJ[\x00-\x1f]",
            UnreadFormat(
                "a recording of Austin in its binary form, MOJO",
                "of Austin's forms the text is read",
                "mojo2austin {file} {out}.austin    (pip install austin-python); then read that, with --unit us",
            ),
        ),
        (
            rb"memray\x00|\x04\x22\x4d\x18.{0,40}memray",
            UnreadFormat(
                "a recording of memray",
                "only memray reads it",
                "memray transform speedscope -o {out}.speedscope.json {file}" + _THEN,
            ),
        ),
        (
            rb"[\x7b\xfb](?:[\x29\xa9]\x03|[\x28\xa8]\x03\0\0\0)[\x73\x74\x75\x7a\x5a\x61\x41\xf3\xf4\xf5\xfa\xda\xe1\xc1]",
            UnreadFormat(
                "a profile of cProfile",
                _SUMS,
                "python -m flameprof --format log {file} > {out}.folded    (pip install flameprof; it estimates the "
                "callers); then read that, with --unit us",
            ),
        ),
        (
            rb"(?:TACH|HCAT)[\x00-\x1f]",
            UnreadFormat(
                "a recording of CPython's profiling.sampling in its binary form",
                "of its forms the collapsed one is read",
                "python -m profiling.sampling replay --collapsed -o {out}.folded {file}" + _THEN,
            ),
        ),
        (
            rb"FLR\x00",
            UnreadFormat(
                "a recording of the JVM's Flight Recorder",
                "only tools for the JVM read it",
                "jfrconv -o collapsed {file} {out}.folded    (async-profiler has it); then read that",
            ),
        ),
        (
            rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM.{4}\0\0\0\0",
            UnreadFormat("a picture", _PICTURE, _DRAWN_FROM),
        ),
        (rb"%PDF", UnreadFormat("a PDF document", _PICTURE, _DRAWN_FROM)),
        (rb"\x1f\x8b", UnreadFormat("compressed twice", "gzip holds gzip", "gzip -dc {file} > {out}" + _THEN)),
        (rb"\x28\xb5\x2f\xfd", UnreadFormat("compressed with zstd", _UNPACK, "zstd -dc {file} > {out}" + _THEN)),
        (rb"\xfd7zXZ\x00", UnreadFormat("compressed with xz", _UNPACK, "xz -dc {file} > {out}" + _THEN)),
        (rb"BZh[1-9]1AY", UnreadFormat("compressed with bzip2", _UNPACK, "bzip2 -dc {file} > {out}" + _THEN)),
        (rb"\x04\x22\x4d\x18", UnreadFormat("compressed with lz4", _UNPACK, "lz4 -dc {file} > {out}" + _THEN)),
        (
            rb"PK\x03\x04|PK\x05\x06",
            UnreadFormat("a zip archive", "files in archives are not read", "unzip -p {file} > {out}" + _THEN),
        ),
        (
            rb"7z\xbc\xaf\x27\x1c",
            UnreadFormat("a 7-Zip archive", "files in archives are not read", "7z e -so {file} > {out}" + _THEN),
        ),
        (
            rb"(?=.{0,256}\x00).{257}ustar[\x00 ]",
            UnreadFormat("a tar archive", "files in archives are not read", "tar -xf {file}    then read what it held"),
        ),
        (
            rb"\x7fELF",
            UnreadFormat("a program or library, no profile of one", "its first bytes are those of ELF", _NATIVE),
        ),
        (
            rb"SQLite format 3\x00",
            UnreadFormat(
                "a SQLite database",
                "it may be of Nsight Systems or another tool that keeps its profiles so",
                _OTHERWISE,
            ),
        ),
        (
            rb"\x80[\x02-\x05]",
            UnreadFormat(
                "a Python pickle, such as line_profiler's results",
                "pickles are not loaded, since loading one may run anything",
                _RECORD,
            ),
        ),
        (rb"\x0a[\x02-\x10][\x08\x10]", _PPROF),
    )
)
_CHROME: Final = UnreadFormat(
    "a trace in Chrome's format",
    "it holds events in their order, and of that form nothing is read yet",
    "stackcollapse-chrome-tracing.py {file} > {out}.folded" + _IN_FLAMEGRAPH + ", with --unit us",
)
_CHROME_ARRAY: Final = UnreadFormat(
    "a trace in Chrome's format",
    "it holds events in their order, and of that form nothing is read yet",
    "record another form, such as: py-spy record --format raw -o out.folded -- python PROGRAM",
)
_TEXTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?s:.)*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg\b",
            UnreadFormat("an SVG picture", _PICTURE, _DRAWN_FROM),
        ),
        (
            r"\s*(?:<!--(?s:.)*?-->\s*)*<(?:!doctype html|html|head)\b",
            UnreadFormat("an HTML page", _PICTURE, _DRAWN_FROM),
        ),
        (
            r"\s*<\?xml",
            UnreadFormat(
                "an XML document", "profiles in XML are not read", "write folded stacks with the tool that made it"
            ),
        ),
        (
            r"# callgrind format|version: \d+\s*\ncreator: |(?:.*\n){0,5}events: *[a-z]",
            UnreadFormat("a profile of Callgrind", "it knows calls between two functions, and no stacks", _NATIVE),
        ),
        (
            r"(?:#.*\n|\s*\n)*#\s*Overhead|#\s*To display the perf\.data header|#\s*\n# Total Lost Samples|# Samples: ",
            UnreadFormat(
                "what perf report prints",
                _SUMS,
                "perf script -i perf.data > {out}.script" + _THEN,
            ),
        ),
        (
            r"(?:#.*\n|\s*\n)*\s*Performance counter stats for",
            UnreadFormat("what perf stat prints", "it knows no functions", _NATIVE),
        ),
        (r"(?:.*\n){0,3}\s*\d+ function calls (?:\(|in )", UnreadFormat("what cProfile prints", _SUMS, _RECORD)),
        (
            r"PeriodType: ",
            UnreadFormat(
                "what go tool pprof -raw prints",
                "its samples and functions are in tables of their own",
                "stackcollapse-go.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:File: .*\n)?(?:Type: .*\n)?(?:Time: .*\n)?(?:Duration: .*\n)?(?:Showing nodes|-----------\+)",
            UnreadFormat(
                "what go tool pprof prints",
                _SUMS,
                "go tool pprof -raw PROFILE | stackcollapse-go.pl > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (r"Flat profile:|\s*%\s+cumulative\s+self", UnreadFormat("what gprof prints", _SUMS, _NATIVE)),
        (
            r"(?:Attaching \d+ probes?.*\s*)?@\w*\[",
            UnreadFormat(
                "what bpftrace prints",
                "its stacks are written one frame a line",
                "stackcollapse-bpftrace.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:.*\n){0,3}(?:Thread \d+ \(.*\n)?#0\s",
            UnreadFormat(
                "stacks that gdb prints",
                "its stacks are written one frame a line",
                "stackcollapse-gdb.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:.*\n){0,3}Full thread dump",
            UnreadFormat(
                "what jstack prints",
                "its stacks are written one frame a line",
                "stackcollapse-jstack.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"Analysis of sampling ",
            UnreadFormat(
                "what macOS's sample prints",
                "its stacks are written as a tree",
                "stackcollapse-sample.awk {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"Process \d+: .*\n(?:.*\n){0,3}Thread ",
            UnreadFormat("what py-spy dump prints", "it is one look at each thread, and no profile", _RECORD),
        ),
    )
)
PERF_WITHOUT_STACKS: Final = UnreadFormat(
    "what perf script prints, without functions",
    "no sample in its first lines has a frame",
    "perf record -g -- PROGRAM && perf script -F +ip,sym,dso > {out}.script" + _THEN,
)
_JSONS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], UnreadFormat], ...]] = (
    (lambda d: "traceEvents" in d, _CHROME),
    (
        lambda d: "nodes" in d and ("samples" in d or "timeDeltas" in d or "startTime" in d),
        UnreadFormat(
            "a CPU profile of V8",
            "its tree of calls is not read yet",
            "record stacks: perf record -g -- node --perf-basic-prof APP.js && perf script > out.script",
        ),
    ),
    (
        lambda d: "meta" in d and "threads" in d and "Python" in str(d["meta"]),
        UnreadFormat(
            "a profile of CPython's profiling.sampling for the Firefox Profiler",
            "of its forms the collapsed one is read",
            _COLLAPSED,
        ),
    ),
    (
        lambda d: "meta" in d and "threads" in d,
        UnreadFormat(
            "a profile of the Firefox Profiler",
            "its tables are not read yet",
            _NATIVE,
        ),
    ),
    (
        lambda d: "sample_count" in d and ("frame_records" in d or "start_call_stack" in d),
        UnreadFormat(
            "a session of pyinstrument",
            "only pyinstrument reads it",
            "pyinstrument --load {file} -r speedscope -o {out}.speedscope.json" + _THEN,
        ),
    ),
    (
        lambda d: "root_frame" in d and "sample_count" in d,
        UnreadFormat(
            "pyinstrument's JSON",
            "it is a tree for other programs",
            "pyinstrument -r speedscope -o {out}.speedscope.json PROGRAM" + _THEN,
        ),
    ),
    (
        lambda d: str(d.get("schema", "")).startswith("pytest-flame/baseline"),
        UnreadFormat("a baseline of pytest-flame", "it is read from its file", "flame draw flame-baselines/NAME.json"),
    ),
    (
        lambda d: str(d.get("schema", "")).startswith("pytest-flame/"),
        UnreadFormat(
            "a result of pytest-flame", "it holds what was judged, and no profile", "read the files in flame-baselines/"
        ),
    ),
    (
        lambda d: "resourceProfiles" in d,
        UnreadFormat("a profile of OpenTelemetry", "its tables are not read yet", _NATIVE),
    ),
    (lambda d: "elapsed_time_sec" in d and "files" in d, UnreadFormat("a profile of Scalene", _SUMS, _RECORD)),
)
_LINES: Final = UnreadFormat("JSON, a document a line", "of profiles in JSON, speedscope's are read", _OTHERWISE)
_TACHYON_LINES: Final = UnreadFormat(
    "JSON lines of CPython's profiling.sampling", "of its forms the collapsed one is read", _COLLAPSED
)
_JSON: Final = UnreadFormat(
    "JSON of no kind that is known here",
    "of profiles in JSON, speedscope's are read",
    _OTHERWISE,
)


def binary(head: bytes) -> UnreadFormat | None:
    """The kind of what begins with these bytes, where they are no text."""
    return next((kind for pattern, kind in _BINARY if pattern.match(head)), None)


def text(head: str) -> UnreadFormat | None:
    """The kind of what begins with this text."""
    return next((kind for pattern, kind in _TEXTS if pattern.match(head)), None)


def is_json(head: str) -> bool:
    return re.match(r"\s*(?:\{\s*(?:\"|\}|$)|\[\s*(?:\{\s*[\"}]|[\[\]\"\d-]|$))", head) is not None


def json_lines(first: Any) -> UnreadFormat:
    """The kind of a file with a JSON document a line, of which this is the first."""
    return _TACHYON_LINES if isinstance(first, dict) and "sample_interval_usec" in first else _LINES


def json_format(content: Any) -> UnreadFormat:
    """The kind of a JSON document that is not read."""
    if isinstance(content, list):
        events = [entry for entry in content[:5] if isinstance(entry, dict) and "ph" in entry]
        return _CHROME_ARRAY if events else _JSON
    if not isinstance(content, dict):
        return _JSON
    return next((kind for knows, kind in _JSONS if knows(content)), _JSON)
