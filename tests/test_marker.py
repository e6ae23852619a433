"""The marker: what it decides about a test, and the errors for meaningless arguments."""

from __future__ import annotations

import pytest

from pytest_flame import marker
from pytest_flame.config import Settings, read_settings
from pytest_flame.errors import UsageError
from pytest_flame.model import CPU, FIRST_CALL, Limits


def settings(pytester: pytest.Pytester, *args: str) -> Settings:
    return read_settings(pytester.parseconfig(*args))


def test_closest_marker_wins_argument_by_argument(pytester: pytest.Pytester) -> None:
    item = pytester.getitem(
        """
        import pytest
        pytestmark = pytest.mark.flame(threshold="9%", processes=8, min_time="2min")
        @pytest.mark.flame(frame_threshold="1%", processes=7)
        class TestIt:
            @pytest.mark.flame(processes=6, fresh=True, metric="first-call")
            def test_it(self): pass
        """,
        "test_it",
    )
    read = marker.test_settings(item, settings(pytester, "--flame-alpha=0.02", "--flame-processes=20"))
    assert read.limits == Limits(0.09, 0.01, 0.02)
    assert (read.processes, read.processes_given, read.time_s, read.fresh) == (6, True, 120.0, True)
    assert read.metric == FIRST_CALL


def test_without_arguments_the_run_decides(pytester: pytest.Pytester) -> None:
    item = pytester.getitem("import pytest\n@pytest.mark.flame\ndef test_it(): pass", "test_it")
    run = settings(pytester, "--flame-time=3")
    read = marker.test_settings(item, run)
    assert read.limits == run.limits
    assert (read.processes, read.processes_given, read.time_s, read.fresh) == (run.processes, False, 3.0, False)
    assert read.metric == CPU


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("threshold=0.05", "flame(threshold=0.05): expected a percentage such as '5%'"),
        ("threshold='5'", "flame(threshold='5'): expected a percentage"),
        ("frame_threshold=None", "flame(frame_threshold=None): expected a percentage"),
        ("processes=2", "flame(processes=2): expected a whole number, 3 or more"),
        ("processes='4'", "flame(processes='4'): expected a whole number"),
        ("processes=True", "flame(processes=True): expected a whole number"),
        ("min_time=0", "flame(min_time=0): expected seconds or a duration"),
        ("min_time=True", "flame(min_time=True): expected seconds or a duration"),
        ("fresh='no'", "flame(fresh='no'): expected True or False"),
        ("fresh=1", "flame(fresh=1): expected True or False"),
        ("metric='wall'", "flame(metric='wall'): expected 'cpu' or 'first-call'"),
        ("metric=1", "flame(metric=1): expected a metric's name"),
        ("treshold='5%'", "has no argument 'treshold'"),
        ("'5%'", "takes keyword arguments only"),
    ],
)
def test_wrong_marker_argument_is_a_usage_error_naming_it_and_the_test(
    pytester: pytest.Pytester, arguments: str, said: str
) -> None:
    item = pytester.getitem(f"import pytest\n@pytest.mark.flame({arguments})\ndef test_one(): pass", "test_one")
    with pytest.raises(UsageError) as raised:
        marker.test_settings(item, settings(pytester))
    assert raised.value.what.startswith(f"{item.nodeid}: @pytest.mark.flame")
    assert said in raised.value.what


def test_wrong_marker_argument_ends_the_run_with_a_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="import pytest\n@pytest.mark.flame(threshold=5)\ndef test_one(): pass")
    result = pytester.runpytest_subprocess("--flame")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: test_it.py::test_one: @pytest.mark.flame(threshold=5): expected a percentage*"]
    )


def test_marker_is_known_under_strict_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.flame(threshold='5%')\ndef test_it(): pass")
    pytester.runpytest("--strict-markers").assert_outcomes(passed=1)
