"""Recordings to store: one small and fixed, and a strategy for any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pytest_flame.baseline.store import Store
from pytest_flame.model import (
    CPU,
    FIRST_CALL,
    KERNEL_NOT_SAMPLED,
    Frame,
    Outside,
    Process,
    Recording,
    Round,
    SampleCounts,
    SamplerInfo,
    Session,
    SourceLine,
    StackSample,
)

TEST_ID = "tests/test_orders.py::test_parse[a/b c]"

_BODY = Frame("tests.test_orders", "test_parse")
_PARSE = Frame("orders.parse", "parse")
_NEXT = Frame("orders.parse", "Tokenizer.next")


@pytest.fixture
def recording() -> Recording:
    return Recording(
        test_id=TEST_ID,
        processes=(
            Process(
                rounds=(Round(1000, 21_000_000, 22_000_000, True), Round(1000, 20_500_000, 21_000_000, False)),
                stacks={
                    (_BODY, _PARSE, _NEXT): StackSample(14, 14_042_126),
                    (_BODY, _PARSE): StackSample(5, 5_015_045),
                    (_BODY, KERNEL_NOT_SAMPLED): StackSample(0, 1_000_000),
                },
                counts=SampleCounts(taken=19, late=2),
                loop_cost=31_250,
                hash_seed=4_294_967_295,
            ),
            Process(
                rounds=(Round(1000, 21_400_000, 23_000_000, True),),
                stacks={(_BODY, _PARSE, _NEXT): StackSample(20, 20_060_180)},
                counts=SampleCounts(taken=20),
            ),
        ),
        sampler=SamplerInfo("perf-sigtrap", "task-clock", False, 997, "perf_event_paranoid is 2"),
        fingerprint={"cpu": "AMD EPYC, family 25 model 1 stepping 1", "python": "CPython 3.11.7", "machine": "0f" * 8},
        source_hashes={"tests/test_orders.py": "ab" * 32, "src/orders/parse.py": "cd" * 32},
        lines={_NEXT: SourceLine("src/orders/parse.py", 88), _BODY: SourceLine("tests/test_orders.py", 12)},
        seed=20261120,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "flame-baselines")


@pytest.fixture(scope="session")
def recordings() -> st.SearchStrategy[Recording]:
    """Any recording that the model allows, with hostile names."""
    # High surrogates never come from the file system, and JSON pairs them up.
    texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\udc80";:%\n \\/<>{}'), max_size=8)
    small = st.integers(0, 2**63 - 1)
    counted = st.integers(0, 10**15)  # what is summed
    seeds = st.integers(-(2**63), 2**63 - 1)
    # Paths of libraries, which are absolute, are not stored.
    paths = texts.map(lambda text: text.lstrip("/"))
    frames = st.builds(Frame, texts, texts)
    stacks = st.lists(frames, min_size=1, max_size=4).map(tuple)
    processes = st.builds(
        Process,
        rounds=st.lists(
            st.builds(
                Round,
                st.integers(1, 2**31),
                st.integers(0, 10**12),
                st.integers(0, 10**12),
                st.booleans(),
                st.none() | counted,
                st.none() | counted,
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        stacks=st.dictionaries(stacks, st.builds(StackSample, counted, counted), max_size=4),
        counts=st.builds(SampleCounts, *[small] * len(SampleCounts.__slots__)),
        loop_cost=small,
        hash_seed=small,
        outside=st.none() | st.builds(Outside, small, *[st.none() | small] * 5),
        first_call_ns=st.none() | small,
    )
    weights = st.dictionaries(small, st.integers(1, 10**15), min_size=1, max_size=3)
    recordings = st.builds(
        Recording,
        test_id=texts,
        processes=st.lists(processes, min_size=1, max_size=3).map(tuple),
        sampler=st.builds(SamplerInfo, texts, texts, st.booleans(), small, texts),
        fingerprint=st.dictionaries(texts, texts, max_size=3),
        source_hashes=st.dictionaries(texts, texts, max_size=3),
        lines=st.dictionaries(frames, st.builds(SourceLine, paths, small), max_size=3),
        fresh=st.booleans(),
        metric=st.sampled_from([CPU, FIRST_CALL]),
        seed=seeds,
        recorded_at=texts,
        sessions=st.lists(
            st.builds(Session, st.lists(small, min_size=1, max_size=3).map(tuple), seeds, texts), max_size=2
        ).map(tuple),
    )
    return st.builds(
        lambda recording, found: replace(recording, line_weights=dict(zip(recording.lines, found, strict=False))),
        recordings,
        st.lists(weights, max_size=3),
    )
