"""What naming native frames costs, and whether the names are those that perf and addr2line give.

    python -m benchmarks.sampler.symbols startup [--repeats 7]
    python -m benchmarks.sampler.symbols perf [--seconds 5]
    python -m benchmarks.sampler.symbols addr2line [--addresses 400]

``startup``: a fresh interpreter names one address in each of libpython, libc, numpy's core and its OpenBLAS, mapped by
another process, with an empty cache and then with a filled one. The sampler is already imported; the time runs from
before the import of the symbolizer (and of pyelftools and numpy, if needed) to the last name; files are in the page
cache. Printed with the ratio to the limits; exit status 1 above them. The limits apply to CPU time, which other
programs do not disturb much.

``perf``: ``perf record`` samples a process that runs Python, numpy and libc; each address perf saw, of the program and
of the kernel, is named by ``perf script`` and by this package.

``addr2line``: random code addresses of the libraries, named by binutils' addr2line (outermost function) and by this
package.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_flame.sampling.symbols import KernelSymbols, Mapping, Symbolizer, read_mappings
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.demangle import demangle, without_clone
from pytest_flame.sampling.symbols.image import read_image

LIMITS_MS = {"cold": 1000.0, "cached": 50.0}
MAX_SHOWN = 5
LIBRARIES = ("libpython", "libc.so", "_multiarray_umath", "openblas")

WORKLOAD = """
import hashlib, json, re, sys, time, zlib
import numpy as np
rng = np.random.default_rng(1)
matrix, text = rng.random((300, 300)), json.dumps([{"key": str(i), "value": [i, i * 0.5]} for i in range(500)])
words = [str(i) for i in rng.integers(0, 10**6, 5000)]
print(flush=True)
sys.stdin.readline()
end = time.perf_counter() + float(sys.argv[1])
while time.perf_counter() < end:
    json.loads(text); sorted(words); re.findall(r"[0-9]+", text)
    matrix[:50] @ matrix; np.sort(rng.random(20000)); np.exp(matrix).sum(); np.linalg.inv(matrix[:40, :40])
    [str(word) for word in words]; hashlib.sha256(text.encode()).digest(); zlib.compress(text.encode())
    with open("/dev/zero", "rb") as zeros: zeros.read(1 << 20)
