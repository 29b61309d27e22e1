import cv2
import matplotlib
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.tracker.detector import Detector, squared_scores
from tests.pipeline.tracker.yunet import SIDE, network, picture, session


@pytest.fixture(scope="module")
def detector():
    return Detector(network(strides=[8]), low=0.3, overlap=0.45)


@pytest.fixture(scope="module")
def portrait():
    """Return the public-domain portrait of Grace Hopper, (608, 512, 3) BGR."""
    image = cv2.imread(matplotlib.get_data_path() + "/sample_data/grace_hopper.jpg")
    return cv2.resize(image, (512, 608))


def test_box_landmarks_and_score_are_in_px_of_the_picture(detector):
    found = detector(picture(96, 128, (5, 3, 204)))
    side = 8 * SIDE
    np.testing.assert_allclose(found.boxes, [[40 - side / 2, 24 - side / 2, side, side]], rtol=1e-6)
    np.testing.assert_allclose(found.landmarks, [[(40 + 8 * n, 24 - 8 * n) for n in range(5)]])
    np.testing.assert_allclose(found.scores, [0.8], rtol=1e-6)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_every_stride_has_its_own_grid(stride):
    image = np.zeros((96, 128, 3), np.uint8)
    image[2 * stride : 3 * stride, stride : 2 * stride] = 255
    found = Detector(network(strides=[stride]), low=0.3, overlap=0.45)(image)
    np.testing.assert_allclose(found.boxes[:, :2] + found.boxes[:, 2:] / 2, [[stride, 2 * stride]])


def test_best_comes_first_and_nothing_below_low(detector):
    found = detector(picture(96, 128, (2, 2, 102), (8, 8, 230), (14, 3, 70)))
    np.testing.assert_allclose(found.scores, [230 / 255, 0.4], rtol=1e-6)


def test_the_lower_of_two_that_overlap_is_dropped(detector):
    found = detector(picture(96, 128, (5, 3, 204), (6, 3, 255), (12, 9, 204)))
    np.testing.assert_allclose(sorted(found.boxes[:, 0]), [48 - 16, 96 - 16])


def test_a_face_is_the_mean_of_the_cells_that_see_it_by_their_scores():
    """Boxes of 12 cells a side, one cell apart, have an IoU of 0.85; three apart 0.6: that one only loses its place."""
    wide = Detector(network(strides=[8], size=12), low=0.3, overlap=0.45)
    found = wide(picture(192, 192, (8, 9, 255), (9, 9, 102), (11, 9, 204)))
    x = (8 * 255 + 9 * 102) / 357 * 8
    np.testing.assert_allclose(found.boxes, [[x - 48, 72 - 48, 96, 96]], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks[0], [(x + 8 * n, 72 - 8 * n) for n in range(5)], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [1], rtol=1e-6)


def test_a_face_without_extent_is_its_own():
    found = Detector(network(strides=[8], size=1e-20), low=0.3, overlap=0.45)(picture(96, 128, (5, 3, 204)))
    np.testing.assert_allclose(found.landmarks[0, 0], [40, 24])


def test_a_picture_full_of_faces_gives_each():
    found = Detector(network(strides=[8], size=0.5), low=0.3, overlap=0.45)(np.full((256, 256, 3), 255, np.uint8))
    assert len(found.scores) == 32 * 32
    assert len(np.unique(found.boxes, axis=0)) == 32 * 32


def test_no_face_gives_empty_arrays_of_the_right_shape(detector):
    found = detector(picture(96, 128))
    assert (found.boxes.shape, found.landmarks.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))


@pytest.mark.parametrize(
    "answer", [{name: value} for name in ("size", "spread") for value in (np.nan, np.inf, 1e30)] + [{"size": 1e200}]
)
def test_what_is_no_number_is_no_face(answer):
    found = Detector(network(strides=[8], **answer), low=0.3, overlap=0.45)(picture(96, 128, (4, 5, 255)))
    assert found.boxes.shape == (0, 4)


