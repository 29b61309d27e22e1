import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch comes with the train extra")

from models.emotion import export, train  # noqa: E402
from models.emotion.augment import augment  # noqa: E402
from models.emotion.data import Rows  # noqa: E402
from models.emotion.metrics import truth  # noqa: E402
from models.emotion.network import EmotionNet  # noqa: E402
from pipeline.card import emotion_card  # noqa: E402
from tests.networks import classifier  # noqa: E402

RNG = np.random.default_rng(2)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Command line of a tiny run: bright faces are happy, dark ones sad."""
    happy = RNG.random(80) < 0.5
    coarse = RNG.integers(0, 120, (80, 8, 8)) + np.where(happy, 130, 0)[:, None, None]
    votes = np.zeros((80, 10), np.uint8)
    votes[np.arange(80), np.where(happy, 1, 3)] = 10
    np.savez(tmp_path / "learn.npz", images=coarse.repeat(6, 1).repeat(6, 2).astype(np.uint8), votes=votes)
    given = {"data": tmp_path / "learn.npz", "out": tmp_path / "run"}
    settings = {"batch": 16, "held-out": 0.2, "threads": 1, "rate": 0.02}
    return [word for key, value in (given | settings).items() for word in (f"--{key}", str(value))]


def run(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *words])
    train.main()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, dict[str, torch.Tensor]] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state["average"]


# torch's exporter meets a deprecation of its own.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_broken_run_ends_as_a_whole_one(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, [*files, "--epochs", "3"])
    whole = weights(tmp_path / "run")
    kept = train.Run.save

    def save_twice(self: train.Run) -> None:
        kept(self)
        if self.epoch == 2:
            raise KeyboardInterrupt

    broken = [*files[:3], str(tmp_path / "broken"), *files[4:], "--epochs", "3"]
    monkeypatch.setattr(train.Run, "save", save_twice)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, broken)
    monkeypatch.setattr(train.Run, "save", kept)
    run(monkeypatch, broken)
    resumed = weights(tmp_path / "broken")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    with pytest.raises(train.TrainingError, match=r"--rate was 0\.02, is 0\.01"):
        run(monkeypatch, [*broken, "--rate", "0.01"])

    second = [*files[:3], str(tmp_path / "second"), *files[4:], "--epochs", "1", "--start", str(tmp_path / "run")]
    teacher = classifier(tmp_path)
    run(monkeypatch, [*second, "--teacher", str(teacher), "--trust", "0.35", "--dropout", "0.1"])
    folders = [str(tmp_path / "run"), str(tmp_path / "second")]
    monkeypatch.setattr(sys, "argv", ["export", "--run", *folders, "--out", str(tmp_path / "net.onnx")])
    export.main()
    mean = export.averaged([Path(folder) for folder in folders])["head.bias"]
    parts = [weights(Path(folder))["head.bias"] for folder in folders]
    torch.testing.assert_close(mean, (parts[0] + parts[1]) / 2)
    card = emotion_card(tmp_path / "net.onnx")
    assert card.file == "net.onnx"
    training = json.loads((tmp_path / "net.json").read_text())["training"]
    assert [stage["epochs"] for stage in training["stages"]] == [3, 1]
    assert [stage.get("trust") for stage in training["stages"]] == [None, 0.35]
    assert training["architecture"]["dropout"] == 0.1
    assert str(tmp_path) not in json.dumps(training)
    assert "faces" in training["data"]


def test_a_missing_run_is_named(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(train.TrainingError, match=r"no checkpoint at .*nowhere/checkpoint\.pt"):
        run(monkeypatch, [*files, "--start", str(tmp_path / "nowhere")])


def test_a_loss_that_is_not_finite_stops_the_run(files: list[str], tmp_path: Path) -> None:
    options = train.arguments().parse_args([*files, "--epochs", "1"])
    options.out.mkdir()
    targets = np.full((32, 8), 1 / 8, np.float32)
    targets[20, 0] = np.nan
    learn = Rows(RNG.integers(0, 256, (32, 48, 48), np.uint8), targets, np.ones(32, np.float32))
    with pytest.raises(train.TrainingError, match=r"loss is nan in epoch 1, batch [12] \(rows"):
        train.Run(options, learn).train_epoch(train.Progress(disable=True))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_rate_rises_then_falls_to_nothing() -> None:
    rates = [train.learning_rate(step, 200, 0.1) for step in range(200)]
    assert max(rates) == pytest.approx(0.1)
    peak = int(np.argmax(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-4


def test_augmented_faces_stay_faces() -> None:
    torch.manual_seed(0)
    faces = torch.full((64, 1, 48, 48), 90, dtype=torch.uint8)
    faces[:, :, 12:36, 12:36] = 160
    changed = augment(faces, degrade=0.5, erase=0.5)
    assert (changed.shape, changed.dtype) == (faces.shape, torch.float32)
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255
    centre, edge = changed[:, :, 20:28, 20:28].mean((1, 2, 3)), changed[:, :, :, :4].mean((1, 2, 3))
    assert float((centre > edge).float().mean()) > 0.8


def test_folding_changes_no_output() -> None:
    torch.manual_seed(1)
    network = EmotionNet()
    network(torch.randint(0, 256, (8, 1, 48, 48)))  # gives the norms statistics of their own
    network.eval()
    faces = torch.randint(0, 256, (4, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        before = network(faces)
        after = export.fold(network)(faces)
    assert torch.allclose(before, after, atol=1e-4)


def test_temperature_is_found_again() -> None:
    logits = RNG.normal(0, 4, (400, 8))
    powers = np.exp(logits / 1.6)
    votes = np.round(10_000 * powers / powers.sum(1, keepdims=True)).astype(np.int64)
    found = truth(np.pad(votes, ((0, 0), (0, 2))))
    assert found.kept.sum() > 200
    assert export.fit_temperature(logits, found) == pytest.approx(1.6, abs=0.05)
