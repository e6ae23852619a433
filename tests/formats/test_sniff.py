"""What is not read is named, with the one command that converts it to what is read."""

from __future__ import annotations

import bz2
import cProfile
import gzip
import io
import json
import lzma
import marshal
import pickle
import pstats
import re
import sqlite3
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.errors import FormatError
from pytest_flame.formats import reading
from pytest_flame.formats.format import ReadOptions


def refused(data: bytes, name: str = "my file.bin") -> FormatError:
    with pytest.raises(FormatError) as caught:
        reading.read(io.BytesIO(data), name, ReadOptions())
    return caught.value


def of_cprofile(folder: Path) -> bytes:
    profile = cProfile.Profile()
    profile.runcall(sorted, [3, 1, 2])
    profile.dump_stats(folder / "p")
    return (folder / "p").read_bytes()


def of_cprofile_of_another_release(folder: Path) -> bytes:
    stats: dict[object, object] = {("a.py", 1, "f"): (1, 1, 0.5, 0.5, {})}
    return marshal.dumps(stats, 2)


def printed_by_cprofile(folder: Path) -> bytes:
    profile, out = cProfile.Profile(), io.StringIO()
    profile.runcall(sorted, [3, 1, 2])
    pstats.Stats(profile, stream=out).print_stats()
    return out.getvalue().encode()


def zipped(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "z", "w") as archive:
        archive.writestr("a.folded", "a 1\n")
    return (folder / "z").read_bytes()


def tarred(folder: Path) -> bytes:
    (folder / "a").write_text("a 1\n")
    with tarfile.open(folder / "t", "w") as archive:
        archive.add(folder / "a")
    return (folder / "t").read_bytes()


def database(folder: Path) -> bytes:
    with sqlite3.connect(folder / "d") as connection:
        connection.execute("create table t (x)")
    connection.close()
    return (folder / "d").read_bytes()


PPROF = bytes.fromhex("0a04080110021216120299041a04080310041a04080510041a0408061007")  # written by austin2pprof
MEMRAY = bytes.fromhex("04224d184040c0b0450000f8066d656d726179000d000000")  # written by memray 1.20
AUSTIN = bytes.fromhex("4d4f4a030161757374696e00332e372e300001696e746572")  # written by Austin 3.7
PERF = bytes.fromhex("50455246494c453268000000000000009000000000000000")  # written by perf 6.1

