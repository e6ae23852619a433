"""The fixture ``benchmark``: every form that pytest-benchmark and pytest-codspeed have, and what is measured of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import pytest

from pytest_flame.benchmark import Benchmark
from pytest_flame.fixture import PassThrough

P = ParamSpec("P")
R = TypeVar("R")


class Recorded:
    """A part that is repeated three times; ``seen`` is what happened, with ``<`` and ``>`` around what is measured."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        raise NotImplementedError

    def __enter__(self) -> Recorded:
        self.seen.append("<")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seen.append(">")

    def repeat(self, call: Callable[[], object]) -> None:
        with self:
            for _ in range(3):
                call()

    def repeat_cycles(self, cycle: Callable[[Callable[[Callable[[], object]], object]], object]) -> None:
        for _ in range(3):
            cycle(self.once)

    def once(self, call: Callable[[], R]) -> R:
        with self:
            return call()


class Shop:
    def price(self, seen: list[str]) -> int:
        seen.append("call")
        return len(seen)


@pytest.fixture
def part() -> Recorded:
    return Recorded()


@pytest.fixture
def benchmark(part: Recorded) -> Benchmark:
    return Benchmark(part, "test_it[2-x]", "test_a.py::test_it[2-x]", "sorting", {"n": 2})


def test_function_is_repeated_with_its_arguments_and_its_result_returned(benchmark: Benchmark, part: Recorded) -> None:
    def work(word: str, *, times: int) -> str:
        part.seen.append(word)
        return word * times

    assert benchmark(work, "a", times=2) == "aa"
    assert part.seen == ["<", "a", "a", "a", ">", "a"]


def test_decorated_function_is_measured(benchmark: Benchmark, part: Recorded) -> None:
    @benchmark
    def result() -> int:
        part.seen.append("call")
        return 7

    assert part.seen == ["<", "call", "call", "call", ">", "call"]
    assert result == 7


def test_pedantic_without_a_setup_is_like_a_call(benchmark: Benchmark, part: Recorded) -> None:
    def work(*args: int, **kwargs: int) -> tuple[tuple[int, ...], dict[str, int]]:
        part.seen.append("call")
        return args, kwargs

    assert benchmark.pedantic(work, (1,), {"b": 2}, rounds=5) == ((1,), {"b": 2})
    assert part.seen == ["<", "call", "call", "call", ">", "call"]


def test_setup_and_teardown_are_around_each_call_and_not_measured(benchmark: Benchmark, part: Recorded) -> None:
    made = iter(range(10))

    def setup() -> tuple[tuple[int], dict[str, int]]:
        part.seen.append("setup")
        return (next(made),), {}

    def work(n: int) -> int:
        part.seen.append(f"call {n}")
        return n

    result = benchmark.pedantic(
        work,
        setup=setup,
        teardown=lambda n: part.seen.append(f"teardown {n}"),
        rounds=10,
    )
    assert result == 3
    assert part.seen == [
        *("setup", "<", "call 0", ">", "teardown 0"),
        *("setup", "<", "call 1", ">", "teardown 1"),
        *("setup", "<", "call 2", ">", "teardown 2"),
        *("setup", "call 3", "teardown 3"),
    ]


def test_one_round_is_one_call_in_each_execution_of_the_test(benchmark: Benchmark, part: Recorded) -> None:
    benchmark.pedantic(part.seen.append, args=("call",), setup=lambda: part.seen.append("setup"))
    assert part.seen == ["setup", "<", "call", ">"]


@pytest.mark.parametrize(
    ("setup", "given"), [(lambda: None, ()), (lambda word: None, ("a",)), (lambda *words: words and 1 / 0, ("a",))]
)
def test_setup_takes_the_arguments_of_the_target_if_it_has_to(
    benchmark: Benchmark, setup: Callable[..., Any], given: tuple[str, ...]
) -> None:
    assert benchmark.pedantic(lambda *args: args, given, setup=setup) == given


def test_builtin_without_a_signature_is_a_setup(benchmark: Benchmark) -> None:
    assert benchmark.pedantic(lambda: 5, setup=dict) == 5


