from pathlib import Path
from typing import get_args

import pytest

from models.emotion.ingredients import Label, Plain, Range, Residual
from models.emotion.recipe import Recipe, altered, bundled, flat, read_recipe
from pipeline.errors import InputError
from pipeline.labels import LABELS


def write(folder: Path, text: str, name: str = "mine.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("name", bundled())
def test_bundled_recipes_are_whole(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.about
    assert len(recipe.about) <= 120
    for key in recipe.search:
        assert key in flat(recipe.model_dump())


def test_labels_are_the_eight_in_their_order() -> None:
    assert get_args(Label) == LABELS


def test_what_extends_says_only_what_differs() -> None:
    base, cycle = read_recipe("affect"), read_recipe("affect-cycle")
    assert cycle.optimizer.rate == 0.05
    assert cycle.optimizer.decay == base.optimizer.decay
    assert cycle.augment.erase == 0.25
    assert cycle.augment.rotate == base.augment.rotate
    assert cycle.architecture == base.architecture
    assert read_recipe("mobile-focal").name == "mobile-focal"


def test_another_architecture_takes_the_place_of_the_inherited_one(tmp_path: Path) -> None:
    plain = write(tmp_path, "extends: affect\nabout: a\narchitecture: {name: plain, convolutions: [[8, 3]]}")
    assert read_recipe(plain).architecture == Plain(name="plain", convolutions=((8, 3),))
    slim = write(tmp_path, "extends: mine.yaml\nabout: b\narchitecture: {dense: [4]}", "slim.yaml")
    assert read_recipe(slim).architecture == Plain(name="plain", convolutions=((8, 3),), dense=(4,))


def test_set_reaches_any_setting() -> None:
    changes = ["optimizer.rate=1e-3", "architecture.widths=[16, 32, 64]", "labels=[anger, fear]", "patience=null"]
    recipe = read_recipe("affect", changes)
    assert recipe.optimizer.rate == 0.001
    assert isinstance(recipe.architecture, Residual)
    assert recipe.architecture.widths == (16, 32, 64)
    assert recipe.labels == ("anger", "fear")


def test_altered_changes_what_is_named_only() -> None:
    recipe = read_recipe("finetune")
    changed = altered(recipe, {"optimizer.rate": 0.5, "batch": 7})
    assert (changed.optimizer.rate, changed.batch) == (0.5, 7)
    assert altered(changed, {"optimizer.rate": recipe.optimizer.rate, "batch": recipe.batch}) == recipe


def test_published_protocols_say_by_what_they_divide() -> None:
    assert read_recipe("modeling").split.by == "face"
    assert read_recipe("modeling-by-person").split.by == "person"
    assert read_recipe("finetune").split.by is None


def test_a_resolved_recipe_can_be_read_again() -> None:
    for name in bundled():
        recipe = read_recipe(name)
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("epochs: 3", "about: field required"),
        ("about: a\nepoch: 3", "unknown setting 'epoch'"),
        ("about: a\noptimizer: {speed: 3}", "unknown setting 'optimizer.speed'"),
        ("about: a\narchitecture: {name: residual, width: 3}", "unknown setting 'architecture.width'"),
        ("about: a\nepochs: none", "epochs = 'none'"),
        ("about: a\narchitecture: {name: giant}", "architecture"),
        ("about: a\narchitecture: {name: residual, widths: [8]}", "as many"),
        ("about: a\nlabels: [anger, joy]", "joy"),
        ("about: a\nlabels: [anger, anger]", "twice"),
        ("about: a\nsplit: {folds: 5, test: 0.1}", "folds"),
        ("about: a\ntrust: 0.5", "together"),
        ("about: a\narchitecture: {name: start}", "needs start"),
        ("about: a\nsearch: {batch: {low: 3, high: 1}}", "search.batch: low 3.0 must lie below"),
        ("- a list", "by name"),
        ("about: [", "cannot be parsed"),
        ("about: a\nsplit: {}\nabout: b", "'about' is set in line 1 already (at line 3, column 1)"),
        ("about: a\nname: a b", "name = 'a b': should be letters"),
        ("about: a\nfocus: .inf", "focus = inf: input should be a finite number"),
        ("about: a\noptimizer: {decay: .nan}", "optimizer.decay = nan: input should be a finite number"),
        ("about: a\naugment: {zoom: [1.2, 0.8]}", "augment.zoom: [1.2, 0.8] must have the smaller number first"),
        ("about: a\nsearch: {epochs: []}", "search.epochs = []: "),
        ("about: a\nsearch: {batch: 3}", "search.batch = 3: should be a list"),
        ("about: a\narchitecture: {name: start, dropout: 3}\nstart: shipped", "architecture.dropout = 3: "),
        ("about: a\nextends: mine.yaml", "extends"),
        ("about: a\nextends: nothing", "no recipe 'nothing'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as error:
        read_recipe(write(tmp_path, text))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("file", "name"), [("mein Gesicht é.yaml", "mein-Gesicht-e"), ("-a_b.yaml", "a_b"), ("北京.yaml", "recipe")]
)
def test_a_recipe_without_a_name_is_called_as_its_file(tmp_path: Path, file: str, name: str) -> None:
    assert read_recipe(write(tmp_path, "about: a", file)).name == name


@pytest.mark.parametrize(
    "change", ["split={by: face, by: person}", "epochs", "=3", "epochs=[", "nothing=3", "optimizer=3"]
)
def test_a_wrong_change_is_named(change: str) -> None:
    with pytest.raises(InputError):
        read_recipe("affect", [change])


def test_no_such_recipe_tells_which_there_are() -> None:
    with pytest.raises(InputError, match=r"no recipe 'afect'.*affect, affect-cycle"):
        read_recipe("afect")


def test_outputs_are_those_of_the_recipe_or_the_data() -> None:
    known = ("anger", "fear", "surprise")
    assert read_recipe("finetune").outputs(known) == known
    assert read_recipe("finetune", ["labels=[fear, anger]"]).outputs(known) == ("fear", "anger")
    with pytest.raises(InputError, match=r"wants 'neutral'.*--set labels=\[anger,fear\]"):
        read_recipe("finetune", ["labels=[neutral, anger, fear]"]).outputs(known)


def test_ranges_and_choices_of_a_search() -> None:
    space = read_recipe("finetune").search
    assert isinstance(space["optimizer.rate"], Range)
    assert space["batch"] == (16, 32, 64)