KINDS: dict[str, tuple[bytes | Callable[[Path], bytes], str, str]] = {
    "perf.data": (PERF, "a perf recording", "perf script -i 'my file.bin' > 'my file.script'"),
    "MOJO": (AUSTIN, "an Austin recording in its binary format, MOJO", "mojo2austin 'my file.bin' 'my file.austin'"),
    "memray": (MEMRAY, "a memray recording", "memray transform speedscope"),
    "memray uncompressed": (b"memray\x00\x0d\x00\x00", "a memray recording", "memray transform speedscope"),
    "pprof": (gzip.compress(PPROF), "a profile in pprof's format", "go tool pprof -raw"),
    "pprof uncompressed": (PPROF, "a profile in pprof's format", "go tool pprof -raw"),
    "cProfile": (of_cprofile, "a cProfile profile", "flameprof --format log"),
    "cProfile of another release": (of_cprofile_of_another_release, "a cProfile profile", "flameprof --format log"),
    "cProfile printed": (printed_by_cprofile, "the output of cProfile", "py-spy record"),
    "Flight Recorder": (b"FLR\x00\x00\x02\x00\x00", "a recording by the JVM's Flight Recorder", "jfrconv -o collapsed"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00", "a picture", "give the profile that it was drawn from"),
    "SVG": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg></svg>', "an SVG picture", "give the profile"),
    "SVG of flamegraph.pl": (
        b'<?xml version="1.0" standalone="no"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n<svg x="1">',
        "an SVG picture",
        "give the profile",
    ),
    "HTML": (b"<!DOCTYPE html>\n<html>", "an HTML page", "give the profile"),
    "callgrind": (b"# callgrind format\nversion: 1\n", "a Callgrind profile", "perf record -g"),
    "callgrind of old": (b"version: 1\ncreator: callgrind-3.19.0\n", "a Callgrind profile", "perf record -g"),
    "Chrome trace": (json.dumps({"traceEvents": [{"ph": "X"}]}).encode(), "a trace in Chrome's format", "--unit us"),
    "Chrome array": (
        b'[{"ph": "B", "name": "f", "ts": 1}]',
        "a trace in Chrome's format",
        "py-spy record --format raw",
    ),
    "V8": (b'{"nodes": [], "startTime": 1, "samples": []}', "a V8 CPU profile", "--perf-basic-prof"),
    "Firefox": (b'{"meta": {}, "libs": [], "threads": []}', "a Firefox Profiler profile", "perf script"),
    "Firefox, of CPython": (
        b'{"meta": {"misc": "Python profiler"}, "libs": [], "threads": []}',
        "a profile by CPython's profiling.sampling for the Firefox Profiler",
        "profiling.sampling run --collapsed",
    ),
    "JSON lines of CPython": (
        b'{"type":"meta","v":0,"sample_interval_usec":1000,"mode":"wall"}\n{"type":"x"}\n',
        "JSON lines written by CPython's profiling.sampling",
        "profiling.sampling run --collapsed",
    ),
    "profiling.sampling's binary": (
        b"HCAT\x01\x00\x00\x00",
        "a recording by CPython's profiling.sampling in its binary format",
        "profiling.sampling replay --collapsed -o 'my file.folded' 'my file.bin'",
    ),
    "pyinstrument": (
        b'{"start_time": 1, "sample_count": 3, "start_call_stack": []}',
        "a pyinstrument session",
        "pyinstrument --load 'my file.bin' -r speedscope",
    ),
    "baseline": (b'{"schema": "pytest-flame/baseline/1"}', "a pytest-flame baseline", "flame draw"),
    "JSON": (b'{"a": 1}', "JSON of an unknown kind", "speedscope"),
    "JSON lines": (b'{"a": 1}\n{"a": 2}\n', "JSON with one document per line", "speedscope"),
    "broken JSON": (b'{"$schema": "https://www.speedscope.app/', "invalid JSON", "incomplete"),
    "deep JSON": (b"[" * 100_000, "invalid JSON", "incomplete"),
    "no number": (b'{"profiles": NaN}', "invalid JSON", ""),
    "gzip twice": (gzip.compress(gzip.compress(b"a 1\n")), "compressed twice", "gzip -dc"),
    "xz": (lzma.compress(b"a 1\n"), "compressed with xz", "xz -dc 'my file.bin' > 'my file'"),
    "bzip2": (bz2.compress(b"a 1\n"), "compressed with bzip2", "bzip2 -dc"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\x04", "compressed with zstd", "zstd -dc"),
    "zip": (zipped, "a zip archive", "unzip -p"),
    "tar": (tarred, "a tar archive", "tar -xf"),
    "ELF": (lambda _: Path(sys.executable).read_bytes()[:4096], "a program or library", "perf record -g"),
    "SQLite": (database, "a SQLite database", "speedscope"),
    "pickle": (pickle.dumps({"a": 1}), "a Python pickle", "py-spy record"),
    "perf report": (
        b"# To display the perf.data header info, please use --header\n#\n# Total Lost Samples: 0\n",
        "the output of perf report",
        "perf script",
    ),
    "perf stat": (
        b"# started on x\n\n\n Performance counter stats for 'ls':\n",
        "the output of perf stat",
        "perf record -g",
    ),
    "pprof -raw": (
        b"PeriodType: cpu nanoseconds\nPeriod: 10000000\n",
        "the output of go tool pprof -raw",
        "stackcollapse-go",
    ),
    "gprof": (b"Flat profile:\n\nEach sample counts as 0.01 seconds.\n", "the output of gprof", "perf record -g"),
    "bpftrace": (b"Attaching 1 probe...\n\n@[\n    f+1\n]: 3\n", "the output of bpftrace", "stackcollapse-bpftrace.pl"),
    "gdb": (b"Thread 1 (LWP 12):\n#0  0x00 in f () from x\n", "stacks printed by gdb", "stackcollapse-gdb.pl"),
    "jstack": (b"2026-01-01\nFull thread dump OpenJDK\n", "the output of jstack", "stackcollapse-jstack.pl"),
    "py-spy dump": (
        b"Process 12: python a.py\nPython v3.11\n\nThread 12 (active)\n",
        "the output of py-spy dump",
        "py-spy record",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_names_what_it_is_and_what_to_do(kind: str, tmp_path: Path) -> None:
    data, what, fix = KINDS[kind]
    error = refused(data(tmp_path) if callable(data) else data)
    assert error.what.startswith(f"my file.bin is {what}")
    assert fix in error.fix
    assert error.fix
    assert error.why
    assert "stackcollapse-perf" not in str(error)


@pytest.mark.parametrize(("kind", "encoding"), [("JSON", "utf-16"), ("SVG", "utf-16-le"), ("callgrind", "utf-8-sig")])
def test_texts_are_recognised_in_any_encoding(kind: str, encoding: str) -> None:
    data, what, _ = KINDS[kind]
    assert isinstance(data, bytes)
    assert refused(data.decode().encode(encoding)).what.startswith(f"my file.bin is {what}")


def test_compressed_texts_are_recognised() -> None:
    assert "an SVG picture" in refused(gzip.compress(b"<svg></svg>")).what


def test_standard_input_has_no_name() -> None:
    assert "perf script -i FILE > FILE.script" in refused(PERF, "standard input").fix


@pytest.mark.parametrize(
    "text",
    [
        "MOJO::init;x 3",
        "memray;x 3",
        "TACHYON;x 3",
        "BZh;x 3",
        "GIF8 3",
        "[unknown];x 3",
        "{closure};x 3",
        "<module>;x 3",
        "version: 1 3",
        "events: 3",
        "12 function calls 3",
        "@f;x 3",
        "[{lambda}];x 3",
        "[0];x 3",
        '{"a"};x 3',
        "svg;x 1",
        "\n\n  PeriodTypes 3",
        "x" * 257 + "ustar 3",
    ],
)
def test_folded_stacks_that_begin_like_something_else_are_read(text: str) -> None:
    assert sum(reading.read(io.BytesIO(text.encode()), "p", ReadOptions()).costs.values()) in (1, 3)


def test_every_command_is_one_of_a_known_tool() -> None:
    """Guards against invented commands: those that are named belong to these tools."""
    tools = (
        "flame draw|perf|mojo2austin|memray|python|py-spy|jfrconv|gzip|zstd|xz|bzip2|lz4|unzip|7z|tar|go tool pprof|"
        "pyinstrument|"
        r"stackcollapse-(?:go|bpftrace|gdb|jstack)\.pl|stackcollapse-sample\.awk|stackcollapse-chrome-tracing\.py"
    )
    for data, *_ in KINDS.values():
        if not callable(data):
            fix = refused(data).fix
            assert re.search(rf"\b(?:{tools})\b|give the profile|write folded|read|write it again", fix), fix
