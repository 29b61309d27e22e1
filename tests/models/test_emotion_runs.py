import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.emotion.faces import LabelledFaces
from models.emotion.faces.labelled import single
from models.emotion.folder import clear, kind, occupied
from models.emotion.ingredients import Range
from models.emotion.recipe import read_recipe
from models.emotion.runs import describe, draw_curves, read_config, write_config, write_history
from models.emotion.search import Trial, better, draw
from pipeline.errors import InputError
from pipeline.labels import LABELS

HISTORY = [
    {"epoch": n, "loss": 2 / n, "rate": 0.1, "held_accuracy": 1 - 0.5 / n, "held_kl": 1 / n, "seconds": 1.0}
    for n in (1, 2, 3)
]


def faces(seed: int = 0) -> LabelledFaces:
    images = np.random.default_rng(seed).integers(0, 256, (4, 48, 48), np.uint8)
    return LabelledFaces(images, single(np.arange(4)), people=None, labels=LABELS, name="four", description="")


def test_the_config_tells_recipe_data_and_versions(tmp_path: Path) -> None:
    recipe, source = read_recipe("mobile-focal"), describe(faces(), tmp_path / "faces.npz")
    write_config(tmp_path / "run", recipe, source, "the parts")
    assert read_recipe(str(tmp_path / "run" / "recipe.yaml")) == recipe
    told = read_config(tmp_path / "run")
    assert told["data"]["sha256"] == source.sha256
    assert told["data"]["faces"] == 4
    assert told["versions"]["numpy"] == np.__version__
    with pytest.raises(InputError, match=r"run\.json"):
        read_config(tmp_path)


def test_other_faces_have_another_hash(tmp_path: Path) -> None:
    assert describe(faces(), tmp_path).sha256 == describe(faces(), tmp_path / "elsewhere").sha256
    other = faces()
    other.votes[0, 0] += 1
    assert len({describe(found, tmp_path).sha256 for found in (faces(), faces(1), other)}) == 3


def test_history_and_curves(tmp_path: Path) -> None:
    write_history(tmp_path, HISTORY)
    write_history(tmp_path, HISTORY)
    assert [json.loads(line)["epoch"] for line in (tmp_path / "history.jsonl").read_text().splitlines()] == [1, 2, 3]
    draw_curves(tmp_path, HISTORY, "a run")
    image = cv2.imread(str(tmp_path / "curves.png"))
    assert image is not None
    assert image.std() > 5
    draw_curves(tmp_path / "nowhere", [], "no run")


def test_what_is_not_finite_is_null_in_the_history(tmp_path: Path) -> None:
    write_history(tmp_path, [HISTORY[0] | {"held_kl": math.nan, "loss": math.inf}])
    told = json.loads((tmp_path / "history.jsonl").read_text(), parse_constant=pytest.fail)
    assert (told["held_kl"], told["loss"], told["held_accuracy"]) == (None, None, 0.5)


def test_a_folder_is_for_one_training_at_a_time_and_for_one_kind(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with occupied(run, "a training"):
        assert kind(run) is None
        with pytest.raises(InputError, match=r"another training writes to .*run' now"), occupied(run, "a training"):
            pass
        (run / "checkpoint.pt").touch()
    with pytest.raises(InputError, match="holds a training, and this is a search"), occupied(run, "a search"):
        pass
    with occupied(run, "a training"):
        pass
    (tmp_path / "search" / "trial-1").mkdir(parents=True)
    with pytest.raises(InputError, match="holds a search"), occupied(tmp_path / "search", "a training"):
        pass
    with pytest.raises(ZeroDivisionError), occupied(tmp_path / "nothing", "a training"):
        1 / 0  # noqa: B018
    assert not (tmp_path / "nothing").exists()


def test_what_a_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("recipe.yaml", "mine.txt", "fold-1/checkpoint.pt", "fold-2/network.json", "fold-2/mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    clear(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "fold-2",
        "fold-2/mine.txt",
        "mine.txt",
    ]


def test_draws_are_the_same_again_and_within_bounds() -> None:
    space = {
        "optimizer.rate": Range(low=1e-4, high=1e-1, log=True),
        "epochs": Range(low=2, high=9, whole=True),
        "augment.erase": Range(low=0, high=0.5),
        "batch": (16, 32),
    }
    drawn = [draw(space, 1, number) for number in range(200)]
    assert drawn == [draw(space, 1, number) for number in range(200)]
    assert drawn != [draw(space, 2, number) for number in range(200)]
    rates = np.array([found["optimizer.rate"] for found in drawn])
    assert rates.min() >= 1e-4
    assert rates.max() <= 1e-1
    # Evenly in the logarithm: each decade has a third of the draws.
    assert 0.2 < (rates < 1e-3).mean() < 0.47
    assert {found["epochs"] for found in drawn} == set(range(2, 10))
    assert {found["batch"] for found in drawn} == {16, 32}


def test_the_better_trial_is_the_one_the_recipe_watches() -> None:
    sharp, calm = Trial(1, {}, 3, accuracy=0.9, kl=0.5), Trial(2, {}, 3, accuracy=0.8, kl=0.4)
    assert better(sharp, calm, "accuracy")
    assert better(calm, sharp, "kl")
