"""Two releases of a library, measured with and without the gate: are its ratio and its culprit the true ones?

    python -m benchmarks.releases.releases --keep build/releases

Each pair of releases is installed into two environments over the present one; a small project of one test uses the
library (``bodies/``). *Truth* is a bare loop in a large frame, in a plain interpreter without pytest and sampler
(``loop.py``): CPU time of processes of both releases, which alternate and have one hash seed, until the standard error
of the mean log ratio is at most 0.5 %. The gate then compares them (``--flame-base-python``).

What is right was decided before the first run. A truth above the threshold requires REGRESSED, below 1 − threshold
IMPROVED, otherwise PASS; within 2 % of a threshold both answers are accepted. REGRESSED for a function alone, when the
total did not grow that much, is right if that function truly changed and grew. INCONCLUSIVE is counted separately. A
culprit *grew* if its code, or how often it is called, differs between the releases, and a tracing profile of plain runs
(exact calls; time with all it calls) shows that it costs 0.5 % of the test more; it *changed* if only the first is
true: that profile does not show the cost of C code, or of functions that are small compared with the tracer's own cost.

Finished steps are kept in ``results.jsonl`` and not repeated; ``--table`` prints what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy.stats import trim_mean
from scipy.stats.mstats import trimmed_stde

from benchmarks.trial import aligned, git

HERE = Path(__file__).parent
THRESHOLD = 0.05
GREW = 0.005
NEAR = 0.02
WANTED_SE = 0.005
FEWEST, MOST = 5, 24
TRIM = 0.2


@dataclass(frozen=True, slots=True)
class Pair:
    """``body`` names the module in ``bodies``; ``requires`` are installed on both sides."""

    library: str
    base: str
    head: str
    body: str
    requires: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.body} {self.base} → {self.head}"


PAIRS = (
    Pair("pyparsing", "2.4.7", "3.0.9", "pyparsing"),
    Pair("click", "8.1.7", "8.2.0", "click"),
    Pair("sqlparse", "0.5.0", "0.5.3", "sqlparse"),
    Pair("markdown-it-py", "3.0.0", "4.0.0", "markdown_it", ("mdurl==0.1.2",)),
    Pair("tomlkit", "0.13.0", "0.13.1", "tomlkit_build"),
    Pair("tomlkit", "0.14.0", "0.15.2", "tomlkit_parse"),
    Pair("jinja2", "3.0.3", "3.1.6", "jinja2", ("markupsafe==2.1.5",)),
    Pair("packaging", "21.3", "24.2", "packaging", ("pyparsing==3.0.9",)),
    Pair("python-dateutil", "2.8.2", "2.9.0.post0", "dateutil", ("six==1.16.0",)),
    Pair("mistune", "2.0.5", "3.0.2", "mistune"),
    Pair("jsonschema", "4.17.3", "4.23.0", "jsonschema", ("attrs==24.2.0",)),
    Pair("networkx", "2.8.8", "3.2.1", "networkx"),
    Pair("pygments", "2.15.1", "2.18.0", "pygments"),
    Pair("msgpack", "1.0.8", "1.1.0", "msgpack"),
    Pair("PyYAML", "6.0.1", "6.0.2", "yaml"),
)


@dataclass(slots=True)
class Found:
    """What is known about one pair so far."""

    pair: str
    truth: float | None = None
    truth_se: float | None = None
    truth_pairs: int = 0
    base_ns: float | None = None
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Functions that truly changed, in code or calls: growth as a share of the test, calls before and after."""
    gate: dict[str, Any] | None = None
    seconds: float = 0.0


# --- environments ------------------------------------------------------------------------------------------------


def environment(folder: Path, requirements: Sequence[str]) -> Path:
    """The interpreter of an environment with these releases, on top of the one that runs this."""
    python = folder / "bin" / "python"
    done = folder / "complete"
    if done.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = packages_of(folder)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", packages, *requirements], check=True)
    over = "".join(f"import site; site.addsitedir({sysconfig.get_path(name)!r})\n" for name in ("purelib", "platlib"))
    (packages / "zz_over.pth").write_text(over, encoding="utf-8")
    done.touch()
    return python


def packages_of(folder: Path) -> Path:
    return next(folder.glob("lib/python*/site-packages"))


