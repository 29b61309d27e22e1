import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detector.boxes import Array, held_back, mirror, suppress
from pipeline.tracker.overlap import iou

numbers = st.floats(0, 300, width=32)


@st.composite
def faces(draw: st.DrawFn) -> Array:
    count = draw(st.integers(1, 6))
    rows = [draw(st.lists(numbers, min_size=15, max_size=15)) for _ in range(count)]
    array = np.asarray(rows, np.float32)
    array[:, 2:4] += 1
    array[:, 14] = (array[:, 14] + 1) / 302
    return array


@given(faces())
def test_mirroring_twice_gives_the_picture_back(rows: Array) -> None:
    assert mirror(mirror(rows, 640), 640) == pytest.approx(rows, abs=1e-3)


@given(faces())
def test_the_persons_right_eye_stays_the_persons_right_eye(rows: Array) -> None:
    flipped = mirror(rows, 100)
    # In the mirror the eye seen where the left one was is now called the right one.
    assert flipped[:, 4] == pytest.approx(100 - rows[:, 6], abs=1e-3)
    assert flipped[:, 5] == pytest.approx(rows[:, 7], abs=1e-3)
    assert flipped[:, 8] == pytest.approx(100 - rows[:, 8], abs=1e-3)


@given(faces())
def test_suppression_keeps_the_best_and_no_two_that_overlap(rows: Array) -> None:
    kept = suppress(rows, 0.4)
    assert kept[0, 14] == rows[:, 14].max()
    assert (np.diff(kept[:, 14]) <= 0).all()
    overlap = iou(kept, kept) - np.eye(len(kept))
    assert (overlap <= 0.4 + 1e-3).all()


def test_about_one_photo_in_ten_is_held_back_and_always_the_same_ones() -> None:
    kept = [held_back(f"people_{i:05d}.webp") for i in range(2000)]
    assert 150 < sum(kept) < 250
    assert [i for i, held in enumerate(kept) if held][:3] == [2, 9, 11]
