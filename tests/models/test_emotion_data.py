import numpy as np
import pytest

from models.emotion.data import DUPLICATE, mean, nearest, on_labels, rarity, rows, taught, without
from models.emotion.faces import LabelledFaces
from pipeline.errors import InputError
from pipeline.labels import LABELS

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


def test_copies_that_are_moved_are_found_where_they_are_looked_for() -> None:
    wide = RNG.integers(0, 256, (9, 18, 18), np.uint8).repeat(3, 1).repeat(3, 2)
    known = wide[:, 3:51, 3:51]
    ways = [(0, 0), (0, 3), (0, 6), (3, 0), (3, 3), (3, 6), (6, 0), (6, 3), (6, 6)]
    moved = np.stack([wide[at, y : y + 48, x : x + 48] for at, (y, x) in enumerate(ways)])
    asked = np.concatenate([moved, moved[:, :, ::-1]])
    still = nearest(asked, known)
    assert (still.reshape(2, 9)[:, 4] > 0.999).all()
    assert (np.delete(still.reshape(2, 9), 4, 1) < DUPLICATE).all()
    assert (nearest(asked, known, shift=3) > 0.999).all()
    faces = LabelledFaces(asked, np.ones((18, 10), int), None, LABELS, "faces", "")
    assert len(without(faces, known)) == 16
    assert len(without(faces, known, shift=3)) == 0
    assert len(without(faces, blobs(4), shift=3)) == 18


def test_without_leaves_only_what_is_new() -> None:
    images = blobs(12)
    faces = LabelledFaces(images, np.arange(120).reshape(12, 10), None, LABELS, "faces", "")
    left = without(faces, images[[2, 7], :, ::-1])
    assert left.votes[:, 0].tolist() == [row * 10 for row in range(12) if row not in (2, 7)]


def labelled(votes: list[list[int]], labels: tuple[str, ...] = LABELS) -> LabelledFaces:
    images = RNG.integers(0, 256, (len(votes), 48, 48), np.uint8)
    return LabelledFaces(images, np.array(votes), people=None, labels=labels, name="faces", description="")


TWO = ("neutral", "happiness")


def test_rows_mix_shares_with_the_majority() -> None:
    votes = [[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 8, 0]]
    found = rows(labelled(votes, TWO), sharpen=0.5)
    # The tie has no majority to mix in; the row without an emotion is gone.
    assert np.allclose(found.targets, [[0.8, 0.2], [0.5, 0.5]])
    assert found.weights.tolist() == [1.0, 1.0]


def test_rows_of_the_majority_are_those_that_have_one() -> None:
    votes = [[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 6, 0, 0, 0, 0, 0, 0, 4, 0]]
    found = rows(labelled(votes, TWO), targets="majority")
    assert found.targets.tolist() == [[1, 0], [0, 1]]
    assert found.weights.tolist() == [1.0, 1.0]


def test_votes_for_other_labels_are_votes_for_unknown() -> None:
    faces = on_labels(
        labelled([[4, 0, 6, 0, 0, 0, 0, 0, 0, 0], [7, 3, 0, 0, 0, 0, 0, 0, 0, 0]]), ("happiness", "neutral")
    )
    assert faces.labels == ("happiness", "neutral")
    assert faces.votes[0].tolist() == [4, 0, 0, 0, 0, 0, 0, 0, 6, 0]
    found = rows(faces)
    # In the order asked for; a row counts by how many of its votes are for these labels.
    assert np.allclose(found.targets, [[0, 1], [0.3, 0.7]])
    assert np.allclose(found.weights, [0.4, 1.0])


def test_a_label_without_a_face_is_named() -> None:
    with pytest.raises(InputError, match=r"'surprise' from.*labels=\[neutral,happiness\]"):
        rows(labelled([[6, 4, 0, 0, 0, 0, 0, 0, 0, 0]], (*TWO, "surprise")))


def test_why_a_label_has_no_face_is_said_with_the_ways_out() -> None:
    votes = [[6, 4, 0, 0, 0, 0, 0, 0, 0, 0]]
    with pytest.raises(InputError, match=r"'surprise' from; all are copies; or leave it out with --set labels="):
        rows(labelled(votes, (*TWO, "surprise")), lost="all are copies")
    with pytest.raises(InputError, match=r"no face to learn 'fear' from$"):
        rows(labelled(votes, ("happiness", "fear")))


def test_rows_know_their_places_in_the_data() -> None:
    faces = labelled(
        [[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0, 0, 0, 0, 0]], TWO
    )
    assert rows(faces, targets="majority").places.tolist() == [0, 2]
    assert rows(faces.take(np.array([2, 0, 1])), targets="majority").places.tolist() == [2, 0]


def test_rare_labels_count_as_much_as_frequent_ones() -> None:
    found = rows(labelled([[10, 0, 0, 0, 0, 0, 0, 0, 0, 0]] * 9 + [[0, 10, 0, 0, 0, 0, 0, 0, 0, 0]], TWO))
    weights = rarity(found)
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(weights @ found.targets, [5, 5])


def test_teachers_say_their_mean_of_the_labels_in_question() -> None:
    sure, unsure = np.eye(8, dtype=np.float32)[[1]], np.full((1, 8), 1 / 8, np.float32)
    say = mean([lambda _: sure, lambda _: unsure], ("happiness", "fear"))
    np.testing.assert_allclose(say(np.zeros((1, 48, 48), np.uint8)), [[0.9, 0.1]], rtol=1e-6)


def test_a_teacher_takes_its_part_of_the_target_whichever_way_round_the_face_is() -> None:
    learn = rows(labelled((np.eye(10, dtype=int)[[0, 1, 2]] * 10).tolist(), ("neutral", "happiness", "surprise")))

    def teacher(images: np.ndarray) -> np.ndarray:
        """Happiness where the left is brighter, else surprise."""
        left = images[:, :, :24].mean((1, 2)) > images[:, :, 24:].mean((1, 2))
        return np.eye(3, dtype=np.float32)[np.where(left, 1, 2)]

    targets = taught(learn, teacher, trust=0.5).targets
    np.testing.assert_allclose(targets, 0.5 * learn.targets + [0, 0.25, 0.25])
