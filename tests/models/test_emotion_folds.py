import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion.data import DUPLICATE, nearest
from models.emotion.faces import LabelledFaces
from models.emotion.faces.labelled import single
from models.emotion.folds import divide, folds, hold_out
from models.emotion.ingredients import Split
from pipeline.errors import InputError
from pipeline.labels import LABELS


def people(count: int, each: int = 3, seed: int = 0) -> LabelledFaces:
    """Smooth random faces, `each` of a person with the same label, the last of them a near-copy of the one before."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count * each, 8, 8), np.uint8)
    coarse[each - 1 :: each] = coarse[each - 2 :: each]
    images = coarse.repeat(6, 1).repeat(6, 2)
    who = np.repeat([f"p{i:03}" for i in range(count)], each)
    labels = np.repeat(np.arange(count) % 4, each)
    return LabelledFaces(images, single(labels), people=who, labels=LABELS, name="people", description="")


def keys(faces: LabelledFaces) -> set[bytes]:
    return {image.tobytes() for image in faces.images}


@settings(max_examples=20)
@given(st.integers(0, 50), st.sampled_from(["face", "person"]))
def test_parts_are_apart_and_the_same_again(seed: int, by: str) -> None:
    faces = people(20)
    split = Split(held_out=0.2, test=0.2, by=by)
    parts, again = divide(faces, split, seed), divide(faces, split, seed)
    assert parts.test is not None
    assert np.array_equal(parts.learn.images, again.learn.images)
    assert np.array_equal(parts.held.votes, again.held.votes)
    assert len(parts.test) == len(parts.held) == 12
    for out in (parts.held, parts.test):
        assert (nearest(parts.learn.images, out.images) <= DUPLICATE).all()
        if by == "person":
            assert not set(parts.learn.people) & set(out.people)


def test_without_a_test_part_only_the_held_out_rows_are_apart() -> None:
    parts = divide(people(20), Split(held_out=0.1), 1)
    assert parts.test is None
    assert len(parts.held) == 6


def test_near_copies_that_are_left_out_are_counted_and_a_way_out_is_named() -> None:
    faces = people(20)
    parts = divide(faces, Split(held_out=0.2, test=0.2), 1)
    assert parts.test is not None
    assert parts.copies == len(faces) - len(parts.learn) - len(parts.held) - len(parts.test) > 0
    assert f"; {parts.copies} near-copies of those kept apart are left out" in str(parts)
    assert "split.by=person" in parts.lost(Split())
    assert "split.duplicates=true" in parts.lost(Split())
    assert "split.by=person" not in parts.lost(Split(by="person"))
    few = divide(faces, Split(held_out=0.05), 1)
    assert (parts.many_copies, few.many_copies) == (True, False)
    apart = divide(faces, Split(held_out=0.2, by="person"), 1)
    assert (apart.copies, apart.lost(Split(by="person"))) == (0, "")
    assert "near-copies" not in str(apart)


def test_parts_know_their_rows_of_the_data() -> None:
    faces = people(20)
    parts = divide(faces, Split(held_out=0.2, test=0.2), 1)
    for part in (parts.learn, parts.held, parts.test):
        assert part is not None
        assert np.array_equal(faces.images[part.rows], part.images)
    assert np.array_equal(faces.rows, np.arange(60))


def test_copies_are_kept_where_the_protocol_keeps_them() -> None:
    faces = people(20)
    learn, held = hold_out(faces, 0.2, Split(duplicates=True), 3)
    assert len(learn) + len(held) == len(faces)
    assert (nearest(learn.images, held.images) > DUPLICATE).any()


@pytest.mark.parametrize("by", ["face", "person"])
def test_each_face_is_tested_once(by: str) -> None:
    faces = people(40)
    every = list(folds(faces, Split(folds=5, held_out=0.1, by=by, duplicates=True), 1))
    assert len(every) == 5
    assert sum(len(parts.test) for parts in every) == len(faces)
    assert set.union(*(keys(parts.test) for parts in every)) == keys(faces)
    for parts in every:
        assert len(parts.learn) + len(parts.held) + len(parts.test) == len(faces)
        labels = parts.test.votes[:, :4].sum(0)
        assert labels.max() - labels.min() <= 10 * 3
        if by == "person":
            assert not set(parts.test.people) & (set(parts.learn.people) | set(parts.held.people))
            assert not set(parts.held.people) & set(parts.learn.people)


def test_folds_leave_out_copies_of_what_is_tested() -> None:
    for parts in folds(people(20), Split(folds=4, held_out=0.1), 1):
        assert (nearest(parts.learn.images, parts.test.images) <= DUPLICATE).all()


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (Split(held_out=0.01), "leaves a part without any"),
        (Split(held_out=0.99), "leaves a part without any"),
        (Split(by="person"), "does not say who is who"),
    ],
)
def test_what_cannot_be_divided_is_said(split: Split, says: str) -> None:
    faces = people(5)
    faces = LabelledFaces(faces.images, faces.votes, people=None, labels=LABELS, name="few", description="")
    with pytest.raises(InputError, match=says):
        divide(faces, split, 1)


@pytest.mark.parametrize(("by", "unit"), [("face", "faces"), ("person", "people")])
def test_more_folds_than_there_are_of_a_label(by: str, unit: str) -> None:
    with pytest.raises(InputError, match=f"only . {unit}"):
        list(folds(people(4, each=3), Split(folds=4, by=by), 1))
