from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from models.detector.boxes import from_corners
from models.detector.find import Finder, read
from models.detector.label import REAL_SCORE, look, with_real
from pipeline.card import shipped
from pipeline.tracker.overlap import iou


def test_looks_at_one_portrait_agree_on_one_face() -> None:
    portrait = read(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    finder = Finder(shipped("detector"), 0.3)
    rows = look(finder, portrait)
    best = rows[rows[:, 14].argmax()]
    assert iou(best[None], finder.at(portrait, 416)[:1])[0, 0] > 0.75
    assert best[14] > 0.6
    # The person's right eye is on the viewer's left, whichever looks were mirrored.
    assert best[4] < best[8] < best[6]
    others = np.delete(rows, rows[:, 14].argmax(), axis=0)
    assert (others[:, 14] < best[14] / 2).all()


def test_real_boxes_make_faces_sure_and_add_those_missed() -> None:
    rows = np.zeros((2, 15), np.float32)
    rows[:, :4] = [[10, 10, 40, 50], [200, 10, 40, 50]]
    rows[:, 14] = 0.3, 0.2
    joined, seen = with_real(rows, from_corners([[12, 12, 52, 60], [100, 100, 140, 140]]), np.array([True, False]))
    assert joined[:, 14] == pytest.approx([REAL_SCORE, 0.2, REAL_SCORE])
    assert joined[2, :4].tolist() == [100, 100, 40, 40]
    assert joined[0, :4].tolist() == [12, 12, 40, 48]
    assert seen.tolist() == [1, 1, 0]
    bare, _ = with_real(rows, from_corners([[12, 12, 52, 60]]), np.array([False]))
    assert bare[0, :4].tolist() == rows[0, :4].tolist()
    assert rows[0, 14] == pytest.approx(0.3)


def test_without_real_boxes_labels_stay_and_without_labels_boxes_do() -> None:
    rows = np.zeros((1, 15), np.float32)
    joined, seen = with_real(rows, from_corners([]), np.zeros(0, bool))
    assert np.array_equal(joined, rows)
    assert seen.tolist() == [1]
    joined, seen = with_real(rows[:0], from_corners([[0, 0, 10, 20]]), np.array([True]))
    assert joined[0, :4].tolist() == [0, 0, 10, 20]
    assert seen.tolist() == [0]