print(flush=True)
sys.stdin.readline()
"""

NAME_ALL = """
import sys, time
import pytest_flame.sampling.native
began, began_cpu = time.perf_counter(), time.process_time()
from pytest_flame.sampling.symbols import Symbolizer, read_mappings
symbolizer = Symbolizer(sys.argv[1])
for mapping in read_mappings(sys.argv[1]):
    if mapping.executable and any(name in mapping.path for name in sys.argv[2:]):
        print(symbolizer.name(mapping, (mapping.start + mapping.end) // 2))
print((time.perf_counter() - began) * 1000, (time.process_time() - began_cpu) * 1000)
"""


@contextmanager
def workload(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process with the libraries loaded, which works for this long once a line is written to it."""
    command = [sys.executable, "-c", WORKLOAD, str(seconds)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def startup(repeats: int) -> bool:
    times: dict[str, list[tuple[float, float]]] = {"cold": [], "cached": []}
    with workload(0) as process:
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as cache:
                for state in times:
                    command = [sys.executable, "-c", NAME_ALL, str(process.pid), *LIBRARIES]
                    environment = {**os.environ, "XDG_CACHE_HOME": cache}
                    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                    *names, last = done.stdout.splitlines()
                    assert len(names) == len(LIBRARIES), done.stdout
                    wall, cpu = map(float, last.split())
                    times[state].append((wall, cpu))
    print(f"naming starts: {', '.join(LIBRARIES)}; {repeats} fresh processes each, imports included; milliseconds")
    columns = ("wall, median", "largest", "CPU, median", "largest", "limit", "CPU, largest / limit")
    print(f"  {'':8}{''.join(f'{column:>22}' for column in columns)}")
    fast = True
    for state, pairs in times.items():
        walls, cpus = zip(*pairs, strict=True)
        limit = LIMITS_MS[state]
        figures = (statistics.median(walls), max(walls), statistics.median(cpus), max(cpus), limit)
        print(f"  {state:8}{''.join(f'{figure:22.1f}' for figure in figures)}{max(cpus) / limit:22.3f}")
        fast &= max(cpus) <= limit
    return fast


def against_perf(seconds: float) -> bool:
    with workload(seconds) as process, tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "perf.data")
        record = ["perf", "record", "-q", "-e", "task-clock", "-c", "200000", "-o", str(data), "-p", str(process.pid)]
        recorder = subprocess.Popen(record, stderr=subprocess.PIPE, text=True)
        os.set_blocking(recorder.stderr.fileno(), False)  # type: ignore[union-attr]
        while not Path(f"/proc/{recorder.pid}/fd").exists() or not _watches(recorder.pid):
            if recorder.poll() is not None:
                raise SystemExit(f"perf record ended: {recorder.stderr.read() if recorder.stderr else ''}")
        say(process)
        assert process.stdout is not None
        process.stdout.readline()
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        script = ["perf", "script", "-i", str(data), "-F", "ip,sym,dso", "--no-demangle"]
        shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
        return compare_perf(shown, process.pid)


def _watches(pid: int) -> bool:
    """perf has opened its events."""
    for entry in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
        with suppress(FileNotFoundError):  # closed by now
            if "perf_event" in os.readlink(f"/proc/{pid}/fd/{entry}"):  # noqa: PTH115
                return True
    return False


def compare_perf(shown: str, pid: int) -> bool:
    mappings, symbolizer, kernel = read_mappings(pid), Symbolizer(pid), KernelSymbols.open()
    extents = Extents()
    tally: dict[str, Counter[str]] = {}
    differences: Counter[tuple[str, str, str]] = Counter()
    for line in shown.splitlines():
        match = re.fullmatch(r"\s*([0-9a-f]+) (.*) \((.*)\)", line)
        if match is None:
            continue
        address, theirs, place = int(match[1], 16), match[2], match[3]
        if address >= 1 << 63:
            ours, place = kernel.frame(address).qualname, "kernel"
            kind = "same" if ours == without_clone(theirs) else "other"
        else:
            mapping = mappings.find(address)
            linked = None if mapping is None else symbolizer.linked_address(mapping, address)
            if mapping is None or linked is None:
                continue
            name = symbolizer.name(mapping, address)
            ours, place = name.symbol, name.library
            kind = extents.judge(ours, linked - name.offset, theirs, linked, mapping.path)
        tally.setdefault(place, Counter())[kind] += 1
        if kind == "other":
            differences[(place, ours, theirs)] += 1
    return report("perf script", tally, differences)


class Extents:
    """A library's symbols as readelf lists them: whether two names share an address, and where a name's code ends."""

    def __init__(self) -> None:
        self._symbols: dict[str, dict[str, list[tuple[int, int]]]] = {}

    def judge(self, ours: str, start: int, theirs: str, address: int, path: str) -> str:
        if theirs in ("[unknown]", "??"):
            return "neither" if ours.startswith("[0x") or ours == "[unknown]" else "only here"
        theirs = theirs if theirs.endswith("@plt") else theirs.partition("@")[0]  # without its version
        if demangle(theirs) == ours:
            return "same"
        extents = self._of(path).get(theirs, [])
        if extents and not any(begin <= address < begin + max(size, 1) for begin, size in extents):
            return "beyond its end"  # the other tool uses the last symbol before the address, however short
        if any(begin == start for begin, _ in extents):
            return "alias"
        return "only there" if ours.startswith("[") else "other"

    def _of(self, path: str) -> dict[str, list[tuple[int, int]]]:
        if path not in self._symbols:
            found: dict[str, list[tuple[int, int]]] = {}
            for file in (path, *self._debug_files(path)):
                shown = subprocess.run(["readelf", "-sW", file], capture_output=True, text=True, check=False).stdout
                for value, size, name in re.findall(
                    r"^ *\d+: ([0-9a-f]+) +(\w+) \S+ +\S+ +\S+ +\S+ (\S+)", shown, re.M
                ):
                    found.setdefault(name.partition("@")[0], []).append((int(value, 16), int(size, 0)))
            self._symbols[path] = found
        return self._symbols[path]

    @staticmethod
    def _debug_files(path: str) -> list[str]:
        with open(path, "rb") as stream:  # noqa: PTH123
            image = read_image(lambda offset, size: os.pread(stream.fileno(), size, offset))
        text = image.build_id.hex() if image.build_id else ""
        file = f"/usr/lib/debug/.build-id/{text[:2]}/{text[2:]}.debug"
        return [file] if text and os.path.exists(file) else []  # noqa: PTH110


def report(peer: str, tally: dict[str, Counter[str]], differences: Counter[tuple[str, str, str]]) -> bool:
    kinds = ("same", "alias", "only here", "neither", "beyond its end", "only there", "other")
    print(f"names of the same addresses, by this package and by {peer}")
    print(f"  {'':56}{''.join(f'{kind:>15}' for kind in kinds)}")
    for place, counts in sorted(tally.items(), key=lambda item: -item[1].total()):
        print(f"  {place:56}{''.join(f'{counts[kind]:15}' for kind in kinds)}")
    total = sum(tally.values(), Counter())
    print(f"  {'all':56}{''.join(f'{total[kind]:15}' for kind in kinds)}")
    right = total["same"] + total["alias"]
    named = right + total["only there"] + total["other"]
    print(f"  same function where {peer} knows one: {right / max(named, 1):.4%} of {named}")
    shown: Counter[str] = Counter()
    for (place, ours, theirs), count in differences.most_common():
        shown[place] += 1
        if shown[place] <= MAX_SHOWN:
            print(f"    {count:5} {place}: here {ours}, there {theirs}")
    return named > 0


def against_addr2line(addresses: int, seed: int) -> bool:
    rng = random.Random(seed)
    tally: dict[str, Counter[str]] = {}
    differences: Counter[tuple[str, str, str]] = Counter()
    with workload(0) as process, tempfile.TemporaryDirectory() as cache:
        symbolizer, extents = Symbolizer(process.pid, SymbolCache(Path(cache))), Extents()
        mappings = read_mappings(process.pid)
        for mapping in mappings:
            if not mapping.executable or not mapping.path.startswith("/"):
                continue
            compare_library(mapping, symbolizer, extents, rng, addresses, tally, differences)
    return report("addr2line", tally, differences)


def compare_library(
    mapping: Mapping,
    symbolizer: Symbolizer,
    extents: Extents,
    rng: random.Random,
    addresses: int,
    tally: dict[str, Counter[str]],
    differences: Counter[tuple[str, str, str]],
) -> None:
    here = [rng.randrange(mapping.start, mapping.end) for _ in range(addresses)]
    linked = [symbolizer.linked_address(mapping, address) for address in here]
    text = "".join(f"{address or 0:#x}\n" for address in linked)
    command = ["addr2line", "-a", "-f", "-i", "-e", mapping.path]
    shown = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    blocks = re.split(r"^0x[0-9a-f]+\n", shown, flags=re.MULTILINE)[1:]
    for address, at, block in zip(here, linked, blocks, strict=True):
        if at is None:
            continue
        theirs = block.splitlines()[-2]  # function and place alternate, innermost first
        name = symbolizer.name(mapping, address)
        kind = extents.judge(name.symbol, at - name.offset, theirs, at, mapping.path)
        tally.setdefault(name.library, Counter())[kind] += 1
        if kind == "other":
            differences[(name.library, f"{name.symbol} at {at:#x}", theirs)] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("startup", "perf", "addr2line"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--addresses", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "startup":
        return 0 if startup(options.repeats) else 1
    if options.what == "perf":
        return 0 if against_perf(options.seconds) else 1
    return 0 if against_addr2line(options.addresses, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
