from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.model import SampleCounts, SamplerInfo


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: Field(True, "seed").integer(), "seed is True, not a whole number"),
        (lambda: Field(1.0, "seed").integer(), "seed is 1.0, not a whole number"),
        (lambda: Field(None, "seed").integer(), "seed is None, not a whole number"),
        (lambda: Field(-1, "seed").integer(), "seed is -1, outside 0 … 9223372036854775807"),
        (lambda: Field(2**63, "seed").integer(low=None), "seed is 9223372036854775808, outside -9223372036854775808"),
        (lambda: Field(0, "rounds[3][0]").integer(low=1), "rounds[3][0] is 0, outside 1 …"),
        (lambda: Field(5, "stacks[0][1]").integer(high=4), "stacks[0][1] is 5, outside 0 … 4"),
        (lambda: Field(1, "fresh").flag(), "fresh is 1, not true or false"),
        (lambda: Field(["x"], "test").text(), "test is ['x'], not a string"),
        (lambda: Field("ab", "rounds").items(), "rounds is 'ab', not a list"),
        (lambda: Field([1, 2], "rounds[0]").items(4), "rounds[0] has 2 members, not 4"),
        (lambda: Field([1, 2], "frames[0]").items(1, 3), "frames[0] has 2 members, not 1 or 3"),
        (lambda: Field([], "sources").texts(), "sources is [], not an object"),
        (lambda: Field({"a": 1}, "sources").texts(), "sources.a is 1, not a string"),
        (lambda: Field({"a": 1}, "").keys("a", "b"), "the file lacks 'b'"),
        (lambda: Field({"a": 1}, "sampler").keys(), "sampler has the unknown field 'a'"),
        (lambda: Field({"taken": 1, "x": 0}, "counts").flat(SampleCounts), "counts has the unknown field 'x'"),
        (lambda: Field({"taken": "1"}, "counts").flat(SampleCounts), "counts.taken is '1', not a whole number"),
        (lambda: Field({"rung": "timer"}, "sampler").flat(SamplerInfo), "sampler lacks 'event'"),
        (lambda: Field("x" * 1000, "seed").integer(), "seed is 'xxx"),
    ],
)
def test_the_error_names_the_value_and_its_path(read: Callable[[], object], message: str) -> None:
    with pytest.raises(Malformed) as caught:
        read()
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 120


def test_a_flat_object_may_leave_out_what_has_a_default() -> None:
    assert Field({"late": 3}, "counts").flat(SampleCounts) == SampleCounts(late=3)
