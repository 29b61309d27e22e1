from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from models.detector.boxes import Array
from models.detector.data import Batches, Photo
from models.detector.find import Finder, read
from models.detector.mine import error, errors
from pipeline.card import shipped

NETWORK = shipped("detector")


def rows(*faces: tuple[float, float]) -> Array:
    """Faces of 20 px: where from the left, and score."""
    out = np.zeros((len(faces), 15), np.float32)
    for row, (x, score) in zip(out, faces, strict=True):
        row[[0, 1, 2, 3, 14]] = x, 30, 20, 20, score
    return out


@pytest.mark.parametrize(
    ("found", "labels", "wanted"),
    [
        (rows(), rows(), 0),
        (rows((10, 0.8)), rows((11, 0.9)), 0.1),
        (rows((10, 0.95)), rows((11, 0.9)), 0),
        (rows(), rows((11, 0.9)), 0.9),
        (rows((10, 0.8)), rows((11, 0.9), (60, 0.7)), 0.7),
        (rows(), rows((11, 0.4)), 0),  # a doubtful face may be missed,
        (rows((10, 0.8)), rows((11, 0.4)), 0),  # or found
        (rows((10, 0.8)), rows(), 0.8),
        (rows((10, 0.8), (60, 0.3)), rows((11, 0.9)), 0.3),
        (rows((10, 0.8), (26, 0.6)), rows((11, 0.9)), 0.1),  # a box beside a face is a part of it
    ],
)
def test_an_error_is_the_worst_of_what_was_missed_and_what_was_not_there(
    found: Array, labels: Array, wanted: float
) -> None:
    assert error(found, labels) == pytest.approx(wanted)


def test_photos_on_which_it_errs_are_drawn_more_often() -> None:
    """A portrait with its face known; the same said to hold no face; and nothing at all."""
    portrait = read(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    finder = Finder(NETWORK, 0.5)
    face = finder(portrait)[:1]
    seen = np.ones(1, np.float32)
    photos = [
        Photo("right", portrait, face, seen, False, False),
        Photo("wrong", portrait, face[:0], seen[:0], False, False),
        Photo("empty", np.zeros_like(portrait), face[:0], seen[:0], False, False),
    ]
    found = errors(photos, finder)
    assert found == pytest.approx([0, face[0, 14], 0])
    even, mined = (Batches(photos, 3, NETWORK, errors=given).weights for given in (None, found))
    assert mined[1] / mined[2] > 3 * even[1] / even[2]
    assert mined[0] / mined[2] == pytest.approx(even[0] / even[2])
