import numpy as np
import pytest

from pipeline.errors import InputError, ModelError
from pipeline.inference.classifier import Classifier
from pipeline.labels import LABELS
from pipeline.settings import EmotionSettings, RuntimeSettings
from tests import networks


def load(path, batch=32):
    return Classifier.load(EmotionSettings(model=path, batch=batch), RuntimeSettings())


def crops(count, size=48):
    return np.random.default_rng(1).integers(0, 256, (count, size, size), np.uint8)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gives_distributions_whatever_the_card_says(tmp_path, kind, layout, channels):
    classify = load(networks.classifier(tmp_path, kind=kind, layout=layout, channels=channels))
    probabilities = classify(crops(5))
    assert probabilities.shape == (5, 8)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_scales_floats_to_the_range_of_the_card(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bytes_ = load(networks.classifier(tmp_path / "a"))
    floats = load(networks.classifier(tmp_path / "b", dtype="float32", value_range=(0.0, 255.0)))
    np.testing.assert_allclose(bytes_(crops(3)), floats(crops(3)), atol=1e-6)


def test_a_face_does_not_depend_on_its_batch(tmp_path):
    classify = load(networks.classifier(tmp_path), batch=8)
    faces = crops(21)
    together = classify(faces)
    np.testing.assert_allclose(together, np.concatenate([classify(face[None]) for face in faces]), atol=1e-6)


def test_no_faces_give_no_rows(tmp_path):
    assert load(networks.classifier(tmp_path))(crops(0)).shape == (0, 8)


def test_labels_are_put_in_the_order_of_the_project(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    straight = load(networks.classifier(tmp_path / "a"))
    turned = load(networks.classifier(tmp_path / "b", labels=LABELS[::-1]))
    np.testing.assert_allclose(straight(crops(4)), turned(crops(4))[:, ::-1], atol=1e-6)


def test_labels_beyond_the_eight_are_left_out(tmp_path):
    classify = load(networks.classifier(tmp_path, labels=["happiness", "unknown", "sadness"]))
    probabilities = classify(crops(6))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert not probabilities[:, [LABELS.index("neutral"), LABELS.index("fear")]].any()


def test_template_is_scaled_to_the_size_of_the_crops(tmp_path):
    classify = load(networks.classifier(tmp_path, size=96))
    np.testing.assert_allclose(classify.template, 2 * np.array(networks.TEMPLATE), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "SHA-256 differs"),
        ({"output": {"name": "nothing"}}, "nothing"),
        ({"input": {"name": "faces", "size": 32}}, "size 48"),
        ({"labels": ["joy", "wrath"]}, "at least two of"),
        ({"labels": ["happiness", "sadness"]}, "labels"),
        ({"kind": "detector", "threshold": 0.5, "input": {"name": "input"}}, "face detector"),
        ({"card": 2}, "not valid"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        load(networks.classifier(tmp_path, changes=changes))


def test_values_that_are_not_numbers_are_an_error(tmp_path):
    # Noise stays within float32; faces of one shade do not cancel out, and overflow.
    classify = load(networks.classifier(tmp_path, weight=1.6e34))
    with pytest.raises(ModelError, match="not finite"):
        classify(np.full((2, 48, 48), 255, np.uint8))


def test_a_network_without_card_is_refused(tmp_path):
    path = networks.classifier(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="no card"):
        load(path)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = networks.classifier(tmp_path)
    path.write_text("not a network")
    with pytest.raises(InputError, match="not an ONNX network"):
        load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no card at .*gone.json"):
        load(tmp_path / "gone.onnx")


@pytest.mark.parametrize(("provider", "words"), [("cuda", "onnxruntime-gpu"), ("abacus", "unknown")])
def test_a_provider_that_is_missing_is_an_error(tmp_path, provider, words):
    path = networks.classifier(tmp_path)
    with pytest.raises(InputError, match=words):
        Classifier.load(EmotionSettings(model=path), RuntimeSettings(provider=provider))
