import numpy as np

from models.emotion.data import DUPLICATE, hold_out, nearest, rows, taught, without
from models.emotion.metrics import Faces

RNG = np.random.default_rng(3)


def blobs(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth random images: no two alike, though each like itself after a little noise."""
    coarse = RNG.integers(0, 256, (count, 8, 8), np.uint8)
    return coarse.repeat(6, 1).repeat(6, 2)


def test_nearest_finds_copies_mirror_images_and_relit_ones() -> None:
    known = blobs(20)
    noisy = np.clip(known[:1] + RNG.normal(0, 10, (1, 48, 48)), 0, 255).astype(np.uint8)
    dark = (known[2:3] // 2).astype(np.uint8)
    asked = np.concatenate([noisy, known[1:2, :, ::-1], dark, blobs(3)])
    found = nearest(asked, known)
    assert (found[:3] > 0.97).all()
    assert (found[3:] < DUPLICATE).all()


def test_without_leaves_only_what_is_new() -> None:
    images = blobs(12)
    faces = Faces(images, np.arange(120).reshape(12, 10))
    left = without(faces, images[[2, 7], :, ::-1])
    assert left.votes[:, 0].tolist() == [row * 10 for row in range(12) if row not in (2, 7)]


def test_hold_out_parts_share_no_photograph() -> None:
    images = blobs(40)
    images[20:] = images[:20]
    faces = Faces(images, np.ones((40, 10), np.int64))
    learn, held = hold_out(faces, 0.2, seed=1)
    assert len(held.images) == 8
    assert (nearest(learn.images, held.images) <= DUPLICATE).all()
    again, _ = hold_out(faces, 0.2, seed=1)
    assert np.array_equal(learn.images, again.images)


def test_rows_mix_shares_with_the_majority() -> None:
    votes = np.array([[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 8, 0]])
    found = rows(Faces(np.zeros((3, 48, 48), np.uint8), votes), sharpen=0.5)
    # The tie has no majority to mix in; the row without an emotion is gone.
    assert np.allclose(found.targets[:, :2], [[0.8, 0.2], [0.5, 0.5]])
    assert found.weights.tolist() == [1.0, 1.0]


def test_a_teacher_takes_its_part_of_the_target_whichever_way_round_the_face_is() -> None:
    learn = rows(
        Faces(RNG.integers(0, 256, (3, 48, 48), np.uint8), np.eye(10, dtype=np.uint8)[[0, 1, 2]] * 10), sharpen=0
    )

    def teacher(images: np.ndarray) -> np.ndarray:
        """Happiness where the left is brighter, else surprise."""
        left = images[:, :, :24].mean((1, 2)) > images[:, :, 24:].mean((1, 2))
        return np.eye(8, dtype=np.float32)[np.where(left, 1, 2)]

    targets = taught(learn, teacher, trust=0.5).targets
    np.testing.assert_allclose(targets, 0.5 * learn.targets + 0.25 * np.eye(8)[1] + 0.25 * np.eye(8)[2])
