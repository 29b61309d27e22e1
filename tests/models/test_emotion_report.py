import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from models.emotion.evaluate import Report, evaluate, open_network, report
from models.emotion.evaluation.comparison import compare
from models.emotion.evaluation.judgement import judge
from models.emotion.evaluation.origin import data_hash, familiar, notes
from models.emotion.evaluation.report import ready, write
from models.emotion.evaluation.robustness import SWEEPS
from models.emotion.evaluation.sample import sample
from models.emotion.faces import LabelledFaces, read_faces
from pipeline.errors import InputError, OutputError
from pipeline.labels import LABELS
from tests.networks import classifier

RNG = np.random.default_rng(9)
COUNT = 40


@pytest.fixture
def faces(tmp_path: Path) -> LabelledFaces:
    votes = np.zeros((COUNT, 10), np.int64)
    votes[np.arange(COUNT), np.arange(COUNT) % 8] = RNG.integers(6, 10, COUNT)
    votes[:, 0] += 10 - votes.sum(1)
    path = tmp_path / "some <faces>.npz"
    np.savez(path, images=RNG.integers(0, 256, (COUNT, 48, 48), np.uint8), votes=votes)
    return read_faces(path)


def measured(faces: LabelledFaces, model: Path) -> Report:
    return report(faces, open_network(model), draws=30)


