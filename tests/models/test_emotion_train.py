import json
import math
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from rich.progress import Progress

torch = pytest.importorskip("torch", reason="torch comes with the train extra")

from models.emotion import average, experiment, train  # noqa: E402
from models.emotion.augment import augment  # noqa: E402
from models.emotion.checkpoint import TrainingError, read_checkpoint, write_checkpoint  # noqa: E402
from models.emotion.data import on_labels  # noqa: E402
from models.emotion.experiment import Bench, divided, resolved  # noqa: E402
from models.emotion.faces import LabelledFaces  # noqa: E402
from models.emotion.faces.labelled import single  # noqa: E402
from models.emotion.folder import stopped  # noqa: E402
from models.emotion.folds import divide  # noqa: E402
from models.emotion.ingredients import Changes, Optimizer, Split  # noqa: E402
from models.emotion.losses import losses, weighted  # noqa: E402
from models.emotion.recipe import Recipe, make, read_recipe  # noqa: E402
from models.emotion.runs import NETWORK, Source, describe  # noqa: E402
from models.emotion.search import search  # noqa: E402
from pipeline.card import emotion_card  # noqa: E402
from pipeline.errors import InputError  # noqa: E402
from tests.networks import classifier  # noqa: E402

TINY = {
    "name": "tiny",
    "about": "A tiny run.",
    "labels": ["happiness", "sadness"],
    "split": {"held_out": 0.2},
    "architecture": {"name": "residual", "widths": [8, 16], "depths": [1, 1], "dropout": 0.2},
    "optimizer": {"rate": 0.02},
    "epochs": 3,
    "batch": 16,
    "average": 0.9,
    "augment": {"mirror": 0.5, "rotate": 10, "shift": 0.05, "brightness": 10, "degrade": 0.25, "erase": 0.5},
}
PLAIN = {"name": "plain", "convolutions": [[4, 3], [8, 3]], "dense": [8], "dropout": 0.2}


def recipe(**changes: object) -> Recipe:
    return make({**TINY, **changes}, "here")


@pytest.fixture(scope="session")
def source() -> Source:
    """Bright faces are happy, dark ones sad; four of each person."""
    rng = np.random.default_rng(2)
    happy = np.repeat(np.arange(20) % 2 == 0, 4)
    coarse = rng.integers(0, 120, (80, 8, 8)) + np.where(happy, 130, 0)[:, None, None]
    images = coarse.repeat(6, 1).repeat(6, 2).astype(np.uint8)
    who = np.repeat([f"p{i:02}" for i in range(20)], 4)
    faces = LabelledFaces(
        images, single(np.where(happy, 1, 3)), people=who, labels=("happiness", "sadness"), name="made", description=""
    )
    return describe(faces, Path("made.npz"))