def test_values_a_little_outside_their_range_count_as_its_ends():
    cls, obj = np.array([[-0.1, 1.2, -0.1, 0.9, 0.5], [-0.1, 1.2, 0.9, -0.1, 1.2]], np.float32)
    np.testing.assert_allclose(squared_scores(cls, obj), [0, 1, 0, 0, 0.5])


def test_of_too_many_the_best_are_looked_at(detector, monkeypatch):
    monkeypatch.setattr("pipeline.tracker.detector.MOST", 2)
    found = detector(picture(96, 128, (2, 2, 102), (8, 8, 230), (14, 3, 204)))
    np.testing.assert_allclose(found.scores, [230 / 255, 0.8], rtol=1e-6)


def test_two_shapes_in_turn(detector):
    for height, width in ((64, 96), (96, 64), (64, 96)):
        found = detector(picture(height, width, (4, 5, 255)))
        np.testing.assert_allclose(found.landmarks[0, 0], [32, 40])


@pytest.mark.parametrize(
    ("shape", "factor"),
    [
        pytest.param((96, 128), 1, id="same"),
        pytest.param((64, 96), 1, id="smaller"),
        pytest.param((192, 256), 2, id="larger"),
    ],
)
def test_a_network_of_fixed_size_takes_any_picture(shape, factor):
    detector = Detector(network(sides=(96, 128), strides=[8]), low=0.3, overlap=0.45)
    image = cv2.resize(
        picture(shape[0] // factor, shape[1] // factor, (4, 5, 255)), shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    found = detector(image)
    np.testing.assert_allclose(found.landmarks[0, 0], [32 * factor, 40 * factor])
    np.testing.assert_allclose(found.boxes[0, 2:], 32 * factor, rtol=1e-6)


def test_a_network_of_fixed_size_takes_even_a_strip():
    detector = Detector(network(sides=(96, 128), strides=[8]), low=0.3, overlap=0.45)
    assert len(detector(np.zeros((32, 8224, 3), np.uint8)).scores) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"left_out": "kps_16"}, "kps_16", id="output missing"),
        pytest.param({"channels": 1}, r"\[1, 1, 'height', 'width'\]", id="one channel"),
    ],
)
def test_another_network_is_refused_by_name(options, named):
    with pytest.raises(ModelError, match=named) as refusal:
        Detector(network(**options), low=0.3, overlap=0.45)
    assert "\n" not in str(refusal.value)
    assert "cls_8" in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"sides": (96, "width")}, "both free or both fixed", id="one side fixed"),
        pytest.param(
            {"sides": (100, 104), "rounded_up": True},
            r"cls_8 of \(1, 169, 1\) for 104x100 px; wanted: \(1, 156",
            id="cells",
        ),
    ],
)
def test_what_would_fail_at_the_first_frame_is_refused_before(options, named):
    with pytest.raises(ModelError, match=named):
        Detector(network(**options), low=0.3, overlap=0.45)


def test_agrees_with_opencv_on_its_own_file(teacher, portrait):
    path = teacher / "face_detection_yunet_2026may.onnx"
    if not path.is_file():
        pytest.skip(f"no network at {path}")
    _, expected = cv2.FaceDetectorYN.create(str(path), "", portrait.shape[1::-1], 0.3, 0.45).detect(portrait)
    # OpenCV gives the best cell's values, so no other may count here.
    found = Detector(session(path), low=float(expected[0, 14]) - 1e-3, overlap=0.45)(portrait)
    assert len(found.scores) == len(expected) == 1
    np.testing.assert_allclose(found.boxes, expected[:, :4], atol=0.1)
    np.testing.assert_allclose(found.landmarks.reshape(1, 10), expected[:, 4:14], atol=0.1)
    np.testing.assert_allclose(found.scores, expected[:, 14], atol=1e-3)