def sides(pair: Pair, keep: Path) -> tuple[Path, Path]:
    """The folders of both releases' environments."""
    folders = []
    for release in (pair.base, pair.head):
        folder = (keep / "environments" / f"{pair.body}-{release}").resolve()
        environment(folder, [f"{pair.library}=={release}", *pair.requires])
        folders.append(folder)
    return folders[0], folders[1]


# --- the truth -----------------------------------------------------------------------------------------------------


def plain(folder: Path, pair: Pair, wanted: str, seed: int) -> Any:
    program = [str(folder / "bin" / "python"), "-S", str(HERE / "loop.py")]
    command = [*program, str(packages_of(folder)), str(body(pair)), wanted]
    environ = os.environ | {"PYTHONHASHSEED": str(seed)}
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def body(pair: Pair) -> Path:
    return HERE / "bodies" / f"use_{pair.body}.py"


def measure_truth(pair: Pair, keep: Path, found: Found) -> None:
    folders = sides(pair, keep)
    rng = random.Random(pair.name)
    logs: list[float] = []
    bases: list[float] = []
    while len(logs) < MOST:
        seed = rng.randrange(1, 2**32)
        order = [0, 1] if rng.random() < 0.5 else [1, 0]
        costs = {side: float(plain(folders[side], pair, "cost", seed)) for side in order}
        logs.append(math.log(costs[1] / costs[0]))
        bases.append(costs[0])
        if len(logs) >= FEWEST and _middle(logs)[1] <= WANTED_SE:
            break
    middle, found.truth_se = _middle(logs)
    found.truth = math.exp(middle)
    found.truth_pairs, found.base_ns = len(logs), fmean(bases)


def _middle(logs: Sequence[float]) -> tuple[float, float]:
    """Mean without a fifth at either end, and its standard error (Tukey & McLaughlin, Sankhya A 25, 1963): a process
    that the machine disturbed tells nothing about a library."""
    return float(trim_mean(logs, TRIM)), float(trimmed_stde(logs, limits=(TRIM, TRIM)))


def find_evidence(pair: Pair, keep: Path, found: Found) -> None:
    before, after = (plain(folder, pair, "profile", 1) for folder in sides(pair, keep))
    whole = max(cost for _, cost, _ in before.values())
    for name, (calls, cost, content) in after.items():
        old_calls, old_cost, old_content = before.get(name, (0.0, 0.0, ""))
        if content != old_content or calls != old_calls:
            found.evidence[name] = {"growth": (cost - old_cost) / whole, "calls": [old_calls, calls]}


# --- the gate ------------------------------------------------------------------------------------------------------


def project(pair: Pair, keep: Path) -> Path:
    folder = (keep / "projects" / f"{pair.body}-{pair.base}-{pair.head}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tests").mkdir(parents=True)
    shutil.copy(body(pair), folder)
    module = body(pair).stem
    test = f"import pytest\nimport {module}\n\n\n@pytest.mark.flame\ndef test_{pair.body}():\n    {module}.work()\n"
    (folder / "tests" / f"test_{pair.body}.py").write_text(test, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "use")):
        git(folder, *command)
    return folder