@pytest.fixture
def bench() -> Bench:
    torch.set_num_threads(1)
    return Bench(torch.device("cpu"), True, Progress(console=Console(quiet=True), disable=True))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(folder)["average"]
    return state


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def stop_after(epochs: int) -> Callable[[train.Run], None]:
    kept = train.Run.save

    def save(self: train.Run) -> None:
        kept(self)
        if self.epoch == epochs:
            raise KeyboardInterrupt

    return save


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"patience": 9, "optimizer": {"name": "rmsprop", "rate": 0.002, "schedule": "constant"}, "architecture": PLAIN},
        {"balance": "oversample", "loss": "focal", "optimizer": {"name": "adam", "rate": 0.005}},
    ],
    ids=["averaged", "early-stopping", "oversampled"],
)
def test_a_broken_run_ends_as_a_whole_one(
    source: Source, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    mine = recipe(**changes)
    parts = divided(mine, source)[0]
    whole = experiment.fit(mine, parts, source, tmp_path / "whole", bench)
    with monkeypatch.context() as patched:
        patched.setattr(train.Run, "save", stop_after(2))
        with pytest.raises(KeyboardInterrupt):
            experiment.fit(mine, parts, source, tmp_path / "broken", bench)
    assert read_checkpoint(tmp_path / "broken")["epoch"] == 2
    resumed = experiment.fit(mine, parts, source, tmp_path / "broken", bench)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert equal(whole.final().state_dict(), resumed.final().state_dict())
    told = [(tmp_path / name / "history.jsonl").read_text().splitlines() for name in ("whole", "broken")]
    for ours, others in zip(*told, strict=True):
        assert {**json.loads(ours), "seconds": 0} == {**json.loads(others), "seconds": 0}
    other = experiment.fit(mine.model_copy(update={"seed": 2}), parts, source, tmp_path / "other", bench)
    assert not equal(whole.final().state_dict(), other.final().state_dict())


def test_a_run_leaves_all_that_tells_of_it(source: Source, tmp_path: Path, bench: Bench) -> None:
    found = experiment.train(recipe(), source, tmp_path / "run", bench)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoint.pt", "confusion.csv", "curves.png", "history.jsonl",
        "network.json", "network.onnx", "recipe.yaml", "result.json", "run.json", "test.npz",
    ]  # fmt: skip
    assert read_recipe(str(tmp_path / "run" / "recipe.yaml")) == resolved(recipe(), source)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["data"]["sha256"] == source.sha256
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["n"] == len(found.hits) == 16
    assert np.sum(result["confusion"]) == 16
    assert found.hits.mean() >= 0.9
    assert "held-out" in result["part"]
    figures = emotion_card(tmp_path / "run" / NETWORK).figures
    assert figures[0]["value"] == result["accuracy"]["value"]


def test_a_checkpoint_of_another_recipe_is_refused(source: Source, tmp_path: Path, bench: Bench) -> None:
    short, folder = recipe(epochs=1), tmp_path / "run"
    experiment.fit(short, divided(short, source)[0], source, folder, bench)
    faster = recipe(epochs=1, optimizer={"rate": 0.01})
    with pytest.raises(InputError, match=r"optimizer\.rate was 0\.02, is 0\.01.*--no-resume"):
        experiment.train(faster, source, folder, bench)
    others = Source(source.faces, source.path, None, "0" * 64)
    with pytest.raises(InputError, match="the faces are others"):
        experiment.train(short, others, folder, bench)
    # Nothing was written over, so the run can still be gone on from.
    assert read_recipe(str(folder / "recipe.yaml")) == short
    # What only tells of the run may change.
    told = short.model_copy(update={"about": "Another word for it.", "claim": "none"})
    assert experiment.fit(told, divided(told, source)[0], source, folder, bench).epoch == 1
    anew = Bench(bench.device, False, bench.progress)
    experiment.fit(faster, divided(faster, source)[0], source, folder, anew)
    assert read_checkpoint(folder)["recipe"]["optimizer"]["rate"] == 0.01


def test_a_damaged_checkpoint_is_named(source: Source, tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"checkpoint\.pt' cannot be read"):
        experiment.train(recipe(), source, tmp_path, bench)
    with pytest.raises(InputError, match=r"no checkpoint at .*nowhere/checkpoint\.pt"):
        experiment.train(recipe(start=str(tmp_path / "nowhere")), source, tmp_path / "run", bench)


