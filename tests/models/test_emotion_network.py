"""The expression network that ships, against its contract and its card."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from models.emotion.evaluate import evaluate, open_network, report
from models.emotion.evaluation.robustness import degraded, shrunk
from models.emotion.faces import read_faces
from pipeline.card import emotion_card, shipped
from pipeline.labels import LABELS
from pipeline.onnx import file_hash, open_session
from pipeline.settings import RuntimeSettings

MODEL = shipped("emotion")
FACES = np.random.default_rng(0).integers(0, 256, (9, 1, 48, 48), np.uint8)


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return open_session(MODEL, RuntimeSettings(threads=1, provider="cpu"))


@pytest.fixture(scope="module")
def figures() -> dict[str, dict[str, float]]:
    return {figure["what"]: figure for figure in json.loads(MODEL.with_suffix(".json").read_text())["figures"]}


def test_graph_is_what_was_promised() -> None:
    model = onnx.load(str(MODEL))
    onnx.checker.check_model(model, full_check=True)
    (faces,), (probabilities,) = model.graph.input, model.graph.output
    assert (faces.name, probabilities.name) == ("faces", "probabilities")
    assert faces.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert probabilities.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    dims = faces.type.tensor_type.shape.dim
    assert dims[0].dim_param
    assert [dim.dim_value for dim in dims[1:]] == [1, 48, 48]
    assert all(opset.domain == "" and opset.version >= 17 for opset in model.opset_import)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_any_batch_gives_distributions(session: ort.InferenceSession, count: int) -> None:
    found = session.run(None, {"faces": FACES[:count]})[0]
    assert (found.shape, found.dtype) == ((count, 8), np.float32)
    assert (found >= 0).all()
    assert np.allclose(found.sum(1), 1, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch_mates(session: ort.InferenceSession) -> None:
    together = session.run(None, {"faces": FACES})[0]
    alone = np.concatenate([session.run(None, {"faces": FACES[row : row + 1]})[0] for row in range(len(FACES))])
    assert np.abs(together - alone).max() < 1e-5


@pytest.mark.parametrize("level", [0, 255])
def test_flat_faces_give_finite_distributions(session: ort.InferenceSession, level: int) -> None:
    found = session.run(None, {"faces": np.full((1, 1, 48, 48), level, np.uint8)})[0]
    assert np.isfinite(found).all()


def test_card_is_of_this_file() -> None:
    card = emotion_card(MODEL)
    assert card.file == MODEL.name
    assert card.sha256 == file_hash(MODEL)
    assert tuple(card.labels) == LABELS
    assert "Article 5(1)(f)" in card.prohibited_use


def test_figures_of_the_card_are_reproduced(data: Path, figures: dict[str, dict[str, float]]) -> None:
    found = evaluate(data / "ferplus_valid.npz")
    assert found.rows == 3579
    for what, estimate in (("majority accuracy", found.accuracy), ("KL(votes || prediction), nats", found.divergence)):
        assert estimate.n == figures[what]["n"] == 3199
        # Another processor rounds otherwise: a few faces in three thousand may fall on the other side.
        assert estimate.value == pytest.approx(figures[what]["value"], abs=0.002)
        assert [estimate.low, estimate.high] == pytest.approx(figures[what]["ci95"], abs=0.003)


def test_a_face_of_24_px_is_read_as_well_as_the_card_says(data: Path, figures: dict[str, dict[str, float]]) -> None:
    faces = read_faces(data / "ferplus_valid.npz")
    found = report(replace(faces, images=degraded(faces.images, shrunk, 24)), open_network())
    assert found.accuracy.value == pytest.approx(figures["majority accuracy at 24 px"]["value"], abs=0.002)
