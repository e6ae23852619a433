"""What ``perf script`` prints is read in all its usual forms."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flame.errors import FormatError
from pytest_flame.formats import reading
from pytest_flame.formats.format import ReadOptions
from pytest_flame.formats.labels import Naming

RECORDED = Path(__file__).parent / "recorded"


def read(text: str | bytes, naming: Naming | None = None, metric: str = "") -> dict[str, int]:
    data = text.encode() if isinstance(text, str) else text
    found = reading.read(io.BytesIO(data), "p", ReadOptions(naming or Naming(root=Path("/nowhere")), metric=metric))
    return {";".join(f.name for f in stack): n for stack, n in found.costs.items()}


def test_trampolines_are_read_as_they_are() -> None:
    naming = Naming(strip=("/home/u/before",))
    assert read((RECORDED / "trampolines.script").read_bytes(), naming) == {
        "python;_start;lol:<module>;lol:Bar.<locals>.<lambda>;lol:foo;_PyEval_EvalFrameDefault": 10101010
    }


FRAMES = """\
\tffffffff815ec9d0 handle_mm_fault+0xd0 ([kernel.kallsyms])
\t           219b0 memset+0xb0 (/usr/lib/ld-linux-x86-64.so.2)
"""
STACK = "py;memset;kernel:handle_mm_fault"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("py 100  1.000:   250 cpu-clock:ppp: ", {STACK: 250}),
        ("py 100/101 [003]  1.000:   250 cycles:u: ", {STACK: 250}),
        ("py 100 1.000: cycles: ", {STACK: 1}),  # without a period
        ("py 100 cycles: ", {STACK: 1}),  # without a time
        ("py 100 [000] d..1. 1.000: sched:sched_switch: prev_comm=py prev_pid=1 ==> next_comm=x", {STACK: 1}),
        ("py 100 [000] 1.0: 7 {cycles,instructions}:S: ", {STACK: 7}),
        ("py ", {STACK: 1}),  # -F comm,ip,sym
        ("py 100   250 ", {STACK: 250}),  # -F comm,tid,period,ip,sym
        ("my worker 1 100/101 [003]  1.000:   250 cycles: ", {STACK.replace("py", "my worker 1"): 250}),
        ("kworker/0:1-events 8 [000] 1.0: 3 cycles: ", {STACK.replace("py", "kworker/0:1-events"): 3}),
        ("            py   100  1.000:   250 cycles: ", {STACK: 250}),  # padded
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("before", ["", "# ========\n# captured on: x\n#\n", "\n\n"], ids=["bare", "header", "blank"])
def test_columns(header: str, expected: dict[str, int], end: str, before: str) -> None:
    text = f"{before}{header}\n{FRAMES}\n{header}\n{FRAMES}"
    assert read(text.replace("\n", end)) == {stack: 2 * count for stack, count in expected.items()}


@pytest.mark.parametrize(
    ("frame", "label"),
    [
        ("7f1c main+0x1b (/usr/bin/my perl (x))", "main"),
        ("7f1c operator()(int)+0x1b (/usr/bin/x)", "operator()(int)"),
        ("7f1c main (/usr/bin/x (deleted))", "main"),
        ("7f1c main", "main"),
        ("7f1c std::f<int> (inlined)", "std::f<int>"),
        ("7f1c [unknown] (/usr/lib/libx.so.1)", "[libx.so.1]"),
        ("7f1c [unknown] ([unknown])", "[unknown]"),
        ("7f1c", "[unknown]"),
        ("7f1c __vdso_gettimeofday+0x1 ([vdso])", "__vdso_gettimeofday"),
        ("7f1c nf_hook ([nf_tables])", "kernel:nf_hook"),
        ("7f1c vfs_read (/lib/modules/6.1/build/vmlinux)", "kernel:vfs_read"),
        ("7f1c ext4_read (/lib/modules/6.1/kernel/ext4.ko.xz)", "kernel:ext4_read"),
        ("7f1c Ljava/lang/Thread;::run (/tmp/perf-1.map)", "java/lang/Thread:::run"),
        ("7f1c py::f:/srv/my app/x.py+0x6 (/tmp/perf-1.map)", "/srv/my app/x:f"),
    ],
)
def test_frames(frame: str, label: str) -> None:
    assert read(f"x 1 1.0: 5 cycles:\n\t{frame}\n") == {f"x;{label}": 5}


@pytest.mark.parametrize(
    ("event", "unit"),
    [
        ("250 cpu-clock:ppp", "ns"),
        ("250 task-clock", "ns"),
        ("250 cycles:u", "cycles"),
        ("1 page-faults", "page-faults"),
        ("1 sched:sched_switch", "samples"),
        ("250 cpu_core/cycles/u", "samples"),
        ("cycles", "samples"),
    ],
)
def test_periods_count_what_the_event_counts(event: str, unit: str) -> None:
    found = reading.read(io.BytesIO(f"x 1 1.0: {event}:\n{FRAMES}".encode()), "p", ReadOptions())
    assert found.metric.unit_name == unit


def test_source_lines_and_process_names_are_no_frames() -> None:
    text = "x 1 1.0: 5 cycles:\n\t7f1c f+0x1 (/x)\n  object.h:537\n\t7f1d (x)\n\t7f1e main (/x)\n  ??:0\n"
    assert read(text) == {"x;main;f": 5}


def test_without_call_graphs_the_frame_stands_on_the_line() -> None:
    text = "  py  100  1.000:  250 cycles:  7f1c main+0x1b (/usr/bin/py)\n  py  100  1.1:  250 cycles:  7f1d f (/x)\n"
    assert read(text) == {"py;main": 250, "py;f": 250}


def test_of_several_events_one_is_chosen() -> None:
    text = f"x 1 1.0: 5 cycles:\n{FRAMES}\nx 1 1.0: 7 instructions:\n{FRAMES}"
    with pytest.raises(FormatError, match="samples of 2 events: cycles") as caught:
        read(text)
    assert "--metric cycles" in caught.value.fix
    assert set(read(text, metric="instructions").values()) == {7}
    with pytest.raises(FormatError, match="no samples of faults"):
        read(text, metric="faults")


@pytest.mark.parametrize(
    "text",
    [
        f"x 1 1.0: 5 cycles:\n{FRAMES}\n  what is this\n",
        f"x 1 1.0: 5 cycles:\n{FRAMES}\n\t7f1c main (/x)\n",  # a frame of no sample
    ],
)
def test_lines_that_are_neither_are_named(text: str) -> None:
    with pytest.raises(FormatError, match="line 5 is neither a sample nor a frame"):
        read(text)


@pytest.mark.parametrize("text", ["main;f 1\n  a;b 2\n", "main 12\n  abc 12\n", "perl 1234\n", "a b 1.0: 5\n"])
def test_folded_stacks_are_no_samples(text: str) -> None:
    assert read(text)


def test_samples_without_functions_are_refused() -> None:
    with pytest.raises(FormatError, match="output of perf script, without functions"):
        read("x 1 1.0: 5 cycles:\n\nx 1 1.1: 5 cycles:\n")


# --- the real ones --------------------------------------------------------------------------------------------

COLUMNS = [
    "",
    "comm,pid,tid,time,period,event,ip,sym,dso",
    "comm,ip,sym",
    "comm,tid,period,ip,sym,symoff,dso",
    "+srcline",
]


@pytest.fixture(scope="module")
def perf_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    perf, data = shutil.which("perf"), tmp_path_factory.mktemp("perf") / "perf.data"
    program = "sum(i * i for i in range(3_000_000))"
    line = [
        perf or "",
        "record",
        "-F",
        "499",
        "-g",
        "-e",
        "cpu-clock:u",
        "-o",
        str(data),
        sys.executable,
        "-c",
        program,
    ]
    if not perf or subprocess.run(line, capture_output=True).returncode:
        pytest.skip("perf can't record here")
    return data


@pytest.mark.parametrize("columns", COLUMNS)
def test_what_perf_prints_is_read_whole(perf_data: Path, columns: str) -> None:
    line = ["perf", "script", "-i", str(perf_data), *(["-F", columns] if columns else [])]
    done = subprocess.run(line, capture_output=True)
    if done.returncode:
        pytest.skip(f"this perf has not these columns: {done.stderr.decode()[-200:]}")
    counts = read(done.stdout)
    header = re.compile(rb"^\S.*$", re.MULTILINE)
    samples = len([h for h in header.findall(done.stdout) if not h.startswith(b"#")])
    assert samples > 20
    period = 1 if columns == "comm,ip,sym" else 10**9 // 499
    assert sum(counts.values()) == pytest.approx(samples * period, rel=0.01)
    assert any("_PyEval" in stack or "python" in stack.lower() for stack in counts)


@pytest.mark.skipif(not os.environ.get("FLAMEGRAPH_CORPUS"), reason="FLAMEGRAPH_CORPUS names no folder of FlameGraph's")
def test_flamegraphs_own_examples() -> None:
    """The stacks of stackcollapse-perf.pl --all, which leaves out arguments and the last sample of some files."""

    def plain(counts: dict[str, int]) -> set[str]:
        return {re.sub(r"\([^;]*|kernel:(?=__vdso)", "", stack) for stack in counts}

    for path in Path(os.environ["FLAMEGRAPH_CORPUS"]).glob("perf-*[0-9].txt"):
        metric = "instructions" if "instructions" in path.name else ""
        found = read(path.read_bytes(), metric=metric)
        expected = read(path.with_name(f"{path.stem}-collapsed-all.txt").read_bytes())
        assert plain(expected) <= plain(found), path.name
        assert 0 <= sum(found.values()) - sum(expected.values()) <= max(found.values()), path.name
