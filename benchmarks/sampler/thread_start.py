"""What a sampler adds to a thread's start and end: the observer effect of tests that start threads.

    python -m benchmarks.sampler.thread_start [--threads 400] [--repeats 7]

CPU of a thread that is started, does almost nothing and is joined; without a sampler, under perf events and under the
timer, in turn, medians over the repeats.
"""

from __future__ import annotations

import argparse
import resource
import threading
from statistics import median

from pytest_flame.errors import SamplerUnavailable
from pytest_flame.sampling.ladder import open_sampler
from pytest_flame.sampling.native import NativeSampler

MS = 1_000_000


def cpu_per_thread_us(threads: int) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(threads):
        thread = threading.Thread(target=sum, args=(range(2000),))
        thread.start()
        thread.join()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return 1e6 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / threads


def sampled(sampler: NativeSampler, threads: int) -> float:
    sampler.start(MS)
    sampler.resume()
    cost = cpu_per_thread_us(threads)
    sampler.pause()
    sampler.stop()
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    samplers: dict[str, NativeSampler] = {}
    for name in ("perf", "timer"):
        try:
            samplers[name] = open_sampler(name, 997)
        except SamplerUnavailable as e:
            print(f"{name}: {e.what}")
    cpu_per_thread_us(arguments.threads)
    found: dict[str, list[float]] = {"without": [], **{name: [] for name in samplers}}
    for _ in range(arguments.repeats):
        found["without"].append(cpu_per_thread_us(arguments.threads))
        for name, sampler in samplers.items():
            found[name].append(sampled(sampler, arguments.threads))
    plain = median(found["without"])
    for name, costs in found.items():
        print(f"{name:8} {median(costs):7.1f} µs a thread, {median(costs) / plain:5.2f} times that without")
    for sampler in samplers.values():
        sampler.close()


if __name__ == "__main__":
    main()
