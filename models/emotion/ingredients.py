"""What recipes are made of: architecture, optimiser, random changes, split, ranges to search. See `recipe`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{list(bounds)} must have the smaller number first")
    return bounds


Factors = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
"""Smallest and largest."""
Label = Literal["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]


class Part(BaseModel):
    """Base of the parts of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Residual(Part):
    """Residual blocks with squeeze-and-excitation behind a 5x5 stem (see `network.EmotionNet`)."""

    name: Literal["residual"] = "residual"
    widths: tuple[Annotated[int, Field(ge=8, multiple_of=8)], ...] = (48, 96, 192)
    """Channels of the stages, which run at 24, 12 and 6 px."""
    depths: tuple[Count, ...] = (1, 2, 2)
    """Blocks per stage."""
    dropout: Share = 0.0
    """Share of the pooled features dropped in training."""
    norms: bool = True
    """Batch norms after the convolutions; without, the convolutions have biases, as in an exported network."""

    @model_validator(mode="after")
    def _as_many(self) -> "Residual":
        if not self.widths or len(self.widths) != len(self.depths) or len(self.widths) > 4:
            raise ValueError(f"widths {self.widths} and depths {self.depths} must be as many, one to four")
        return self


class Plain(Part):
    """Convolutions, each with ReLU and 2x2 max-pooling, then dense layers (see `architectures.PlainNet`)."""

    name: Literal["plain"]
    convolutions: Annotated[tuple[tuple[Count, Literal[1, 3, 5, 7]], ...], Field(min_length=1, max_length=5)]
    """Channels and side of the kernel of each."""
    padded: bool = True
    """Keep the borders: each convolution gives as many px as it takes."""
    dense: tuple[Count, ...] = ()
    """Units of the hidden layers, each with ReLU."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer in training."""


class Started(Part):
    """The architecture of the network that `Recipe.start` names."""

    name: Literal["start"]
    dropout: Share = 0.0
    """Share of the pooled features dropped in training."""


Architecture = Annotated[Residual | Plain | Started, Field(discriminator="name")]


class Optimizer(Part):
    """How weights follow the gradient."""

    name: Literal["sgd", "adam", "rmsprop"] = "sgd"
    """sgd: Nesterov momentum of 0.9. rmsprop: squares averaged with 0.9."""
    rate: Positive = 0.1
    """Learning rate, at its peak."""
    schedule: Literal["cycle", "constant"] = "cycle"
    """cycle: linear up over 15 % of the steps, then a half cosine down to zero."""
    decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of the kernels; norms and biases have none."""


class Changes(Part):
    """Random changes to the faces of each batch; what is left out is not done. Ranges are drawn log-uniformly."""

    mirror: Share = 0.0
    """Share of the faces mirrored."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Degrees: standard deviation where `rotation` is normal, else the most either way."""
    rotation: Literal["normal", "uniform"] = "uniform"
    zoom: Factors = (1.0, 1.0)
    """Smallest and largest factor of size."""
    stretch: Factors = (1.0, 1.0)
    """Smallest and largest factor of width to height."""
    shear: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Tangent of the largest angle."""
    shift: Share = 0.0
    """Of the side, either way, the most."""
    contrast: Factors = (1.0, 1.0)
    brightness: Annotated[float, Field(ge=0, le=255)] = 0.0
    """Levels of 0-255 added, either way, the most."""
    gamma: Factors = (1.0, 1.0)
    degrade: Share = 0.0
    """Share of the faces that are damaged as video does: shrunk, blurred, compressed, made noisy."""
    erase: Share = 0.0
    """Share of the faces with a rectangle filled."""


class Split(Part):
    """Which rows are not learnt from. Shares are of all rows."""

    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.04
    """Share that early stopping, a search and the temperature go by."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share that nothing goes by, to measure on at the end."""
    folds: Annotated[int, Field(ge=0, le=50)] = 0
    """Cross-validation with so many folds in place of `test`; 0 for none."""
    by: Literal["face", "person"] | None = None
    """person: all faces of a person fall to the same part. None: by person where the data say who is who."""
    duplicates: bool = False
    """Learn from near-duplicates of rows that are held out or tested on too, as published protocols do."""

    @model_validator(mode="after")
    def _fits(self) -> "Split":
        if self.folds == 1 or (self.folds and self.test):
            raise ValueError("folds must be 0 or at least 2, and take the place of test")
        if self.held_out + self.test >= 1:
            raise ValueError("held_out and test leave nothing to learn from")
        return self


class Range(Part):
    """Numbers to search between."""

    low: float
    high: float
    log: bool = False
    """Draw the logarithm evenly."""
    whole: bool = False
    """Round to whole numbers."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must lie below high {self.high}, and above 0 where log is true")
        return self


Space = Annotated[
    Annotated[Range, Tag("a range")] | Annotated[tuple[Any, ...], Field(min_length=1), Tag("a list")],
    Discriminator(lambda value: "a range" if isinstance(value, Range | Mapping) else "a list"),
]
"""What to draw a setting from: numbers between two, or a list to choose from."""
