import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bootstrap import estimate
from models.emotion.evaluate import open_network, report
from models.emotion.faces import LabelledFaces
from models.emotion.faces.labelled import single
from models.emotion.outcome import judge, pooled, write_outcome
from pipeline.errors import InputError
from pipeline.labels import LABELS
from tests.networks import classifier

SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


@pytest.fixture
def faces() -> LabelledFaces:
    rng = np.random.default_rng(0)
    columns = np.array([LABELS.index(label) for label in SEVEN])[rng.integers(0, 7, 30)]
    images = rng.integers(0, 256, (30, 48, 48), np.uint8)
    return LabelledFaces(images, single(columns), people=None, labels=SEVEN, name="made", description="")


def test_a_network_is_judged_on_its_labels(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path, labels=SEVEN)
    found = judge(model, faces, "these")
    said, true = open_network(model)(faces.images).argmax(1), faces.votes.argmax(1)
    assert found.accuracy.value == pytest.approx((said == true).mean())
    assert found.accuracy.n == 30
    for row, label in enumerate(SEVEN):
        for column, other in enumerate(SEVEN):
            count = ((true == LABELS.index(label)) & (said == LABELS.index(other))).sum()
            assert found.confusion[row, column] == count


def test_pooled_folds_count_each_face_once(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path, labels=SEVEN)
    whole = judge(model, faces, "all")
    halves = [judge(model, faces.take(rows), "half") for rows in (np.arange(11), np.arange(11, 30))]
    both = pooled(halves, "all")
    assert np.array_equal(both.hits, whole.hits)
    assert np.array_equal(both.kl, whole.kl)
    assert np.array_equal(both.confusion, whole.confusion)
    write_outcome(tmp_path, both, {"claim": "none"})
    told = json.loads((tmp_path / "result.json").read_text())
    assert (told["n"], told["claim"]) == (30, "none")
    with (tmp_path / "confusion.csv").open() as file:
        table = list(csv.reader(file))
    assert table[0] == ["majority", *SEVEN]
    assert [[int(cell) for cell in row[1:]] for row in table[1:]] == whole.confusion.tolist()


def test_intervals_are_over_people_where_they_are_known(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path, labels=SEVEN)
    alone = judge(model, faces, "these")
    assert alone.accuracy == estimate(alone.hits)
    # Ten people, with three faces each that are the same one.
    three = faces.take(np.repeat(np.arange(10), 3))
    people = np.repeat([f"S{number}" for number in range(10)], 3)
    known, unknown = judge(model, replace(three, people=people), "these"), judge(model, three, "these")
    ten = judge(model, faces.take(np.arange(10)), "these")
    for one, other, few in (
        (known.accuracy, unknown.accuracy, ten.accuracy),
        (known.divergence, unknown.divergence, ten.divergence),
    ):
        assert (one.value, one.n) == (other.value, 30)
        # Copies of a face tell nothing more of how people differ.
        assert [one.low, one.high] == pytest.approx([few.low, few.high], rel=0.01)
        assert one.high - one.low > 1.3 * (other.high - other.low)
    told = report(replace(three, people=people), open_network(model))
    assert (known.accuracy, known.divergence.told()) == (told.accuracy, told.divergence.told())
    assert (known.size, unknown.size) == ({"n": 30, "people": 10}, {"n": 30})
    assert known.figures()["people"] == 10
    assert "people" not in str(unknown)
    assert "n = 30 of 10 people" in str(known)


def test_a_person_in_several_folds_is_one_person(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path, labels=SEVEN)
    known = replace(faces, people=np.array([f"S{number % 6}" for number in range(30)]))
    whole = judge(model, known, "all")
    both = pooled([judge(model, known.take(rows), "half") for rows in (np.arange(11), np.arange(11, 30))], "all")
    assert (both.accuracy, both.divergence) == (whole.accuracy, whole.divergence)
    assert both.figures() == whole.figures()
    assert both.size == {"n": 30, "people": 6}


def test_nothing_to_judge_on_is_said(faces: LabelledFaces, tmp_path: Path) -> None:
    undecided = LabelledFaces(faces.images, np.ones_like(faces.votes), None, SEVEN, "made", "")
    with pytest.raises(InputError, match="no face has a majority"):
        judge(classifier(tmp_path, labels=SEVEN), undecided, "these")