def test_setup_cannot_replace_given_arguments(benchmark: Benchmark) -> None:
    with pytest.raises(TypeError, match="a setup that returns others"):
        benchmark.pedantic(len, args=([],), setup=lambda: ((1,), {}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"iterations": 0}, "iterations=0"),
        ({"iterations": 1.5}, "iterations=1.5"),
        ({"warmup_rounds": -1}, "warmup_rounds=-1"),
        ({"iterations": 2, "setup": list}, "iterations=2"),
    ],
)
def test_meaningless_counts_are_refused(benchmark: Benchmark, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        benchmark.pedantic(list, **wrong)


@pytest.mark.parametrize("form", [Benchmark.__call__, Benchmark.pedantic])
def test_coroutine_function_is_measured_where_it_is_awaited(
    benchmark: Benchmark, part: Recorded, form: Callable[..., Any]
) -> None:
    async def work() -> int:
        part.seen.append("call")
        await asyncio.sleep(0)
        return 4

    awaitable = form(benchmark, work)
    assert part.seen == []
    assert asyncio.run(awaitable) == 4
    assert part.seen == ["<", "call", ">"]
    assert benchmark.stats is not None


def test_coroutine_function_has_no_setup(benchmark: Benchmark) -> None:
    async def work() -> None:
        pass

    with pytest.raises(TypeError, match="a coroutine function and a setup"):
        form: Callable[..., object] = benchmark.pedantic
        form(work, setup=list)


def test_woven_function_is_measured_until_the_test_ends(benchmark: Benchmark, part: Recorded) -> None:
    benchmark.weave(Shop.price)
    assert Shop().price(part.seen) == 6
    assert part.seen == ["<", "call", "call", "call", ">", "call"]
    benchmark.roll_back()
    Shop().price(part.seen)
    assert part.seen[-2:] == ["call", "call"]


def test_weaving_without_aspectlib_says_what_to_install(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aspectlib", None)
    with pytest.raises(ImportError, match="pip install aspectlib"):
        benchmark.weave("os.getcwd")


def test_statistics_are_of_the_call_with_the_result(benchmark: Benchmark) -> None:
    assert benchmark.stats is None
    benchmark(sum, range(1000))
    stats: Any = benchmark.stats
    assert 0 < stats["mean"] == stats.stats.mean == stats.get("max") == stats.data[0] < 60
    assert stats.get("unknown", 3) == 3
    assert (stats.rounds, stats.iterations, stats.stddev) == (1, 1, 0)
    assert stats.ops == pytest.approx(1 / stats.mean)


def test_what_a_test_may_read_and_write(benchmark: Benchmark) -> None:
    assert (benchmark.name, benchmark.fullname) == ("test_it[2-x]", "test_a.py::test_it[2-x]")
    assert (benchmark.group, benchmark.param, benchmark.params) == ("sorting", "2-x", {"n": 2})
    assert benchmark.enabled and not benchmark.disabled
    benchmark.extra_info["size"] = 3
    benchmark.group = "other"


def test_it_is_taken_for_the_fixture_of_pytest_benchmark(benchmark: Benchmark) -> None:
    fixture = pytest.importorskip("pytest_benchmark.fixture")
    assert isinstance(benchmark, fixture.BenchmarkFixture)


def test_outside_a_measurement_each_function_is_called_once() -> None:
    seen: list[str] = []

    def called(use: Callable[[Benchmark], object]) -> list[str]:
        seen.clear()
        use(Benchmark(PassThrough(), "test_it", "test_a.py::test_it", None, None))
        return [*seen]

    assert called(lambda b: b(seen.append, "call")) == ["call"]
    assert called(lambda b: b.pedantic(seen.append, ("call",), rounds=10)) == ["call"]
    assert called(lambda b: b.pedantic(seen.append, ("call",), setup=list, rounds=10)) == ["call"]
    assert called(lambda b: b.pedantic(seen.append, ("call",))) == ["call"]