class Tags(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_and_numbers_say_the_same_and_need_nothing_else(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path)
    found = measured(faces, model)
    told: list[float] = []
    judged, pictures = judge(
        faces,
        open_network(model),
        model,
        found,
        against=found,
        count=7,
        draws=30,
        seconds=0.01,
        sweeps=SWEEPS[:2],
        told=lambda share, what: told.append(share),
    )
    assert told == sorted(told)
    assert told[-1] == 1
    out = tmp_path / "deep" / "report"
    ready(out)
    page = write(out, judged, found, faces.images, pictures).read_text()

    tags = Tags(page)
    assert not tags.open
    assert len(tags.sources) == tags.seen.count("img") == 7
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert not {"script", "link", "iframe"} & {*tags.seen}
    card = json.loads(model.with_suffix(".json").read_text())
    count = len(found.sample.rows)
    for word in (card["sha256"], data_hash(faces), "FER+: single votes", f"{count:,} of {COUNT:,}", "onnxruntime"):
        assert word in page
    assert "some &lt;faces&gt;" in page
    assert f"{found.accuracy.value:.3f}" in page

    numbers = json.loads((out / "report.json").read_text())
    assert numbers["accuracy"]["value"] == found.accuracy.value
    assert numbers["origin"]["n"] == numbers["accuracy"]["n"] == count
    assert numbers["origin"]["parameters"] == numbers["origin"]["macs"] == 48 * 48 * 8
    assert np.sum(numbers["confusion"]["counts"]) == count
    assert [one["name"] for one in numbers["robustness"]] == ["size", "blur"]
    clean = numbers["robustness"][0]["points"][0]
    assert (clean["level"], clean["accuracy"]["n"]) == (48, 7)
    assert numbers["against"]["accuracy"]["value"] == 0
    assert [one["batch"] for one in numbers["speed"]] == [1, 8, 32]
    never = [one for one in numbers["confusion"]["classes"] if not one["predicted"]]
    assert all(one["precision"]["value"] is None for one in never)
    wrong = found.found[pictures.wrong]
    assert (np.diff(wrong.max(1)) <= 0).all()
    assert (wrong.argmax(1) != found.sample.majority[pictures.wrong]).all()


def test_single_labels_of_people_are_told_apart_from_votes(faces: LabelledFaces, tmp_path: Path) -> None:
    model = classifier(tmp_path, labels=LABELS[:7])
    votes = np.zeros((COUNT, 10), np.int64)
    votes[np.arange(COUNT), 1 + np.arange(COUNT) % 6] = 10
    people = np.array([f"person {row % 5}" for row in range(COUNT)])
    single = replace(faces, votes=votes, people=people, labels=LABELS[1:7])
    found = measured(single, model)
    judged, pictures = judge(single, open_network(model), model, found, draws=30, seconds=0.01, sweeps=SWEEPS[:1])
    assert judged.raters is None
    assert judged.clarity == []
    assert {one.floor for one in judged.references} == {None}
    words = " ".join(judged.origin.notes)
    for word in ("no contempt", "do not know neutral, contempt", "one label for each face", "5 people"):
        assert word in words
    page = write(tmp_path, judged, found, single.images, pictures).read_text()
    assert not Tags(page).open


def test_votes_for_all_labels_need_no_notes(faces: LabelledFaces, tmp_path: Path) -> None:
    assert notes(faces, measured(faces, classifier(tmp_path)).sample) == []


def test_what_counts_twice_or_not_at_all_is_told(faces: LabelledFaces) -> None:
    votes = faces.votes.copy()
    votes[1] = 0
    twice = replace(faces, votes=votes).take(np.r_[np.arange(COUNT), 0:8])
    told = " ".join(notes(twice, sample(twice.votes)))
    assert "2 of the 48 faces have no votes" in told
    assert "7 of the 46 pictures that count equal an earlier one" in told
    assert "Few faces: happiness 4." in told


def test_a_network_on_the_faces_that_it_learnt_from_is_told(faces: LabelledFaces, tmp_path: Path) -> None:
    few = faces.take(np.arange(39))
    for training, known in (
        ({"data_sha256": data_hash(faces), "data": "other: 9 faces"}, True),
        ({"data_sha256": data_hash(few), "data": f"{faces.name}: 40 faces"}, False),
        ({"data": f"{faces.name}: 40 faces"}, True),
        ({"data": "other: 40 faces"}, False),
        ("by hand", False),
    ):
        model = classifier(tmp_path, changes={"training": training})
        assert (len(familiar(faces, model)) == 1) is known
        told = notes(faces, measured(faces, model).sample, network=model)
        assert ("learnt from" in " ".join(told)) is known
    assert familiar(faces, classifier(tmp_path)) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file.*choose another"):
        ready(tmp_path / "file" / "report")


def test_two_networks_are_compared_face_by_face(faces: LabelledFaces, tmp_path: Path) -> None:
    one = measured(faces, classifier(tmp_path))
    chosen = one.sample
    flawless = one.probabilities.copy()
    flawless[chosen.rows] = chosen.shares
    better = replace(one, model="better", probabilities=flawless)
    found = compare(faces, better, one, draws=50)
    assert (found.model, found.against) == ("better", one.model)
    assert found.accuracy.value == pytest.approx(1 - one.accuracy.value)
    assert found.divergence.value == pytest.approx(-one.divergence.value, rel=1e-5)
    assert found.only == (round(len(chosen.rows) * (1 - one.accuracy.value)), 0)
    assert compare(faces, one, better, draws=50).accuracy.value == -found.accuracy.value


def test_a_network_with_fewer_labels_is_compared_over_those(faces: LabelledFaces, tmp_path: Path) -> None:
    eight = measured(faces, classifier(tmp_path))
    (tmp_path / "seven").mkdir()
    seven = measured(faces, classifier(tmp_path / "seven", labels=LABELS[:7]))
    found = compare(faces, eight, seven, draws=50)
    assert found.labels == [*LABELS[:7]]
    assert found.accuracy.n == len(seven.sample.rows) < len(eight.sample.rows)
    # Both are linear with their own random weights; over seven labels they are neither the same nor undefined.
    assert math.isfinite(found.divergence.value)
    assert found.divergence.value != 0


def test_networks_without_a_face_in_common_cannot_be_compared(faces: LabelledFaces, tmp_path: Path) -> None:
    for name, labels in (("a", LABELS[:2]), ("b", LABELS[2:4])):
        (tmp_path / name).mkdir()
        classifier(tmp_path / name, labels=labels)
    one, other = (measured(faces, tmp_path / name / "net.onnx") for name in "ab")
    with pytest.raises(InputError, match="no row"):
        compare(faces, one, other)


def test_pixels_and_votes_make_the_hash(faces: LabelledFaces) -> None:
    votes = faces.votes.copy()
    votes[0, 0] += 1
    assert data_hash(faces) == data_hash(replace(faces, votes=faces.votes.astype(np.uint8), name="other"))
    assert data_hash(faces) != data_hash(replace(faces, votes=votes))


def test_folders_of_classes_are_measured_too(faces: LabelledFaces, tmp_path: Path) -> None:
    import cv2

    for row, face in enumerate(faces.images[:16]):
        place = tmp_path / "classes" / LABELS[row % 8]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{row}.png"), face)
    found = evaluate(tmp_path / "classes", classifier(tmp_path))
    assert found.accuracy.n == 16
    assert not found.sample.rated