def run_gate(pair: Pair, keep: Path, found: Found, seed: int) -> None:
    before, after = sides(pair, keep)
    folder = project(pair, keep)
    report = folder / "result.json"
    command = [str(after / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--flame"]
    command += ["--flame-against=HEAD", f"--flame-base-python={before}/bin/python", f"--flame-seed={seed}"]
    command += [f"--flame-json={report}"]
    environ = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_flame.plugin"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    if not report.exists():
        raise SystemExit(f"{pair.name}: the gate gave no result\n{done.stdout}\n{done.stderr}")
    found.gate = json.loads(report.read_text(encoding="utf-8"))["tests"][0]


# --- what is right -------------------------------------------------------------------------------------------------


def rightness(found: Found) -> str:
    """``right``, ``near`` (either answer is accepted), ``undecided``, or ``WRONG``."""
    assert found.gate is not None
    assert found.truth is not None
    verdict = found.gate["verdict"]
    if verdict == "INCONCLUSIVE":
        return "undecided"
    fair = {_expected(found.truth), _expected(found.truth * (1 + NEAR)), _expected(found.truth / (1 + NEAR))}
    if verdict == _expected(found.truth):
        return "right"
    if verdict == "REGRESSED" and found.gate["low"] <= 1 + THRESHOLD and found.truth > 1 - THRESHOLD:
        return "right" if culprit(found)[1] in ("grew", "changed") else "WRONG"
    return "near" if verdict in fair else "WRONG"


def _expected(ratio: float) -> str:
    return "REGRESSED" if ratio > 1 + THRESHOLD else "IMPROVED" if ratio < 1 - THRESHOLD else "PASS"


def culprit(found: Found) -> tuple[str, str]:
    """The first one named, and whether it truly grew."""
    assert found.gate is not None
    if not found.gate["culprits"]:
        return "–", "–"
    first = found.gate["culprits"][0]
    called = f", called by {first['called_from']}" if first["called_from"] else ""
    growth = found.evidence.get(first["frame"], {}).get("growth")
    truly = "neither" if growth is None else "grew" if growth >= GREW else "changed"
    return f"{first['frame']}{called}", truly


def table(results: Sequence[Found]) -> str:
    headings = (
        "body and releases",
        "truth",
        "gate",
        "98 % interval",
        "off",
        "pairs",
        "verdict",
        "",
        "truly",
        "culprit",
    )
    rows: list[tuple[str, ...]] = [headings]
    for found in results:
        if found.truth is None or found.truth_se is None:
            continue
        row = [found.pair, f"{found.truth - 1:+.1%} ± {2 * found.truth_se:.1%}"]
        gate = found.gate
        if gate is not None and gate["ratio"] is not None:
            name, grew = culprit(found)
            row += [f"{gate['ratio'] - 1:+.1%}", f"[{gate['low'] - 1:+.1%}, {gate['high'] - 1:+.1%}]"]
            row += [f"{gate['ratio'] / found.truth - 1:+.1%}", str(gate["processes"]), gate["verdict"]]
            row += [rightness(found), grew, name]
        elif gate is not None:
            row += ["–", "–", "–", "–", gate["verdict"], "WRONG", "–", gate["reason"]]
        else:
            row += ["–"] * 8
        rows.append(tuple(row))
    judged = [f for f in results if f.truth is not None and f.gate is not None and f.gate["ratio"] is not None]
    return "\n\n".join([aligned(rows), *([_summary(judged)] if judged else [])])


def _summary(judged: Sequence[Found]) -> str:
    ways = [rightness(found) for found in judged]
    off = [abs(found.gate["ratio"] / found.truth - 1) for found in judged if found.gate and found.truth]
    named = [grew for _, grew in map(culprit, judged) if grew != "–"]
    return "\n".join(
        [
            f"verdicts: {', '.join(f'{ways.count(way)} {way}' for way in dict.fromkeys(ways))} of {len(ways)}",
            f"off the truth: at most {max(off):.1%}, within 2 % in {sum(x <= NEAR for x in off)} of {len(off)}",
            f"culprits: {named.count('grew')} grew, {named.count('changed')} changed, of {len(named)}",
        ]
    )


# --- all of it -----------------------------------------------------------------------------------------------------


def load(path: Path) -> dict[str, Found]:
    """The last state of each pair."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {entry["pair"]: Found(**entry) for entry in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--keep", type=Path, default=Path("build/releases"), metavar="DIR", help="environments, results"
    )
    parser.add_argument("--only", action="append", metavar="BODY", help="only this body; may be repeated")
    parser.add_argument("--again", action="store_true", help="run the gate again, with the truth as known")
    parser.add_argument("--table", action="store_true", help="print what is there, measure nothing")
    parser.add_argument("--seed", type=int, default=1, help="of the gate's runs (default: 1)")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    path = options.keep / "results.jsonl"
    known = load(path)
    chosen = [pair for pair in PAIRS if not options.only or pair.body in options.only]
    for pair in () if options.table else chosen:
        found = known.setdefault(pair.name, Found(pair.name))
        if found.truth is not None and found.gate is not None and not options.again:
            continue
        began = time.monotonic()
        if found.truth is None:
            measure_truth(pair, options.keep, found)
            find_evidence(pair, options.keep, found)
        if found.gate is None or options.again:
            run_gate(pair, options.keep, found, options.seed)
        found.seconds += time.monotonic() - began
        with path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(found), ensure_ascii=False) + "\n")
        print(table([found]), file=sys.stderr, flush=True)
    print(table([known[pair.name] for pair in chosen if pair.name in known]))


if __name__ == "__main__":
    main()
