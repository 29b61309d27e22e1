import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bootstrap import wilson
from models.crops.alignment import measurable, measure, misplacement, tables
from models.crops.scene import CELL, HEIGHT, WIDTH, found, pages, relative
from models.emotion.faces import LabelledFaces
from models.emotion.metrics import Faces
from pipeline.errors import InputError
from pipeline.labels import LABELS
from pipeline.settings import DetectorSettings
from pipeline.tracker.align import crops
from workers.config import load_config
from workers.engine import Engine
from workers.scene import FACE, portrait


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(load_config(None, {}))


@pytest.fixture(scope="module")
def faces() -> Faces:
    """The portrait's face in several lights, as a data set would hold it."""
    x, y, w, h = (round(value) for value in FACE)
    gray = cv2.cvtColor(portrait(), cv2.COLOR_BGR2GRAY)[y : y + h, x + (w - h) // 2 : x + (w + h) // 2]
    small = cv2.resize(gray, (48, 48), interpolation=cv2.INTER_AREA)
    images = np.stack([(small * light).astype(np.uint8) for light in (0.7, 0.8, 0.9, 1.0)])
    votes = np.zeros((4, 10), np.int64)
    votes[:, 1] = 8
    return Faces(images, votes)


def turned(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    real, imaginary = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[[real, -imaginary, x], [imaginary, real, y]]])


places = st.builds(turned, st.floats(0.2, 5), st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500))


@given(places, places)
def test_relative_maps_do_one_and_undo_the_other(place, placed):
    points = np.array([[0, 48, 7], [0, 0, 31], [1, 1, 1]])
    within = relative(place, placed)[0] @ points
    np.testing.assert_allclose(place[0] @ np.vstack([within, np.ones(3)]), placed[0] @ points, atol=1e-6)


def test_misplacement_of_known_errors():
    errors = np.concatenate([turned(1.1, 0, 0, 0), turned(1.1, 0, 0, 0)])
    # Larger round the middle, then three px to the right and four down.
    errors[:, :, 2] = [3 - 2.4, 4 - 2.4]
    (scale, spread), (shift, mean), roll = misplacement(errors, 48)
    assert (scale, spread, shift, mean, roll) == pytest.approx((1.1, 0, 5, 5, 0), abs=1e-9)
    assert misplacement(turned(1, np.radians(7), 0, 0), 48)[2] == pytest.approx(7)


@pytest.mark.parametrize("height", [30, 48, 75.5, 128])
def test_faces_lie_where_the_page_says(height):
    rng = np.random.default_rng(3)
    soft = cv2.resize(rng.uniform(30, 220, (9, 6, 6)).astype(np.float32).transpose(1, 2, 0), (48, 48))
    images = soft.transpose(2, 0, 1).astype(np.uint8)
    shown = [*pages(images, height, DetectorSettings(), seed=1)]
    assert [row for page in shown for row in page.rows] == [*range(9)]
    for page in shown:
        again = crops(page.frame.luma, (WIDTH, HEIGHT), page.places, 48, full_range=True)
        assert np.abs(again.astype(float) - images[page.rows])[:, 3:-3, 3:-3].mean() < 4
        middles = page.places @ np.array([24, 24, 1])
        assert len({(*(middle // round(CELL * height)),) for middle in middles}) == len(middles)


def test_pages_of_a_seed_are_always_the_same(faces):
    one, other, third = (next(pages(faces.images, 64, DetectorSettings(), seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.frame.luma, other.frame.luma)
    assert (one.frame.luma != third.frame.luma).any()


def test_the_pipeline_finds_the_faces_again(engine, faces):
    seen = found(engine, faces.images, 96, seed=0)
    assert seen.rows.tolist() == [0, 1, 2, 3]
    assert seen.crops.shape == (4, 48, 48)
    (scale, _), (shift, _), roll = misplacement(seen.errors, 48)
    assert 0.75 < scale < 1.35
    assert shift < 8
    assert roll < 15
    # What is told of a crop's place is where it was cut from: the same cut out of the face itself looks the same.
    for row, crop, error in zip(seen.rows, seen.crops, seen.errors, strict=True):
        same = crops(faces.images[row], (48, 48), error[None], 48, full_range=True)[0]
        assert np.abs(same.astype(float) - crop)[8:-8, 8:-8].mean() < 12


def test_where_no_face_is_none_is_found(engine):
    flat = np.full((3, 48, 48), 120, np.uint8)
    assert len(found(engine, flat, 64, seed=0).rows) == 0
    votes = np.tile([9, *[0] * 9], (3, 1))
    assert [*measure(Faces(flat, votes), engine, (64,))] == []


def test_the_figures_are_those_of_the_faces_found(engine, faces):
    (row,) = measure(faces, engine, (96,))
    assert (row.faces, row.found, row.own.n, row.perfect.n) == (4, 4, 4, 4)
    assert row.lost.value == pytest.approx(row.perfect.value - row.own.value)
    assert [table.row_count for table in tables([row])] == [1, 1]


def test_intervals_are_over_people_where_they_are_known(engine, faces):
    images = np.repeat(faces.images[3:], 16, axis=0)
    said = int(engine.classifier(images[:1]).argmax())
    # The network is right of the one person, wrong of the other.
    votes = np.zeros((16, 10), np.int64)
    votes[:8, said] = votes[8:, (said + 1) % 8] = 9
    votes[3] = 4
    people = np.repeat(["a", "b"], 8)
    known = measurable(LabelledFaces(images, votes, people, LABELS, "made", ""), None, 0)
    (over_people,) = measure(known, engine, (96,))
    (over_faces,) = measure(Faces(known.images, known.votes), engine, (96,))
    two = wilson(over_people.perfect.value, 2)
    assert (over_people.perfect.low, over_people.perfect.high) == pytest.approx(two, abs=0.05)
    assert 0 < over_faces.perfect.low < over_faces.perfect.high < 1
    assert over_people.own.high - over_people.own.low > over_faces.own.high - over_faces.own.low
    assert over_people.perfect.value == over_faces.perfect.value


def test_only_faces_with_a_majority_are_measured(faces):
    votes = faces.votes.copy()
    votes[2] = [4, 4, 4, *[0] * 7]
    assert len(measurable(Faces(faces.images, votes), None, 0).images) == 3
    assert len(measurable(Faces(faces.images, votes), 2, 0).images) == 2
    with pytest.raises(InputError, match="more than half"):
        measurable(Faces(faces.images[2:3], votes[2:3]), None, 0)
