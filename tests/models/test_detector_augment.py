import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detector import augment
from models.detector.augment import degrade, recolour, view
from models.detector.boxes import move

FACE = np.array([[40, 30, 20, 28, 45, 40, 55, 40, 50, 46, 46, 52, 54, 52, 0.9]], np.float32)


def test_moving_by_a_shift_shifts_everything_but_size_and_score() -> None:
    moved = move(FACE, np.array([[1.0, 0, 7], [0, 1, -3]]), mirrored=False)
    assert moved[0, :4] == pytest.approx([47, 27, 20, 28])
    assert moved[0, 4:14:2] == pytest.approx(FACE[0, 4:14:2] + 7)
    assert moved[0, 14] == pytest.approx(0.9)


@given(st.floats(-0.6, 0.6), st.floats(0.2, 4))
def test_turning_and_scaling_keeps_the_landmarks_in_their_box(angle: float, scale: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    moved = move(FACE, np.column_stack([turn, [5, 6]]), mirrored=False)[0]
    points = moved[4:14].reshape(5, 2)
    assert (points > moved[:2]).all()
    assert (points < moved[:2] + moved[2:4]).all()
    sides = np.linalg.norm(points[0] - points[1]), np.linalg.norm([10, 0]) * scale
    assert sides[0] == pytest.approx(sides[1], rel=1e-4)


def test_a_mirrored_face_keeps_its_right_eye_on_the_viewers_left() -> None:
    moved = move(FACE, np.array([[-1.0, 0, 100], [0, 1, 0]]), mirrored=True)[0]
    assert moved[4] < moved[6]
    assert moved[10] < moved[12]
    assert moved[:4] == pytest.approx([40, 30, 20, 28])


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_a_view_shows_the_pixels_where_its_labels_say(seed: int) -> None:
    # A white face on black: wherever the label says the face is, the view must be brighter than elsewhere.
    photo = np.zeros((90, 100, 3), np.uint8)
    photo[30:58, 40:60] = 255
    rng = np.random.default_rng(seed)
    out, faces, seen = view(rng, photo, FACE, np.zeros(1, np.float32), 96, 80, stretched=True)
    assert out.shape == (80, 96, 3)
    assert seen.tolist() == [0]
    x, y, w, h = faces[0, :4]
    column, row = round(float(x + w / 2)), round(float(y + h / 2))
    if min(w, h) > 8 and 0 <= column < 96 and 0 <= row < 80:
        assert out[row, column].mean() > 60
        assert out[row, column].mean() >= np.median(out) - 60


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_seed_gives_the_same_view(seed: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 100, 3)).astype(np.uint8)
    once, again = (
        view(np.random.default_rng(seed), photo, FACE, np.ones(1, np.float32), 64, 64, stretched=False)
        for _ in range(2)
    )
    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_recolouring_and_degrading_keep_shape_and_type(seed: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (33, 47, 3)).astype(np.uint8)
    rng = np.random.default_rng(seed)
    out = degrade(rng, recolour(rng, picture))
    assert out.shape == picture.shape
    assert out.dtype == np.uint8


def test_filled_views_show_less_of_the_colour_round_the_photo(monkeypatch) -> None:
    monkeypatch.setattr(augment, "recolour", lambda _, picture: picture)
    monkeypatch.setattr(augment, "degrade", lambda _, picture: picture)
    photo, face = np.full((360, 400, 3), 255, np.uint8), FACE * 3

    def border(share: float) -> float:
        """Share of the pixels of a view that the photo, which is white, does not reach; median of 60."""
        monkeypatch.setattr(augment, "FILLED", share)
        rngs = (np.random.default_rng(seed) for seed in range(60))
        views = [view(rng, photo, face, np.zeros(1, np.float32), 96, 96, stretched=False)[0] for rng in rngs]
        return float(np.median([(picture < 250).any(axis=2).mean() for picture in views]))

    assert border(1) < 0.75 * border(0)


@pytest.mark.parametrize(("faces", "written"), [(FACE[:0], 20), (FACE, 0)])
def test_only_views_without_a_face_are_written_on(monkeypatch, faces: np.ndarray, written: int) -> None:
    def views(share: float) -> list[np.ndarray]:
        monkeypatch.setattr(augment, "WRITTEN", share)
        photo, seen = np.full((90, 100, 3), 90, np.uint8), np.zeros(len(faces), np.float32)
        rngs = (np.random.default_rng(seed) for seed in range(20))
        return [view(rng, photo, faces, seen, 96, 96, stretched=False)[0] for rng in rngs]

    assert sum((one != other).any() for one, other in zip(views(0), views(1), strict=True)) == written
