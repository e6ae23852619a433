"""Threads, coroutines, interpreters and processes that begin and end while they are sampled."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from pytest_flame.model import SamplerInfo

Script = Callable[..., "subprocess.CompletedProcess[str]"]

SEEN = """
    from sampled import *
    from pytest_flame.sampling.profile_source import NATIVE_THREAD

    def seen(raw, name, among=()):
        '''The stacks that hold a function, as short names from the first of `among` on, and their weight.'''
        found = {}
        for stack in raw.stacks:
            names = tuple(f.qualname.rpartition(".")[2] for f in stack.frames)
            if name in names:
                start = next((i for i, n in enumerate(names) if n in among), 0)
                found[names[start:]] = found.get(names[start:], 0) + stack.weight_ns
        return found

    def about(weight, ns, share=0.2):
        # The timer's samples come at random moments, one a millisecond on average.
        assert abs(weight - ns) < max(share * ns, 4.5 * (ns * MS) ** 0.5), (weight, ns)
"""


# --- generators and coroutines -------------------------------------------------------------------------------------


def test_a_generator_stands_on_whoever_runs_it(rung: SamplerInfo, run_script: Script) -> None:
    run_script(
        SEEN
        + f"""
        def numbers():
            while True:
                spin(MS // 2)
                yield 1

        def delegating():
            yield from numbers()

        def first(generator):
            for _ in range(40):
                next(generator)

        def second(generator):
            for _ in range(80):
                next(generator)

        def work():
            generator = delegating()
            first(generator)
            second(generator)

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work)
        found = seen(raw, "spin", among=("work",))
        assert set(found) == {{("work", who, "delegating", "numbers", "spin") for who in ("first", "second")}}, found
        about(found["work", "first", "delegating", "numbers", "spin"], 20 * MS, 0.3)
        about(found["work", "second", "delegating", "numbers", "spin"], 40 * MS)
        """
    )


def test_a_generator_that_runs_in_another_thread_stands_there(rung: SamplerInfo, run_script: Script) -> None:
    run_script(
        SEEN
        + f"""
        import threading

        def numbers():
            while True:
                spin(20 * MS)
                yield 1

        def work():
            generator = numbers()
            next(generator)
            thread = threading.Thread(target=elsewhere, args=(generator,))
            thread.start()
            thread.join()

        def elsewhere(generator):
            next(generator)

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work)
        found = seen(raw, "numbers", among=("work", "elsewhere"))
        assert set(found) == {{("work", "numbers", "spin"), ("elsewhere", "numbers", "spin")}}, found
        """
    )


def test_an_await_chain_is_one_stack(rung: SamplerInfo, run_script: Script) -> None:
    run_script(
        SEEN
        + f"""
        import asyncio

        async def leaf():
            await asyncio.sleep(0)
            spin(20 * MS)

        async def middle():
            async for _ in produce():
                await leaf()

        async def produce():
            for i in range(2):
                yield i

        async def main():
            await middle()

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, lambda: asyncio.run(main()))
        found = seen(raw, "spin", among=("main",))
        assert set(found) == {{("main", "middle", "leaf", "spin")}}, found
        about(sum(found.values()), 40 * MS)
        """
    )


# --- greenlets -----------------------------------------------------------------------------------------------------


def test_greenlets_have_stacks_of_their_own(rung: SamplerInfo, run_script: Script) -> None:
    """They share a C stack that is copied in and out; a stack may be unreadable while that is done, never wrong."""
    pytest.importorskip("greenlet")
    run_script(
        SEEN
        + f"""
        import greenlet

        def leaf_a():
            spin(MS // 50)

        def leaf_b():
            spin(MS // 50)

        def run_a(depth=3):
            if depth:
                return run_a(depth - 1)
            while True:
                leaf_a()
                main.switch()

        def run_b():
            while True:
                sorted([2, 1], key=by_b)

        def by_b(x):
            leaf_b()
            main.switch()
            return x

        main = greenlet.getcurrent()

        def work():
            a, b = greenlet.greenlet(run_a), greenlet.greenlet(run_b)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                for _ in range(20):
                    a.switch()
                    b.switch()

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work, MS // 10)
        expected = {{
            "leaf_a": ("run_a",) * 4 + ("leaf_a",),
            "leaf_b": ("run_b", "by_b", "leaf_b"),
        }}
        for leaf, stack in expected.items():
            found = {{names[: names.index(leaf) + 1] for names in seen(raw, leaf)}}
            assert found == {{stack}}, found
        assert not {{s.frames for s in raw.stacks if {{"leaf_a", "leaf_b"}} <= {{f.qualname for f in s.frames}}}}
        assert raw.counts.unwindable <= 0.05 * raw.counts.taken, raw.counts
        """
    )


def test_gevent_programs_are_sampled(rung: SamplerInfo, run_script: Script) -> None:
    pytest.importorskip("gevent")
    run_script(
        SEEN
        + f"""
        import gevent
        from gevent.pool import Pool
        from gevent.queue import Queue

        def producer(queue):
            for i in range(40):
                spin(MS)
                queue.put(i)
                gevent.sleep(0)

        def consumer(queue):
            for _ in range(40):
                queue.get()
                spin(MS)

        def work():
            queue = Queue()
            pool = Pool(4)
            pool.spawn(producer, queue)
            pool.spawn(consumer, queue)
            pool.join()

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work)
        for name in ("producer", "consumer"):
            about(sum(seen(raw, name).values()), 40 * MS, 0.25)
        assert not {{s.frames for s in raw.stacks if {{"producer", "consumer"}} <= {{f.qualname for f in s.frames}}}}
        """
    )


# --- interpreters --------------------------------------------------------------------------------------------------

SUBINTERPRETERS = """
    import threading
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        import _interpreters as interpreters

    CODE = '''
    import time
    def inside(ns):
        end = time.thread_time_ns() + ns
        while time.thread_time_ns() < end:
            for _ in range(200):
                pass
    '''.replace(chr(10) + 4 * ' ', chr(10))

    def calling(interpreter, ns):
        interpreters.run_string(interpreter, CODE + f"inside({ns})")
"""


def test_a_subinterpreters_frames_stand_on_those_that_run_it(rung: SamplerInfo, run_script: Script) -> None:
    run_script(
        SEEN
        + SUBINTERPRETERS
        + f"""
        def work():
            one, two = interpreters.create(), interpreters.create()
            threads = [threading.Thread(target=calling, args=(i, 60 * MS)) for i in (one, two)]
            for thread in threads:
                thread.start()
            calling(interpreters.create(), 60 * MS)
            spin(60 * MS)
            for thread in threads:
                thread.join()

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work)
        found = seen(raw, "inside", among=("calling",))
        if sys.version_info < (3, 12):
            assert set(found) == {{("calling", "<module>", "inside")}}, found
        about(sum(found.values()), 180 * MS)
        about(sum(seen(raw, "spin").values()), 60 * MS)
        """
    )


def test_subinterpreters_come_and_go_while_sampled(rung: SamplerInfo, run_script: Script) -> None:
    run_script(
        SEEN
        + SUBINTERPRETERS
        + f"""
        def work():
            for _ in range(15):
                interpreter = interpreters.create()
                calling(interpreter, MS)
                interpreters.destroy(interpreter)

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work, MS // 10)
        assert sum(seen(raw, "inside").values()) > 5 * MS
        assert raw.counts.unwindable <= 0.02 * raw.counts.taken + 2, raw.counts
        """
    )


# --- threads -------------------------------------------------------------------------------------------------------


def test_short_threads_come_and_go_while_sampled(rung: SamplerInfo, run_script: Script) -> None:
    """At each beginning and end there is a moment when the thread's state is incomplete."""
    run_script(
        SEEN
        + f"""
        import threading

        def work():
            for _ in range(400):
                threads = [threading.Thread(target=spin, args=(MS // 10,)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work, MS // 20)
        roots = {{s.frames[0].qualname for s in raw.stacks if s.frames[-1].qualname == "spin"}}
        assert roots <= {{"Thread._bootstrap"}}, roots
        assert raw.counts.unwindable <= 0.02 * raw.counts.taken + 2, raw.counts
        """
    )


