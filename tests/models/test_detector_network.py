from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

torch = pytest.importorskip("torch", reason="torch comes with the train extra")

from models.detector.boxes import STRIDES  # noqa: E402
from models.detector.data import Batches, Photo, targets  # noqa: E402
from models.detector.export import build, trained  # noqa: E402
from models.detector.loss import ciou, losses  # noqa: E402
from models.detector.network import SIZES, Detector  # noqa: E402
from models.detector.start import begin  # noqa: E402
from models.detector.teacher import cells  # noqa: E402
from models.detector.train import SEED, Steps, Trainer, schedule  # noqa: E402
from pipeline.errors import InputError  # noqa: E402

NETWORK = Path(__file__).parents[2] / "models" / "detector.onnx"
FACE = np.array([[40, 40, 60, 60, 58, 64, 82, 64, 70, 76, 61, 88, 79, 88, 0.9]], np.float32)


def photo() -> Photo:
    picture = np.random.default_rng(0).integers(0, 256, (140, 140, 3)).astype(np.uint8)
    return Photo("a", picture, FACE, np.ones(1, np.float32), False, False)


def shaken(size: str = "standard") -> Detector:
    """A network whose normalisation does something, so that folding it can go wrong."""
    torch.manual_seed(0)
    network = Detector(SIZES[size])
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.3)
    network.eval()
    return network


@pytest.mark.parametrize("size", SIZES)
def test_the_exported_graph_says_what_the_network_says(size: str) -> None:
    network = shaken(size)
    session = ort.InferenceSession(build(network).SerializeToString(), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, 96, 160)).astype(np.float32)
    outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": pixels}), strict=True))
    with torch.no_grad():
        maps = network(torch.from_numpy(pixels))
    for stride, raw in zip(STRIDES, maps, strict=True):
        rows = raw.flatten(2).transpose(1, 2).numpy()
        size = float(np.abs(rows).max())
        assert outputs[f"bbox_{stride}"] == pytest.approx(rows[..., 1:5], abs=1e-5 * size)
        assert outputs[f"kps_{stride}"] == pytest.approx(rows[..., 5:], abs=1e-5 * size)
        for part in ("cls", "obj"):
            assert outputs[f"{part}_{stride}"] == pytest.approx(1 / (1 + np.exp(-rows[..., :1])), abs=1e-5)


def test_an_exported_network_begins_a_training_that_says_the_same(tmp_path: Path) -> None:
    model, pictures = build(shaken()), torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1)) * 255
    onnx.save(model, str(tmp_path / "net.onnx"))
    network = Detector()
    begin(network, tmp_path / "net.onnx", pictures)
    with torch.no_grad():
        learning, wanted = network(pictures), shaken()(pictures)
        network.eval()
        inferring = network(pictures)
    for ours, mine, theirs in zip(inferring, learning, wanted, strict=True):
        size = float(theirs.abs().max())
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-4 * size)
        assert mine.numpy() == pytest.approx(theirs.numpy(), abs=1e-2 * size)  # the variance's divisor is another
    onnx.save(helper.make_model(helper.make_graph([], "none", [], [])), str(tmp_path / "none.onnx"))
    with pytest.raises(ValueError, match=r"another network's file"):
        begin(network, tmp_path / "none.onnx", pictures)


def test_a_deeper_network_begins_as_next_to_the_shallower_one(tmp_path: Path) -> None:
    shallow, pictures = shaken(), torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1)) * 255
    shallow.stage8 = shallow.stage8[:2]
    onnx.save(build(shallow), str(tmp_path / "net.onnx"))
    network = Detector()
    begin(network, tmp_path / "net.onnx", pictures)
    network.eval()
    with torch.no_grad():
        deeper, wanted = network(pictures), shallow(pictures)
    for ours, theirs in zip(deeper, wanted, strict=True):
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=0.2 * float(theirs.std()))
        assert not np.allclose(ours.numpy(), theirs.numpy())  # what answers nothing learns nothing


def test_the_right_answer_costs_next_to_nothing() -> None:
    wanted = targets(FACE, np.ones(1, np.float32), 128)
    keys = ("score", "care", "box", "points", "weight", "landmarked")
    want = {key: torch.from_numpy(value)[None] for key, value in zip(keys, wanted, strict=True)}
    centres, strides = (torch.from_numpy(part) for part in cells(128))
    right = torch.zeros(1, len(strides), 15)
    right[0, :, 0] = torch.logit(want["score"][0].clamp(1e-6, 1 - 1e-6))
    box = want["box"][0]
    right[0, :, 1:3] = (box[:, :2] + box[:, 2:] / 2 - centres) / strides[:, None]
    right[0, :, 3:5] = torch.log(box[:, 2:].clamp(min=1e-3) / strides[:, None])
    right[0, :, 5:] = (want["points"][0] - centres.repeat(1, 5)) / strides[:, None]
    ends = np.cumsum([(128 // stride) ** 2 for stride in STRIDES])[:-1].tolist()
    maps = [
        part.transpose(1, 2).reshape(1, 15, 128 // stride, 128 // stride)
        for stride, part in zip(STRIDES, torch.tensor_split(right, ends, dim=1), strict=True)
    ]
    assert losses(tuple(maps), want, centres, strides).total.item() == pytest.approx(0, abs=1e-4)
    maps[1] = maps[1] + 0.3
    assert losses(tuple(maps), want, centres, strides).total.item() > 0.3


def test_complete_iou_of_boxes_apart_still_says_how_far() -> None:
    size = torch.full((3, 2), 10.0)
    middle = torch.tensor([[0.0, 0], [20, 0], [60, 0]])
    near, far, farther = ciou(middle, size, torch.zeros(3, 2), size).tolist()
    assert near == pytest.approx(0, abs=1e-5)
    assert 1 < far < farther < 2


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [schedule(step, 1000, 0.4) for step in range(1001)]
    assert rates[0] < 0.01
    assert rates[300:600] == pytest.approx([1.0] * 300)
    assert all(a >= b for a, b in pairwise(rates[600:]))
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def learn(trainer: Trainer, steps: int) -> None:
        batches = Steps(Batches([photo()], SEED, NETWORK), trainer.step, trainer.step + steps)
        for i in range(steps):
            batch = batches[i]
            trainer.learn({key: value[:2] for key, value in batch.items()}, 1e-3)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = Trainer(1e-3, "fast")
        learn(whole, 3)
        half = Trainer(1e-3, "fast")
        learn(half, 1)
        half.save(tmp_path / "c.pt")
        other = Trainer(1e-3, "fast")
        other.restore(tmp_path / "c.pt")
        learn(other, 2)
    finally:
        torch.set_num_threads(threads)
    assert other.step == whole.step == 3
    for one, two in zip(whole.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(one, two)
    other.save(tmp_path / "c.pt")
    assert sum(p.numel() for p in trained(tmp_path / "c.pt").parameters()) == sum(
        p.numel() for p in whole.network.parameters()
    )
    with pytest.raises(InputError, match=r"of the size 'fast', not 'standard'.*--out"):
        Trainer(1e-3).restore(tmp_path / "c.pt")


def test_a_loss_that_is_no_number_stops_and_names_the_batch() -> None:
    trainer = Trainer(1e-3)
    batch = Steps(Batches([photo()], SEED, NETWORK), 0, 1)[0]
    batch = {key: value[:1] for key, value in batch.items()}
    batch["score"] = batch["score"] * float("nan")
    with pytest.raises(FloatingPointError, match=r"batch 0 \(seed \d+\)"):
        trainer.learn(batch, 1e-3)