def test_a_checkpoint_is_whole_whatever_became_of_the_one_before(tmp_path: Path) -> None:
    state: dict[str, object] = {"epoch": 1, "recipe": {}, "network": {}, "average": {}, "optimizer": {}}
    (tmp_path / "checkpoint.part").write_bytes(b"killed as it wrote")
    write_checkpoint(tmp_path, state)
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint(tmp_path, state | {"epoch": 2, "history": lambda: None})
    assert read_checkpoint(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_further_stage_begins_with_the_last_and_is_taught(
    source: Source, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.train(recipe(epochs=2), source, tmp_path / "first", bench)
    teachers = [str(classifier(tmp_path)), str(tmp_path / "first" / NETWORK)]
    more = {"start": str(tmp_path / "first"), "teachers": teachers, "trust": 0.35}
    second = resolved(recipe(epochs=1, **more), source)
    parts = divided(second, source)[0]
    run = train.Run(second, parts, tmp_path / "second")
    assert equal(run.average.state_dict(), weights(tmp_path / "first"))
    run.advance(bench.progress)
    assert (run.learn.targets.max(1) < 1).all()

    patient = train.Run(resolved(recipe(teaching="augmented", **more), source), parts, tmp_path / "patient")
    assert np.isin(patient.learn.targets, [0, 1]).all()
    seen: list[np.ndarray] = []
    ask = patient.teacher
    assert ask is not None
    patient.teacher = lambda faces: (seen.append(faces), ask(faces))[1]
    patient.advance(bench.progress)
    # Each batch, and not as the faces were.
    assert [faces.shape for faces in seen] == [(16, 48, 48)] * patient.steps
    assert not {image.tobytes() for image in seen[0]} & {image.tobytes() for image in source.faces.images}

    faces = source.faces
    np.savez(tmp_path / "faces.npz", images=faces.images, votes=faces.votes, subjects=faces.people)
    folders = [tmp_path / "first", tmp_path / "second"]
    words = ["average", "--run", *map(str, folders), "--out", str(tmp_path / "net.onnx")]
    monkeypatch.setattr("sys.argv", [*words, "--data", str(tmp_path / "faces.npz")])
    average.main()
    found = average.averaged(folders)["head.bias"]
    torch.testing.assert_close(found, (weights(folders[0])["head.bias"] + weights(folders[1])["head.bias"]) / 2)
    card = emotion_card(tmp_path / "net.onnx")
    assert card.file == "net.onnx"
    training = json.loads((tmp_path / "net.json").read_text())["training"]
    assert [stage["epochs"] for stage in training["stages"]] == [2, 1]
    assert [stage.get("trust") for stage in training["stages"]] == [None, 0.35]
    assert training["averaged"] == "weights of the last 2 stages"
    assert str(tmp_path) not in json.dumps(training)


def test_early_stopping_takes_the_best_epoch(source: Source, tmp_path: Path, bench: Bench) -> None:
    # At this rate the weights leave the first, good ones for good.
    mine = recipe(epochs=30, patience=2, average=0.0, optimizer={"rate": 0.8, "schedule": "constant"})
    run = experiment.fit(mine, divided(mine, source)[0], source, tmp_path, bench)
    values = [told["held_kl"] for told in run.history]
    best = int(np.argmin(values)) + 1
    assert run.epoch == min(best + 2, 30)
    assert run.done
    assert train.measure(run.final(), on_labels(run.held, ("happiness", "sadness")))["kl"] == pytest.approx(min(values))


def test_folds_are_trained_each_in_its_folder_and_summed_up(source: Source, tmp_path: Path, bench: Bench) -> None:
    mine = recipe(split={"folds": 2, "held_out": 0.2, "by": "person", "duplicates": True}, epochs=1)
    found = experiment.train(mine, source, tmp_path, bench)
    assert len(found.hits) == 80
    told = json.loads((tmp_path / "result.json").read_text())
    each = [json.loads((tmp_path / f"fold-{k}" / "result.json").read_text()) for k in (1, 2)]
    assert told["accuracy_mean"] == pytest.approx(np.mean([fold["accuracy"]["value"] for fold in each]), abs=1e-4)
    np.testing.assert_array_equal(told["confusion"], np.sum([fold["confusion"] for fold in each], axis=0))
    rows = (tmp_path / "confusion.csv").read_text().split()
    assert rows[0] == "majority,happiness,sadness"
    assert (tmp_path / "fold-2" / NETWORK).exists()


def test_a_search_goes_on_and_exports_the_best(source: Source, tmp_path: Path, bench: Bench) -> None:
    space = {"optimizer.rate": {"low": 1e-6, "high": 0.05, "log": True}, "architecture.dropout": [0.0, 0.5]}
    mine = recipe(search=space, epochs=1, split={"held_out": 0.2, "test": 0.2}, watch="accuracy")
    first, _, _ = search(mine, 2, source, tmp_path, bench)
    stamp = (tmp_path / "trial-1" / "checkpoint.pt").stat().st_mtime_ns
    trials, best, found = search(mine, 3, source, tmp_path, bench)
    assert (tmp_path / "trial-1" / "checkpoint.pt").stat().st_mtime_ns == stamp
    assert trials[:2] == first
    assert best.accuracy == max(trial.accuracy for trial in trials)
    assert json.loads((tmp_path / "trials.json").read_text())["best"] == best.number
    assert yaml.safe_load((tmp_path / "recipe.yaml").read_text())["optimizer"]["rate"] == best.changes["optimizer.rate"]
    assert found.part == experiment.TESTED
    assert emotion_card(tmp_path / NETWORK).labels == ["happiness", "sadness"]
    assert not list(tmp_path.glob(f"trial-*/{NETWORK}")) or (tmp_path / f"trial-{best.number}" / NETWORK).exists()


def test_a_search_needs_something_to_search(source: Source, tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(InputError, match="no section search"):
        search(recipe(), 2, source, tmp_path, bench)


def test_a_loss_that_is_not_finite_stops_the_run(source: Source, tmp_path: Path) -> None:
    mine = recipe()
    run = train.Run(mine, divided(mine, source)[0], tmp_path)
    run.learn.targets[20, 0] = np.nan
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1, batch [1-4] \(rows"):
        run.advance(Progress(disable=True))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_weights_that_are_not_finite_are_not_kept(source: Source, tmp_path: Path, bench: Bench) -> None:
    # One batch: its loss is that of the weights before it, so that only what came of it can tell.
    wild = recipe(epochs=1, batch=60, optimizer={"rate": 1e20})
    with pytest.raises(TrainingError, match=r"not finite after epoch 1; .*--no-resume --set optimizer\.rate=1e\+19"):
        experiment.train(wild, source, tmp_path / "run", bench)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["recipe.yaml", "run.json"]


def test_rows_of_a_bad_batch_are_those_of_the_data(source: Source, tmp_path: Path) -> None:
    mine = recipe(batch=4)
    run = train.Run(mine, divided(mine, source)[0], tmp_path)
    run.learn.targets[20] = np.nan
    with pytest.raises(TrainingError) as raised:
        run.advance(Progress(disable=True))
    told = re.search(r"rows ([\d, ]+) and on of the data", str(raised.value))
    assert told is not None
    assert int(run.learn.places[20]) in [int(row) for row in told[1].split(", ")]
    assert run.learn.places[20] != 20
    assert np.array_equal(source.faces.images[run.learn.places], run.learn.images)


def test_what_a_stop_left_of_the_export_is_made_anew(source: Source, tmp_path: Path, bench: Bench) -> None:
    network, card = tmp_path / NETWORK, (tmp_path / NETWORK).with_suffix(".json")
    experiment.train(recipe(), source, tmp_path, bench)
    whole, written, when = network.read_bytes(), card.read_text(), network.stat().st_mtime_ns
    told = json.loads(written)
    assert told["training"]["data_sha256"] == source.sha256

    card.unlink()
    experiment.train(recipe(), source, tmp_path, bench)
    assert (network.read_bytes(), card.read_text()) == (whole, written)
    network.write_bytes(whole[:5000])
    experiment.train(recipe(), source, tmp_path, bench)
    assert (network.read_bytes(), card.read_text()) == (whole, written)
    # The network of another run, whole with its card.
    experiment.train(recipe(seed=2), source, tmp_path / "other", bench)
    for file in (network, card):
        file.write_bytes((tmp_path / "other" / file.name).read_bytes())
    experiment.train(recipe(), source, tmp_path, bench)
    assert (network.read_bytes(), card.read_text()) == (whole, written)

    when = network.stat().st_mtime_ns
    experiment.train(recipe(license="MIT", limits=["none"]), source, tmp_path, bench)
    new = json.loads(card.read_text())
    assert (new["license"], new["limits"][-1]) == ("MIT", "none")
    assert {**new, "license": told["license"], "limits": told["limits"]} == told
    assert network.stat().st_mtime_ns == when


def test_the_rows_measured_can_be_had_again(source: Source, tmp_path: Path, bench: Bench) -> None:
    mine = recipe(epochs=1, split={"held_out": 0.2, "test": 0.2})
    found = experiment.train(mine, source, tmp_path, bench)
    parts = divided(resolved(mine, source), source)[0]
    assert parts.test is not None
    with np.load(tmp_path / "test.npz") as kept:
        assert np.array_equal(source.faces.images[kept["rows"]], parts.test.images)
        assert np.array_equal(kept["votes"], parts.test.votes)
        said, known = kept["probabilities"], kept["labels"].tolist()
        assert kept["part"] == found.part
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)
    truth = [known[row] for row in parts.test.votes[:, :8].argmax(1)]
    assert np.mean([known[row] == want for row, want in zip(said.argmax(1), truth, strict=True)]) == found.hits.mean()


def test_anew_means_that_nothing_old_is_left(
    source: Source, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.train(recipe(), source, tmp_path, bench)
    anew = Bench(bench.device, False, bench.progress)
    with pytest.raises(InputError, match="no batch of 500"):
        experiment.train(recipe(batch=500), source, tmp_path, anew)
    assert read_checkpoint(tmp_path)["epoch"] == 3
    assert stopped(tmp_path, resume=False).endswith("the same command, without --no-resume, goes on from there")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.Run, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        experiment.train(recipe(seed=2), source, tmp_path, anew)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "run.json"]
    assert stopped(tmp_path, resume=False) == "stopped before an epoch was whole; the same command begins anew"


def test_people_are_kept_apart_unless_the_recipe_says_otherwise(source: Source) -> None:
    assert resolved(recipe(), source).split.by == "person"
    assert resolved(recipe(split={"held_out": 0.2, "by": "face"}), source).split.by == "face"
    strangers = describe(replace(source.faces, people=None), source.path)
    assert resolved(recipe(), strangers).split.by == "face"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start": "runs/affect"}, r"start: no checkpoint at 'runs/affect/checkpoint\.pt'; train it first"),
        ({"start": "mine.onnx"}, r"start: no network at 'mine\.onnx'; give another: --set start="),
        (
            {"teachers": ["shipped", "runs/affect/network.onnx"], "trust": 0.2},
            r"teachers: no network at 'runs/affect/network\.onnx'; train it first \(affectstream train affect\)",
        ),
    ],
)
def test_a_network_that_is_not_there_is_named(source: Source, changes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        resolved(recipe(**changes), source)


def test_a_disk_that_takes_no_more_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    state: dict[str, object] = {"epoch": 1, "recipe": {}, "network": {}, "average": {}, "optimizer": {}}
    write_checkpoint(tmp_path, state)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_checkpoint(tmp_path, state | {"network": {"weight": torch.zeros(1 << 16)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_checkpoint(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_too_few_faces_for_a_batch(source: Source, tmp_path: Path) -> None:
    mine = recipe(batch=500)
    with pytest.raises(InputError, match="no batch of 500"):
        train.Run(mine, divided(mine, source)[0], tmp_path)


def test_rows_takes_so_many_by_chance(source: Source) -> None:
    parts = divided(recipe(rows=40), source)[0]
    assert len(parts.learn) + len(parts.held) == 40


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA is")
def test_cuda_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match=r"--device cuda: .*--device cpu"):
        train.open_device("cuda")


def test_balance_gives_rare_labels_their_due(source: Source, tmp_path: Path) -> None:
    few = source.faces.take(
        np.concatenate([np.flatnonzero(source.faces.votes[:, 1])[:8], np.flatnonzero(source.faces.votes[:, 3])])
    )
    parts = divide(few, Split(held_out=0.2), 1)
    runs = {}
    for balance in ("none", "weights", "oversample"):
        mine = recipe(balance=balance, split={"held_out": 0.2})
        runs[balance] = train.Run(mine, parts, tmp_path)
    happy = runs["none"].learn.targets[:, 0] == 1
    assert 0 < happy.mean() < 0.3
    assert runs["none"].odds is None
    assert runs["weights"].counts[happy].sum() == pytest.approx(runs["weights"].counts[~happy].sum(), rel=1e-5)
    assert runs["oversample"].odds[happy].sum() == pytest.approx(0.5)


def test_losses() -> None:
    logits, targets = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]])
    plain = losses(logits, targets)
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, targets, reduction="none"))
    likely = torch.softmax(logits, 1)[0, 0]
    assert float(losses(logits, targets, 2.0)[0]) == pytest.approx(float(plain[0] * (1 - likely) ** 2))
    assert float(weighted(plain, torch.tensor([0.0, 2.0]))) == pytest.approx(math.log(3))


