"""What a file of an unread format is, by its first bytes, and the one command that converts it to one that is read."""

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
    """A format that is recognised but not read."""

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
_IN_FLAMEGRAPH: Final = "    (a FlameGraph script); then read that"
_THEN: Final = "    then read that"
_UNPACK: Final = "of compressed files, only gzip is read"
_SUMS: Final = "it has the cost of each function, but not the stacks that led to it"
_PICTURE: Final = "a picture shows a profile but does not contain it"
_DRAWN_FROM: Final = "give the profile that it was drawn from"
_RECORD: Final = "record stacks: py-spy record --format raw -o out.folded -- python PROGRAM"
_NATIVE: Final = "record stacks: perf record -g -- PROGRAM && perf script > out.script"
_COLLAPSED: Final = "record again: python -m profiling.sampling run --collapsed -o out.folded PROGRAM"
_PPROF: Final = UnreadFormat(
    "a profile in pprof's format",
    "it is a protocol buffer, which is not read yet",
    "go tool pprof -raw {file} | stackcollapse-go.pl > {out}.folded" + _IN_FLAMEGRAPH,
)
_BINARY: Final = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (
            rb"PERFILE2|2ELIFREP",
            UnreadFormat(
                "a perf recording",
                "it contains addresses; only perf can name their functions",
                "perf script -i {file} > {out}.script" + _THEN,
            ),
        ),
        (
            rb"MOJ[\x00-\x1f]",
            UnreadFormat(
                "an Austin recording in its binary format, MOJO",
                "only Austin's text format is read",
                "mojo2austin {file} {out}.austin    (pip install austin-python); then read that, with --unit us",
            ),
        ),
        (
            rb"memray\x00|\x04\x22\x4d\x18.{0,40}memray",
            UnreadFormat(
                "a memray recording",
                "only memray can read it",
                "memray transform speedscope -o {out}.speedscope.json {file}" + _THEN,
            ),
        ),
        (
            rb"[\x7b\xfb](?:[\x29\xa9]\x03|[\x28\xa8]\x03\0\0\0)[\x73\x74\x75\x7a\x5a\x61\x41\xf3\xf4\xf5\xfa\xda\xe1\xc1]",
            UnreadFormat(
                "a cProfile profile",
                _SUMS,
                "python -m flameprof --format log {file} > {out}.folded    (pip install flameprof; it estimates the "
                "callers); then read that, with --unit us",
            ),
        ),
        (
            rb"(?:TACH|HCAT)[\x00-\x1f]",
            UnreadFormat(
                "a recording by CPython's profiling.sampling in its binary format",
                "only its collapsed format is read",
                "python -m profiling.sampling replay --collapsed -o {out}.folded {file}" + _THEN,
            ),
        ),
        (
            rb"FLR\x00",
            UnreadFormat(
                "a recording by the JVM's Flight Recorder",
                "only JVM tools can read it",
                "jfrconv -o collapsed {file} {out}.folded    (part of async-profiler); then read that",
            ),
        ),
        (
            rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM.{4}\0\0\0\0",
            UnreadFormat("a picture", _PICTURE, _DRAWN_FROM),
        ),
        (rb"%PDF", UnreadFormat("a PDF document", _PICTURE, _DRAWN_FROM)),
        (rb"\x1f\x8b", UnreadFormat("compressed twice", "it is gzip inside gzip", "gzip -dc {file} > {out}" + _THEN)),
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
            UnreadFormat(
                "a tar archive", "files in archives are not read", "tar -xf {file}    then read the file it contained"
            ),
        ),
        (
            rb"\x7fELF",
            UnreadFormat("a program or library, not a profile", "it is an ELF file", _NATIVE),
        ),
        (
            rb"SQLite format 3\x00",
            UnreadFormat(
                "a SQLite database",
                "it may come from Nsight Systems or another tool that stores profiles in SQLite",
                _OTHERWISE,
            ),
        ),
        (
            rb"\x80[\x02-\x05]",
            UnreadFormat(
                "a Python pickle, such as line_profiler's results",
                "pickles are not loaded, because loading one can run any code",
                _RECORD,
            ),
        ),
        (rb"\x0a[\x02-\x10][\x08\x10]", _PPROF),
    )
)
_CHROME: Final = UnreadFormat(
    "a trace in Chrome's format",
    "it contains a sequence of events, which is not read yet",
    "stackcollapse-chrome-tracing.py {file} > {out}.folded" + _IN_FLAMEGRAPH + ", with --unit us",
)
_CHROME_ARRAY: Final = UnreadFormat(
    "a trace in Chrome's format",
    "it contains a sequence of events, which is not read yet",
    "record in another format, such as: py-spy record --format raw -o out.folded -- python PROGRAM",
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
            UnreadFormat("a Callgrind profile", "it has calls between pairs of functions, but no stacks", _NATIVE),
        ),
        (
            r"(?:#.*\n|\s*\n)*#\s*Overhead|#\s*To display the perf\.data header|#\s*\n# Total Lost Samples|# Samples: ",
            UnreadFormat(
                "the output of perf report",
                _SUMS,
                "perf script -i perf.data > {out}.script" + _THEN,
            ),
        ),
        (
            r"(?:#.*\n|\s*\n)*\s*Performance counter stats for",
            UnreadFormat("the output of perf stat", "it has no functions", _NATIVE),
        ),
        (r"(?:.*\n){0,3}\s*\d+ function calls (?:\(|in )", UnreadFormat("the output of cProfile", _SUMS, _RECORD)),
        (
            r"PeriodType: ",
            UnreadFormat(
                "the output of go tool pprof -raw",
                "its samples and functions are in separate tables",
                "stackcollapse-go.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:File: .*\n)?(?:Type: .*\n)?(?:Time: .*\n)?(?:Duration: .*\n)?(?:Showing nodes|-----------\+)",
            UnreadFormat(
                "the output of go tool pprof",
                _SUMS,
                "go tool pprof -raw PROFILE | stackcollapse-go.pl > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (r"Flat profile:|\s*%\s+cumulative\s+self", UnreadFormat("the output of gprof", _SUMS, _NATIVE)),
        (
            r"(?:Attaching \d+ probes?.*\s*)?@\w*\[",
            UnreadFormat(
                "the output of bpftrace",
                "its stacks have one frame per line",
                "stackcollapse-bpftrace.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:.*\n){0,3}(?:Thread \d+ \(.*\n)?#0\s",
            UnreadFormat(
                "stacks printed by gdb",
                "its stacks have one frame per line",
                "stackcollapse-gdb.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"(?:.*\n){0,3}Full thread dump",
            UnreadFormat(
                "the output of jstack",
                "its stacks have one frame per line",
                "stackcollapse-jstack.pl {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"Analysis of sampling ",
            UnreadFormat(
                "the output of macOS's sample",
                "its stacks are written as a tree",
                "stackcollapse-sample.awk {file} > {out}.folded" + _IN_FLAMEGRAPH,
            ),
        ),
        (
            r"Process \d+: .*\n(?:.*\n){0,3}Thread ",
            UnreadFormat("the output of py-spy dump", "it has one stack per thread and is not a profile", _RECORD),
        ),
    )
)
PERF_WITHOUT_STACKS: Final = UnreadFormat(
    "the output of perf script, without functions",
    "no sample in its first lines has a frame",
    "perf record -g -- PROGRAM && perf script -F +ip,sym,dso > {out}.script" + _THEN,
)
_JSONS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], UnreadFormat], ...]] = (
    (lambda d: "traceEvents" in d, _CHROME),
    (
        lambda d: "nodes" in d and ("samples" in d or "timeDeltas" in d or "startTime" in d),
        UnreadFormat(
            "a V8 CPU profile",
            "its call tree is not read yet",
            "record stacks: perf record -g -- node --perf-basic-prof APP.js && perf script > out.script",
        ),
    ),
    (
        lambda d: "meta" in d and "threads" in d and "Python" in str(d["meta"]),
        UnreadFormat(
            "a profile by CPython's profiling.sampling for the Firefox Profiler",
            "only its collapsed format is read",
            _COLLAPSED,
        ),
    ),
    (
        lambda d: "meta" in d and "threads" in d,
        UnreadFormat(
            "a Firefox Profiler profile",
            "its tables are not read yet",
            _NATIVE,
        ),
    ),
    (
        lambda d: "sample_count" in d and ("frame_records" in d or "start_call_stack" in d),
        UnreadFormat(
            "a pyinstrument session",
            "only pyinstrument can read it",
            "pyinstrument --load {file} -r speedscope -o {out}.speedscope.json" + _THEN,
        ),
    ),
    (
        lambda d: "root_frame" in d and "sample_count" in d,
        UnreadFormat(
            "pyinstrument's JSON",
            "it is a tree meant for other programs",
            "pyinstrument -r speedscope -o {out}.speedscope.json PROGRAM" + _THEN,
        ),
    ),
    (
        lambda d: str(d.get("schema", "")).startswith("pytest-flame/baseline"),
        UnreadFormat(
            "a pytest-flame baseline",
            "a baseline is read only from its own file",
            "flame draw flame-baselines/NAME.json",
        ),
    ),
    (
        lambda d: str(d.get("schema", "")).startswith("pytest-flame/"),
        UnreadFormat(
            "a pytest-flame result", "it contains verdicts, not a profile", "read the files in flame-baselines/"
        ),
    ),
    (
        lambda d: "resourceProfiles" in d,
        UnreadFormat("an OpenTelemetry profile", "its tables are not read yet", _NATIVE),
    ),
    (lambda d: "elapsed_time_sec" in d and "files" in d, UnreadFormat("a Scalene profile", _SUMS, _RECORD)),
)
_LINES: Final = UnreadFormat("JSON with one document per line", "of JSON profiles, speedscope's are read", _OTHERWISE)
_TACHYON_LINES: Final = UnreadFormat(
    "JSON lines written by CPython's profiling.sampling", "only its collapsed format is read", _COLLAPSED
)
_JSON: Final = UnreadFormat(
    "JSON of an unknown kind",
    "of JSON profiles, speedscope's are read",
    _OTHERWISE,
)


def binary(head: bytes) -> UnreadFormat | None:
    """The kind of a file that begins with these bytes, if they are not text."""
    return next((kind for pattern, kind in _BINARY if pattern.match(head)), None)


def text(head: str) -> UnreadFormat | None:
    """The kind of a file that begins with this text."""
    return next((kind for pattern, kind in _TEXTS if pattern.match(head)), None)


def is_json(head: str) -> bool:
    return re.match(r"\s*(?:\{\s*(?:\"|\}|$)|\[\s*(?:\{\s*[\"}]|[\[\]\"\d-]|$))", head) is not None


def json_lines(first: Any) -> UnreadFormat:
    """The kind of a file with one JSON document per line, of which this is the first."""
    return _TACHYON_LINES if isinstance(first, dict) and "sample_interval_usec" in first else _LINES


def json_format(content: Any) -> UnreadFormat:
    """The kind of a JSON document that is not read."""
    if isinstance(content, list):
        events = [entry for entry in content[:5] if isinstance(entry, dict) and "ph" in entry]
        return _CHROME_ARRAY if events else _JSON
    if not isinstance(content, dict):
        return _JSON
    return next((kind for knows, kind in _JSONS if knows(content)), _JSON)
