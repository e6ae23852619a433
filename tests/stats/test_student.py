import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.stats import student


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_df_of_log_variance_inverts_log_f_variance(variance: float) -> None:
    assert float(student.log_f_variance(student.df_of_log_variance(variance))) == pytest.approx(variance, rel=1e-3)


def test_effective_df_of_equal_parts_is_their_sum() -> None:
    assert float(student.effective_df([np.array(2.0), np.array(2.0)], [9.0, 9.0])) == pytest.approx(18)


def test_effective_df_with_a_known_variance_exceeds_that_of_the_estimate() -> None:
    df = float(student.effective_df([np.array(1.0), np.array(3.0)], [5.0, math.inf]))
    assert df == pytest.approx(16 / (1 / 5))


def test_effective_df_of_nothing_but_zeros_is_finite() -> None:
    assert float(student.effective_df([np.array(0.0)], [5.0])) == 1.0


def test_quantile_and_upper_tail_agree() -> None:
    assert float(student.upper_tail(student.quantile(0.99, 7), 7)) == pytest.approx(0.01)
