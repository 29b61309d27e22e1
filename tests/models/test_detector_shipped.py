"""The detectors that travel with the package: their contract, their cards, and what they see."""

import json
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import onnxruntime as ort
import pytest

from models.detector.boxes import Array, Image, held_back
from models.detector.find import Finder, fit, read
from models.detector.measure import SIDE, agreement, in_pixels
from pipeline.card import DetectorCard, read_card, shipped, variants
from pipeline.onnx import file_hash
from pipeline.tracker.overlap import iou

NETWORKS = variants("detector")
EYES = np.array([[222, 188], [306, 187]])
"""px: the pupils in the portrait, the person's right one first."""


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Path:
    return NETWORKS[request.param]


@pytest.fixture(scope="module")
def card(network: Path) -> DetectorCard:
    found = read_card(network)
    assert isinstance(found, DetectorCard)
    return found


@pytest.fixture(scope="module")
def portrait() -> Image:
    return read(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")


@pytest.fixture(scope="module")
def finder(network: Path, card: DetectorCard) -> Finder:
    return Finder(network, card.threshold)


def test_card_belongs_to_the_file(network: Path, card: DetectorCard) -> None:
    assert card.file == network.name
    assert card.sha256 == file_hash(network)
    assert card.input.name == "input"
    assert card.figures
    assert all({"what", "value", "n", "data", "protocol", "command"} <= figure.keys() for figure in card.figures)


def test_card_figures_meet_the_speed_and_say_both_sides(network: Path, card: DetectorCard) -> None:
    values = {figure["what"]: figure["value"] for figure in card.figures}
    assert values["ms per picture, this network"] < values["ms per picture, the teacher"]
    assert json.loads(network.with_suffix(".json").read_text())["training"]["parameters"] < 250_000


@pytest.mark.parametrize(("height", "width"), [(64, 96), (384, 640)])
def test_inputs_and_outputs_are_yunets(network: Path, height: int, width: int) -> None:
    session = ort.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    (picture,) = session.get_inputs()
    assert (picture.name, picture.type, picture.shape[:2]) == ("input", "tensor(float)", [1, 3])
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"input": pixels}), strict=True))
    assert len(outputs) == 12
    for stride in (8, 16, 32):
        cells = height * width // stride**2
        for kind, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            values = outputs[f"{kind}_{stride}"]
            assert values.shape == (1, cells, size)
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
        assert (outputs[f"cls_{stride}"] >= 0).all()
        assert (outputs[f"cls_{stride}"] <= 1).all()


def test_the_fast_one_takes_at_most_half_the_standard_one_s_time_at_320_px() -> None:
    times = {}
    for name, path in NETWORKS.items():
        figures = read_card(path).figures
        (times[name],) = (one["value"] for one in figures if one["what"] == "ms per picture of 320 px, this network")
    assert times["fast"] <= times["standard"] / 2


@pytest.mark.parametrize("side", [160, 320, 640])
def test_portrait_has_one_face_with_eyes_where_they_are(finder: Finder, portrait: Image, side: int) -> None:
    faces = finder.at(portrait, side)
    assert len(faces) == 1
    apart = float(np.linalg.norm(EYES[1] - EYES[0]))
    off = np.linalg.norm(faces[0, 4:8].reshape(2, 2) - EYES, axis=1)
    assert off.max() < 0.2 * apart
    x, y, w, h = faces[0, :4]
    assert 140 < x < 200
    assert 85 < y < 145
    assert 320 < x + w < 390
    assert 300 < y + h < 360


def test_mirrored_portrait_still_has_the_persons_right_eye_on_the_left(finder: Finder, portrait: Image) -> None:
    face = finder.at(np.ascontiguousarray(portrait[:, ::-1]), 320)[0]
    assert face[4] < face[8] < face[6]
    assert face[10] < face[12]
    assert face[5] < face[9] < face[11]


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_blank_picture_has_no_face(finder: Finder, shade: int) -> None:
    assert len(finder(np.full((384, 640, 3), shade, np.uint8))) == 0


def test_noise_has_no_face(finder: Finder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (384, 640, 3)).astype(np.uint8)
    assert len(finder(noise)) == 0


def test_opencv_reads_the_same_faces_from_the_same_file(network: Path, card: DetectorCard, portrait: Image) -> None:
    small, _ = fit(portrait, 320)
    canvas = np.zeros((320, 640, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    smaller, _ = fit(portrait, 160)
    canvas[40 : 40 + smaller.shape[0], 400 : 400 + smaller.shape[1]] = smaller
    ours = Finder(network, card.threshold)(canvas)
    theirs = opencv(network, canvas, card.threshold)
    assert len(ours) == len(theirs) == 2
    # OpenCV gives the best cell's box, the pipeline the mean of all cells of the face.
    assert iou(ours, theirs).diagonal().min() > 0.9
    assert ours[:, 14] == pytest.approx(theirs[:, 14], abs=0.01)
    for their in theirs:
        # Where only cells as good as the best one count, it is alone.
        our = Finder(network, float(their[14]) - 1e-4)(canvas)[-1]
        assert our[:14] == pytest.approx(their[:14], abs=0.3)


def opencv(network: Path, picture: Image, threshold: float) -> Array:
    detector = cv2.FaceDetectorYN.create(str(network), "", (picture.shape[1], picture.shape[0]), threshold, 0.45)
    faces = np.asarray(detector.detect(picture)[1], np.float32)
    return faces[np.argsort(-faces[:, 14])]


def test_the_standard_one_agrees_with_the_teacher_on_photos_held_back(data: Path, teacher: Path) -> None:
    network = teacher / "yunet_n_dynamic.onnx"
    if not network.is_file():
        pytest.skip(f"no teacher network at {network}")
    paths = [path for path in sorted((data / "photos").glob("people_*.webp")) if held_back(path.name)][:60]
    card = read_card(shipped("detector"))
    assert isinstance(card, DetectorCard)
    finders = Finder(network, 0.3), Finder(shipped("detector"), card.threshold)
    results = []
    for path in paths:
        picture = read(path)
        rows = [in_pixels(finder.at(picture, SIDE), SIDE / max(picture.shape[:2])) for finder in finders]
        results.append(agreement(rows[0], rows[0], rows[1], card.threshold))
    sure = sum(result.sure for result in results)
    assert sure > 60
    assert sum(result.found for result in results) >= 0.9 * sure
    assert sum(result.extra for result in results) <= 0.2 * len(results)
