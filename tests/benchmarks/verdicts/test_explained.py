from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from benchmarks.verdicts.explained import BUSY, HEAD, QUIET, failures, found, pictures, processes


def test_both_sides_of_a_pair_share_what_the_machine_does() -> None:
    base, head = processes(np.random.default_rng(1), BUSY, 2000, 0.05)
    assert np.corrcoef(np.log(base), np.log(head))[0, 1] > 0.6
    assert abs(np.median(head / base) - 1.05) < 0.01


def test_rules_fail_fewer_tests_the_more_they_ask_for() -> None:
    plain, pairs, once, twice = failures(0.0, 60)
    assert plain > pairs >= once >= twice == 0


def test_large_slowdowns_are_found_and_tolerated_ones_are_not() -> None:
    assert found(QUIET, 10, 0.15, 20) == 1
    assert found(QUIET, 10, 0.0, 20) == 0


def test_pictures_are_xml_with_something_of_head_in_them() -> None:
    drawn = dict(pictures(5))
    assert set(drawn) == {"pair.svg", "interval.svg", "twice.svg", "caught.svg"}
    assert all(ET.fromstring(svg).tag.endswith("svg") for svg in drawn.values())
    assert HEAD in drawn["pair.svg"]
