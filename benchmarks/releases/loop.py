"""The cost of a body in a plain interpreter: no pytest, no sampler, called from a frame with room for all it calls.

python -S loop.py PACKAGES MODULE.py cost       nanoseconds of CPU per iteration
python -S loop.py PACKAGES MODULE.py profile    JSON: calls, inclusive nanoseconds and a hash of the code per function
"""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from types import CodeType, FrameType
from typing import Any

ROOM = 66_000
"""Slots: so many that a chunk of the interpreter's data stack holds whatever the body calls."""
ROUND_NS = 50_000_000
ROUNDS = 12
WARM = 3
PROFILED = 5


def loop(work: Callable[[], object], iterations: int) -> None:
    for _ in range(iterations):
        work()


loop.__code__ = loop.__code__.replace(co_stacksize=ROOM)


def cost_ns(work: Callable[[], object]) -> float:
    """Mean of the cheaper quarter of the rounds."""
    iterations = 1
    while True:
        began = time.process_time_ns()
        loop(work, iterations)
        if (taken := time.process_time_ns() - began) >= ROUND_NS / 4:
            break
        iterations *= 2
    iterations = max(1, round(iterations * ROUND_NS / taken))
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        loop(work, iterations)
        rounds.append((time.process_time_ns() - began) / iterations)
    return fmean(sorted(rounds)[: ROUNDS // 4])


def profile(work: Callable[[], object], packages: Path) -> dict[str, list[Any]]:
    """Exact calls per iteration, and the time of the outermost ones, which includes the hook's own cost on both
    sides."""
    calls: dict[CodeType, int] = {}
    spent: dict[CodeType, int] = {}
    open_calls: dict[CodeType, int] = {}
    stack: list[tuple[CodeType, int]] = []

    def hook(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call":
            calls[code] = calls.get(code, 0) + 1
            open_calls[code] = open_calls.get(code, 0) + 1
            stack.append((code, time.process_time_ns()))
        elif event == "return" and stack:
            _, began = stack.pop()
            open_calls[code] -= 1
            if not open_calls[code]:
                spent[code] = spent.get(code, 0) + time.process_time_ns() - began

    gc.disable()
    sys.setprofile(hook)
    for _ in range(PROFILED):
        work()
    sys.setprofile(None)
    found: dict[str, list[Any]] = {}
    for code, number in calls.items():
        entry = found.setdefault(_name(code, packages), [0.0, 0.0, ""])
        entry[0] += number / PROFILED
        entry[1] += spent.get(code, 0) / PROFILED
        entry[2] = hashlib.sha256((entry[2] + _content(code)).encode()).hexdigest()[:12]
    return found


def _name(code: CodeType, packages: Path) -> str:
    path = Path(code.co_filename)
    shown = path.relative_to(packages) if path.is_relative_to(packages) else Path(path.name)
    parts = shown.with_suffix("").parts
    return f"{'.'.join(parts[:-1] if parts[-1] == '__init__' else parts)}:{code.co_qualname}"


def _content(code: CodeType) -> str:
    """What the code does, without where it is defined."""
    constants = [_content(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"


def main() -> None:
    packages, module, wanted = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, str(packages))
    spec = importlib.util.spec_from_file_location(module.stem, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module.stem] = loaded
    spec.loader.exec_module(loaded)
    loop(loaded.work, WARM)
    print(json.dumps(cost_ns(loaded.work) if wanted == "cost" else profile(loaded.work, packages)))


if __name__ == "__main__":
    main()
