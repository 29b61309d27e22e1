import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracker.overlap import intersections, iou

values = st.tuples(*[st.floats(0, 300, width=32)] * 2, *[st.floats(1, 300, width=32)] * 2)
boxes = st.lists(values, min_size=1, max_size=6).map(lambda rows: np.array(rows, np.float32))


@given(boxes)
def test_iou_is_symmetric_bounded_and_one_with_itself(rows):
    overlap = iou(rows, rows)
    assert (overlap >= 0).all()
    assert (overlap <= 1 + 1e-3).all()
    assert overlap == pytest.approx(overlap.T, abs=1e-3)
    assert np.diag(overlap) == pytest.approx(1, abs=1e-3)


def test_what_a_box_shares_with_one_half_over_it_and_one_beside_it():
    one, others = np.array([[0, 0, 10, 10]], np.float32), np.array([[5, 0, 10, 10], [10, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(intersections(one, others), [[50, 0]])
    np.testing.assert_allclose(iou(one, others), [[1 / 3, 0]])
    assert iou(one[:0], others).shape == (0, 2)