def test_a_native_thread_shows_the_python_it_calls(rung: SamplerInfo, run_script: Script) -> None:
    """Made by pthread_create(3), it has a Python state only while a callback runs."""
    run_script(
        SEEN
        + f"""
        import ctypes

        libc = ctypes.CDLL(None)
        ENTRY = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

        @ENTRY
        def called_back(_):
            spin(60 * MS)
            return None

        def work():
            thread = ctypes.c_ulong()
            assert libc.pthread_create(ctypes.byref(thread), None, called_back, None) == 0
            assert libc.pthread_join(thread, None) == 0

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work)
        found = seen(raw, "called_back")
        assert set(found) == {{("called_back", "spin")}}, found
        about(sum(found.values()), 60 * MS)
        """
    )


def test_a_thread_that_never_runs_python_is_named_so(rung: SamplerInfo, run_script: Script) -> None:
    """A thread of pthread_create(3) that runs strlen(3)."""
    run_script(
        SEEN
        + f"""
        import ctypes

        libc = ctypes.CDLL(None)
        text = ctypes.create_string_buffer(b"x" * (1 << 26))

        def work():
            began = time.process_time_ns()
            while time.process_time_ns() - began < 80 * MS:
                thread = ctypes.c_ulong()
                assert libc.pthread_create(ctypes.byref(thread), None, libc.strlen, text) == 0
                assert libc.pthread_join(thread, None) == 0

        with NativeSampler({rung!r}) as sampler:
            raw = collect(sampler, work, MS // 4)
        native = sum(s.weight_ns for s in raw.stacks if s.frames == (NATIVE_THREAD,))
        assert native > 20 * MS, (native, raw.weight_ns)
        """
    )


# --- the end of the interpreter ------------------------------------------------------------------------------------


def test_a_sampler_that_is_never_stopped_ends_before_the_interpreter(rung: SamplerInfo, run_script: Script) -> None:
    done = run_script(
        f"""
        import atexit
        from sampled import *

        import pytest_flame.sampling.native as native

        def looking():
            print([d for d in descriptors() if "perf_event" in d], len(os.listdir("/proc/self/task")))

        # Last registered is first called: as if this program had registered it before the sampler was imported.
        atexit.unregister(native._close_all)
        atexit.register(looking)
        atexit.register(native._close_all)
        sampler = NativeSampler({rung!r})
        sampler.start(MS)
        sampler.resume()
        spin(5 * MS)
        """
    )
    assert done.stdout == "[] 1\n"


def test_finalisation_beside_busy_daemon_threads_is_safe(rung: SamplerInfo, run_script: Script) -> None:
    """Their thread states are freed while they run C code without the GIL."""
    for _ in range(5):
        run_script(
            f"""
            import threading, zlib
            from sampled import *

            data = bytes(1 << 24)

            def without_gil():
                while True:
                    zlib.crc32(data)

            def with_gil():
                while True:
                    sum(range(100))

            class Slow:
                def __del__(self):
                    spin(10 * MS)

            module_global = Slow()
            for work in (without_gil, with_gil, without_gil):
                threading.Thread(target=work, daemon=True).start()
            sampler = NativeSampler({rung!r})
            sampler.start(MS // 20)
            sampler.resume()
            spin(5 * MS)
            """
        )
