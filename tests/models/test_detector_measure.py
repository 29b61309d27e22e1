from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from models.detector.boxes import Array, Image, held_back
from models.detector.find import Finder
from models.detector.measure import (
    Errors,
    agreement,
    agreement_figures,
    error_figures,
    jitter,
    landmark_error,
    looks_ahead,
    merged,
    ratio,
)


def row(x: float, y: float, side: float, score: float) -> Array:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * side + (x, y)
    return np.array([[x, y, side, side, *points.ravel(), score]], np.float32)


def test_a_detector_agrees_with_itself() -> None:
    faces = np.concatenate(
        [row(10, 10, 40, 0.95), row(100, 10, 40, 0.85), row(200, 10, 40, 0.5), row(300, 10, 15, 0.9)]
    )
    same = agreement(faces, faces, faces, 0.4)
    # Two faces count: the third is not sure, the fourth is small.
    assert (same.sure, same.found, same.extra) == (2, 2, 0)
    assert same.errors == [Errors(0, 0, ahead=True)] * 2


def test_extra_is_what_touches_none_of_the_teachers_faces() -> None:
    teacher = np.concatenate([row(10, 10, 40, 0.95), row(200, 10, 40, 0.35), row(300, 10, 40, 0.2)])
    student = np.concatenate(
        [row(45, 45, 40, 0.9), row(205, 10, 40, 0.9), row(300, 10, 40, 0.9), row(400, 10, 40, 0.3)]
    )
    result = agreement(teacher, teacher, student, 0.4)
    assert (result.sure, result.found, result.extra) == (1, 0, 1)


def test_nothing_found_is_no_agreement() -> None:
    nothing = np.zeros((0, 15), np.float32)
    face = row(10, 10, 40, 0.95)
    assert agreement(face, face, nothing, 0.4).found == 0
    assert agreement(nothing, nothing, face, 0.4).extra == 1


def test_landmark_error_is_a_share_of_the_distance_between_the_eyes() -> None:
    face = row(0, 0, 100, 0.9)[0]
    moved = face.copy()
    moved[4:14:2] += 4  # px; the eyes are 40 px apart
    assert landmark_error(moved, face) == pytest.approx(0.1)


def moved(faces: Array, share: float) -> Array:
    """The landmarks moved to the right by a share of the distance of the eyes, which are 0.4 sides apart."""
    out = faces.copy()
    out[:, 4:14:2] += share * 0.4 * faces[:, 2:3]
    return out


def test_the_teachers_own_error_is_of_the_same_faces() -> None:
    teacher = np.concatenate([row(10, 10, 40, 0.95), row(100, 10, 80, 0.9), row(300, 10, 40, 0.9)])
    # The student misses the second face, the teacher in the mirror image the third.
    result = agreement(teacher, moved(teacher[:2], 0.3), moved(teacher[[0, 2]], 0.1), 0.4)
    assert (result.sure, result.found) == (3, 2)
    ((student, own, ahead),) = result.errors
    assert (student, own) == (pytest.approx(0.1, abs=1e-6), pytest.approx(0.3, abs=1e-6))
    assert ahead


def test_a_profile_does_not_look_ahead() -> None:
    face = row(0, 0, 100, 0.9)[0]
    assert looks_ahead(face)
    face[4] += 15  # px; the eyes are 25 px apart
    assert not looks_ahead(face)


def test_errors_are_told_of_all_faces_and_of_those_ahead_beside_the_teachers_own() -> None:
    photos = [
        [Errors(0.1, 0.2, ahead=True), Errors(0.9, 0.8, ahead=False)],
        [],
        [Errors(0.2, 0.1, ahead=True), Errors(0.3, 0.6, ahead=True)],
    ]
    told = {figure["what"]: figure for figure in error_figures(photos, "somewhere", "somehow")}
    error = "landmark error / inter-ocular distance"
    expected = {
        error: (1.5 / 4, 4),
        f"median {error}": (0.25, 4),
        f"{error}, the teacher mirrored": (1.7 / 4, 4),
        f"median {error}, the teacher mirrored": (0.4, 4),
        f"{error}, faces ahead": (0.2, 3),
        f"median {error}, faces ahead": (0.2, 3),
        f"{error}, faces ahead, the teacher mirrored": (0.3, 3),
        f"median {error}, faces ahead, the teacher mirrored": (0.2, 3),
    }
    assert {what: (figure["value"], figure["n"]) for what, figure in told.items()} == expected


class Bright:
    """Sees the bright square of a picture as a face, its landmarks too far right by a share of the eyes' distance."""

    def __init__(self, off: float) -> None:
        self.off = off

    def at(self, image: Image, side: int) -> Array:
        assert max(image.shape[:2]) == side
        down, across = np.nonzero(image[..., 0] > 128)
        return moved(row(across.min(), down.min(), across.max() + 1 - across.min(), 0.9), self.off)


def test_the_mirror_image_is_mirrored_back(tmp_path: Path) -> None:
    names = [name for name in (f"{n}.webp" for n in range(60)) if held_back(name)][:2]
    (tmp_path / "photos").mkdir()
    for name in names:
        picture = np.zeros((480, 640, 3), np.uint8)
        picture[100:200, 50:150] = 255
        cv2.imwrite(str(tmp_path / "photos" / name), picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
    teacher, student = cast(Finder, Bright(0.05)), cast(Finder, Bright(0.15))
    told = {figure["what"]: figure["value"] for figure in agreement_figures(tmp_path, teacher, student, 0.4)}
    assert told["recall of the teacher's confident faces"] == 1
    assert told["landmark error / inter-ocular distance"] == pytest.approx(0.1, abs=1e-4)
    # Right in the mirror image is left.
    assert told["landmark error / inter-ocular distance, the teacher mirrored"] == pytest.approx(0.1, abs=1e-4)


class Shifty:
    """Sees one face where it is; in a picture that was shifted, off by a share of the distance of the eyes."""

    def __init__(self, off: float) -> None:
        self.off = off

    def __call__(self, image: Image) -> Array:
        dy, dx = image.shape[0] - 200, image.shape[1] - 200
        rows = row(50 + dx, 50 + dy, 100, 0.9)
        if dx:
            rows[:, 4:14:2] += self.off * 40  # px; the eyes are 40 px apart
        return rows


@pytest.mark.parametrize("off", [0.0, 0.1])
def test_jitter_is_the_spread_of_landmarks_under_shifts(off: float) -> None:
    (spread,) = jitter(cast(Finder, Shifty(off)), np.zeros((200, 200, 3), np.uint8))
    # One look in five stays: the deviation of (0, 1, 1, 1, 1) is 0.4.
    assert spread == pytest.approx(0.4 * off, abs=1e-5)


def test_ratio_gives_an_interval_round_its_value() -> None:
    told = ratio(np.array([1.0, 0, 1, 1] * 20), np.ones(80))
    assert told["value"] == 0.75
    assert told["n"] == 80
    low, high = told["ci95"]
    assert 0.6 < low < 0.75 < high < 0.9


def test_a_card_keeps_the_figures_that_were_not_measured_anew() -> None:
    old = [{"what": "a", "value": 1}, {"what": "b", "value": 2}]
    assert merged(old, [{"what": "c", "value": 4}, {"what": "a", "value": 3}]) == [
        {"what": "a", "value": 3},
        {"what": "b", "value": 2},
        {"what": "c", "value": 4},
    ]
