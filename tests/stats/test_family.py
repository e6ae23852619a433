import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.stats.family import holm

P_VALUES = st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=30).map(np.array)


def test_holm_steps_down() -> None:
    assert holm(np.array([0.03, 0.01, 0.02])).tolist() == [0.04, 0.03, 0.04]


@given(P_VALUES)
def test_holm_is_never_smaller_than_p_and_keeps_the_order(p: np.ndarray) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