def test_rate_rises_then_falls_to_nothing() -> None:
    rates = [train.learning_rate(step, 200, 0.1) for step in range(200)]
    assert max(rates) == pytest.approx(0.1)
    peak = int(np.argmax(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("steps", [*range(1, 30), 67, 199])
def test_the_rate_of_a_short_run_stays_below_its_peak(steps: int) -> None:
    rates = [train.learning_rate(step, steps, 1.0) for step in range(steps)]
    assert max(rates) <= 1
    assert max(rates) > 0.8
    assert min(rates) > 0


def test_the_rate_of_long_runs_is_as_it_was() -> None:
    for steps in (200, 450, 1951, 7020):
        rise = 0.15 * steps
        for step in range(steps):
            falling = 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))
            was = (step + 1) / rise if step < rise else falling
            assert train.learning_rate(step, steps, 0.1) == pytest.approx(0.1 * was, rel=1e-12)


def test_norms_and_biases_are_not_decayed() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    for name in ("sgd", "adam", "rmsprop"):
        groups = train.optimizer(network, Optimizer(name=name, decay=0.1)).param_groups
        assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.1), (3, 0.0)]


def test_augmented_faces_stay_faces() -> None:
    torch.manual_seed(0)
    faces = torch.full((64, 1, 48, 48), 90, dtype=torch.uint8)
    faces[:, :, 12:36, 12:36] = 160
    for name in ("affect", "robust", "modeling", "mobile", "finetune"):
        changed = augment(faces, read_recipe(name).augment)
        assert (changed.shape, changed.dtype) == (faces.shape, torch.float32)
        assert float(changed.min()) >= 0
        assert float(changed.max()) <= 255
        assert not torch.equal(changed, faces.float())
        centre, edge = changed[:, :, 20:28, 20:28].mean((1, 2, 3)), changed[:, :, :, :4].mean((1, 2, 3))
        assert float((centre > edge).float().mean()) > 0.8


def test_no_changes_leave_faces_as_they_are() -> None:
    faces = torch.randint(0, 256, (8, 1, 48, 48), dtype=torch.uint8)
    assert torch.equal(augment(faces, Changes()), faces.float())


def test_zoom_above_one_makes_faces_larger() -> None:
    faces = torch.zeros(8, 1, 48, 48, dtype=torch.uint8)
    faces[:, :, 16:32, 16:32] = 255
    larger = augment(faces, Changes(zoom=(1.4, 1.6)))
    assert (larger.sum((1, 2, 3)) > 1.8 * faces.float().sum((1, 2, 3))).all()
