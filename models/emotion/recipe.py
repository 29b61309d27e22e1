"""Recipes: what a network is made of and how it learns, as a small YAML file with strict names and values.

A recipe may say ``extends: OTHER`` and then names only what differs. Those bundled lie in ``models/recipes``.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from models.emotion.ingredients import (
    Architecture,
    Changes,
    Count,
    Label,
    Optimizer,
    Part,
    Residual,
    Share,
    Space,
    Split,
)
from pipeline.errors import InputError
from pipeline.strict_yaml import parse_yaml, problem

Values = dict[str, Any]

WORDS = {
    "dict_type": "should hold names and values",
    "model_type": "should hold names and values",
    "string_pattern_mismatch": "should be letters without accents, digits, '.', '_' and '-', a letter or digit first",
    "tuple_type": "should be a list",
}
"""What pydantic says of its own types, in the words of a recipe."""

TAGS = frozenset({"residual", "plain", "start", "a list", "a range"})
"""Of the kinds of a setting, which stand between its name and its field."""

DESCRIPTION = frozenset(
    {"name", "version", "about", "paper", "claim", "summary", "license", "terms", "limits", "search"}
)
"""Parts of a recipe that tell of a training and do not change what it gives."""


class Recipe(Part):
    """Everything that decides what a training gives, but the data."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Of the network, in its card."""
    version: str = "1.0.0"
    about: str
    """What it makes, one line."""
    paper: str = ""
    claim: str = ""
    """What the paper says it reached, and on what."""
    summary: str = ""
    """What the network is, for its card (default: `about`)."""
    license: str = "not stated: ask whoever trained it"
    terms: str = "not stated"
    """Of the data, for the card."""
    limits: tuple[str, ...] = ()
    """What to know before using the network, for its card."""

    labels: Annotated[tuple[Label, ...], Field(min_length=2)] | None = None
    """Outputs, in their order; None takes the expressions that the data set knows."""
    targets: Literal["shares", "majority"] = "shares"
    """shares: how raters share their votes. majority: the label of more than half of them; other rows are left out."""
    sharpen: Share = 0.0
    """The majority label's part of a target of shares."""
    rows: Annotated[int, Field(ge=10)] | None = None
    """Take so many rows of the data by chance; None takes all."""
    split: Split = Split()

    architecture: Architecture = Residual()
    start: str | None = None
    """What to begin with: a run folder (its averaged weights), an ONNX file exported here, or ``shipped``."""
    teachers: tuple[str, ...] = ()
    """ONNX files with cards, or ``shipped``, whose mean is a part of the target."""
    trust: Share = 0.0
    """The teachers' part of the target."""
    teaching: Literal["clean", "augmented"] = "clean"
    """clean: they say once what they see in each face and its mirror image. augmented: they see each changed face that
    the network sees (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent")."""

    loss: Literal["cross-entropy", "focal"] = "cross-entropy"
    focus: Annotated[float, Field(ge=0)] = 2.0
    """Exponent of the focal loss (Lin et al. 2017); 0 is cross-entropy."""
    balance: Literal["none", "weights", "oversample"] = "none"
    """Rare labels count more: by a weight in the loss, or by being drawn more often."""
    optimizer: Optimizer = Optimizer()
    epochs: Count = 28
    batch: Annotated[int, Field(ge=2)] = 128
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the average of the weights, which is what becomes of a run; 0 takes the last weights."""
    precision: Literal["float32", "bfloat16"] = "float32"
    patience: Count | None = None
    """Epochs without a better `watch` on the held-out rows before stopping with the best; None takes the last epoch."""
    watch: Literal["accuracy", "kl"] = "kl"
    """What early stopping and a search compare, on the held-out rows."""
    augment: Changes = Changes()
    seed: Annotated[int, Field(ge=0)] = 1

    search: dict[str, Space] = Field(default_factory=dict)
    """Settings to search, by dotted name: a list to choose from, or a range."""

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels {list(self.labels)} name one twice")
        if self.architecture.name == "start" and self.start is None:
            raise ValueError("architecture 'start' needs start: what network to begin with")
        if bool(self.teachers) != bool(self.trust):
            raise ValueError(f"teachers {list(self.teachers)} and trust {self.trust} must be given together")
        return self

    def outputs(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """The labels of the network's outputs on data whose labels are `known`.

        Raises:
            InputError: the recipe names one that the data do not know.
        """
        if self.labels is None:
            return known
        missing = [label for label in self.labels if label not in known]
        if missing:
            raise InputError(
                f"the recipe {self.name!r} wants {missing[0]!r}, which the data do not know; give other data or "
                f"--set labels=[{','.join(label for label in self.labels if label in known)}]"
            )
        return self.labels


def bundled() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(files("models") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


def read_recipe(recipe: str, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe, with some of its values changed.

    Args:
        recipe: name of a bundled one, or a YAML file.
        changes: ``key=value`` with dotted keys and values in YAML: ``optimizer.rate=0.05``.

    Raises:
        InputError: there is none of that name, or it holds an unknown name or a wrong value.
    """
    path = find(recipe)
    values = _merged(_read(path), {})
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise InputError(f"--set {change!r} is not key=value; an example: --set optimizer.rate=0.05")
        try:
            value = parse_yaml(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {change!r}: the value cannot be parsed: {problem(error)}") from None
        values = _merged(values, _nested(key.strip().split("."), value))
    return make(values | {"name": values.get("name", _named_after(path))}, str(path))


def make(values: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: a name or value is wrong; the message names it and `where` it stands.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        # `start` is a setting as well, and then stands first.
        place = [part for index, part in enumerate(first["loc"]) if not index or part not in TAGS]
        name = ".".join(str(part) for part in place)
        if first["type"] == "extra_forbidden":
            raise InputError(f"{where}: unknown setting {name!r}") from None
        said = WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
        told = f"{name} = {first['input']!r}: " if name and first["type"] not in ("missing", "value_error") else ""
        told = f"{name}: " if name and not told else told
        raise InputError(f"{where}: {told}{said[:1].lower()}{said[1:]}") from None


def _named_after(path: Path) -> str:
    """The name of a recipe that says none: that of its file, in the letters that a card's name may have.

    >>> _named_after(Path("möblierte Zimmer.yaml"))
    'moblierte-Zimmer'
    """
    plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-._") or "recipe"


def altered(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """`recipe` with the values of some dotted names changed; raises InputError as `make` does."""
    values = recipe.model_dump(mode="json")
    for key, value in changes.items():
        values = _merged(values, _nested(key.split("."), value))
    return make(values, f"recipe {recipe.name!r}")


def find(recipe: str) -> Path:
    """Return the file of a recipe given by name or path; raises InputError where there is none."""
    known = bundled()
    if recipe in known:
        return known[recipe]
    path = Path(recipe)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    raise InputError(f"no recipe {recipe!r}: neither a .yaml file nor one of {', '.join(known)}")


def flat(values: Mapping[str, Any], before: str = "") -> Values:
    """`values` with dotted names in place of nesting; lists stay as they are.

    >>> flat({"optimizer": {"rate": 0.1}, "epochs": 3})
    {'optimizer.rate': 0.1, 'epochs': 3}
    """
    found: Values = {}
    for key, value in values.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) and value else {f"{before}{key}": value}
    return found


def _read(path: Path, seen: tuple[Path, ...] = ()) -> Values:
    """The values of a recipe file, on top of those of the recipe that it extends."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recipe {str(path)!r}: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"recipe {str(path)!r} cannot be parsed: {problem(error)}") from None
    if not isinstance(values, dict):
        raise InputError(f"recipe {str(path)!r} must hold settings by name, like 'epochs: 30'")
    other = values.pop("extends", None)
    if other is None:
        return values
    beside = path.parent / str(other)
    base = beside if beside.suffix == ".yaml" and beside.is_file() else find(str(other))
    if base in (*seen, path):
        raise InputError(f"recipe {str(path)!r} extends {str(other)!r}, which extends it")
    inherited = _read(base, (*seen, path))
    # What a recipe is called and what was claimed of it is its own.
    for key in ("name", "paper", "claim", "search"):
        inherited.pop(key, None)
    return _merged(inherited, values)


def _nested(keys: list[str], value: Any) -> Values:
    return {keys[0]: value if len(keys) == 1 else _nested(keys[1:], value)}


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> Values:
    """`values` with `changes`, section by section; an architecture of another name takes the place of the old one."""
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        if key == "architecture" and old and isinstance(value, dict) and value.get("name", old["name"]) != old["name"]:
            old = None
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged
