"""Networks of every architecture, exported: what the pipeline makes of the file is what torch made of the network."""

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch comes with the train extra")

from models.emotion.evaluate import open_network  # noqa: E402
from models.emotion.export import export, fit_temperature  # noqa: E402
from models.emotion.faces import LabelledFaces  # noqa: E402
from models.emotion.faces.labelled import single  # noqa: E402
from models.emotion.folds import divide  # noqa: E402
from models.emotion.ingredients import Plain, Residual, Split  # noqa: E402
from models.emotion.network import Network, build, operations, predict  # noqa: E402
from models.emotion.recipe import Recipe  # noqa: E402
from models.emotion.start import begin, open_start, resolve  # noqa: E402
from pipeline.card import emotion_card  # noqa: E402
from pipeline.errors import InputError  # noqa: E402
from pipeline.labels import LABELS  # noqa: E402

SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
SMALL = Residual(widths=(16, 24), depths=(1, 2), dropout=0.5)
ARCHITECTURES = {
    "residual": SMALL,
    "without norms": SMALL.model_copy(update={"norms": False}),
    "plain": Plain(name="plain", convolutions=((6, 5), (16, 3)), dense=(12, 8), dropout=0.5),
    "not padded": Plain(name="plain", convolutions=((6, 5), (16, 5), (8, 3)), padded=False),
}


@pytest.fixture(scope="module")
def faces() -> LabelledFaces:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8), np.uint8).repeat(6, 1).repeat(6, 2)
    known = [LABELS.index(label) for label in SEVEN]
    votes = single(np.array(known)[rng.integers(0, 7, 60)])
    return LabelledFaces(images, votes, people=None, labels=SEVEN, name="made", description="")


def used(architecture: Residual | Plain, outputs: int) -> Network:
    """A network as training leaves it: norms have statistics, biases are not zero."""
    torch.manual_seed(1)
    network = build(architecture, outputs)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.1)
    network(torch.randint(0, 256, (8, 1, 48, 48)))
    network.eval()
    return network


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_pipeline_reads_what_was_exported(kind: str, faces: LabelledFaces, tmp_path: Path) -> None:
    recipe = Recipe(name="net", about="A network.", labels=SEVEN, architecture=ARCHITECTURES[kind])
    network = used(ARCHITECTURES[kind], 7)
    logits = predict(network, faces.images)
    temperature = export(network, recipe, divide(faces, Split(held_out=0.5), 1), tmp_path / "net.onnx")
    graph = onnx.load(str(tmp_path / "net.onnx")).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert not [node for node in graph.node if node.op_type == "BatchNormalization"]
    assert emotion_card(tmp_path / "net.onnx").labels == list(SEVEN)
    said = open_network(tmp_path / "net.onnx")(faces.images)
    wanted = torch.softmax(logits / temperature, 1).numpy()
    np.testing.assert_allclose(said[:, [LABELS.index(label) for label in SEVEN]], wanted, atol=1e-4)
    assert not said[:, LABELS.index("neutral")].any()

    # And it can be gone on from, with labels in another order, and one more.
    labels = ("neutral", *reversed(SEVEN))
    start = open_start(str(tmp_path / "net.onnx"))
    again = build(start.architecture, 8)
    begin(again, start, labels)
    again.eval()
    found = predict(again, faces.images)[:, 1:].flip(1)
    torch.testing.assert_close(found, logits / temperature, atol=1e-3, rtol=1e-3)


def test_folding_changes_no_output() -> None:
    network = used(Residual(), 8)
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), np.uint8)
    before = predict(network, images)
    network.fold()
    torch.testing.assert_close(before, predict(network, images), atol=1e-4, rtol=1e-4)


def test_operations_of_a_network_that_can_be_counted_by_hand() -> None:
    network = build(Plain(name="plain", convolutions=((4, 3),), dense=(5,)), 3).eval()
    assert operations(network) == 48 * 48 * 4 * 9 + 24 * 24 * 4 * 5 + 5 * 3


def test_a_face_with_no_px_left_is_refused() -> None:
    with pytest.raises(InputError, match="no px left"):
        build(Plain(name="plain", convolutions=((4, 7),) * 5, padded=False), 8)


def test_temperature_is_found_again() -> None:
    logits = np.random.default_rng(2).normal(0, 4, (400, 8))
    powers = np.exp(logits / 1.6)
    assert fit_temperature(logits, powers / powers.sum(1, keepdims=True)) == pytest.approx(1.6, abs=0.05)


def test_a_slimmed_first_stage_keeps_the_strongest_channels() -> None:
    wide = used(Residual(widths=(24, 32), depths=(1, 1)), 8)
    with torch.no_grad():
        # Eight channels that say nothing, wherever they are taken in.
        for part in (wide.stem[1], wide.blocks[0].norm1, wide.blocks[0].norm2):
            part.weight[::3] = 0
            part.bias[::3] = 0
        wide.blocks[0].gate.up.weight[:, 0] = 0
        wide.blocks[0].gate.down.bias[0] = -1
    from models.emotion.start import Start

    start = Start(Residual(widths=(24, 32), depths=(1, 1)), LABELS, wide.state_dict())
    slim = build(Residual(widths=(16, 32), depths=(1, 1)), 8)
    begin(slim, start, LABELS)
    slim.eval()
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), np.uint8)
    torch.testing.assert_close(predict(slim, images), predict(wide, images), atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match=r"differs in 'blocks\.1"):
        begin(build(Residual(widths=(16, 16), depths=(1, 1)), 8), start, LABELS)
    with pytest.raises(InputError, match="of another architecture"):
        begin(build(Plain(name="plain", convolutions=((4, 3),)), 8), start, LABELS)


def test_the_network_that_ships_can_be_begun_with() -> None:
    recipe = Recipe(name="more", about="More.", start="shipped", architecture={"name": "start", "dropout": 0.3})
    found = resolve(recipe, SEVEN)
    assert isinstance(found.architecture, Residual)
    assert (found.architecture.norms, found.architecture.dropout, found.labels) == (False, 0.3, SEVEN)
    network = build(found.architecture, 7)
    begin(network, open_start("shipped"), SEVEN)
    images = np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8)
    said = open_network()(images)[:, [LABELS.index(label) for label in SEVEN]]
    wanted = said / said.sum(1, keepdims=True)
    np.testing.assert_allclose(torch.softmax(predict(network, images), 1).numpy(), wanted, atol=1e-3)


def test_what_cannot_be_begun_with_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_start(str(tmp_path / "gone.onnx"))
