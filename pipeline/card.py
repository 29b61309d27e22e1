"""Model cards: what a network takes, what it gives, and how well it was measured to do so.

A card is a JSON file beside the network (``emotion.json`` beside ``emotion.onnx``). The parts that the pipeline relies
on are typed here; the rest (figures, training, limits, use) is for people, after Mitchell et al., "Model Cards for
Model Reporting", 2019.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.errors import InputError, ModelError
from pipeline.labels import LABELS

Point = tuple[float, float]


class EmotionInput(msgspec.Struct, frozen=True):
    """Tensor that an expression network takes: gray faces, one plane each."""

    name: str
    size: Annotated[int, Meta(ge=16, le=1024)]
    """Side of the square crop, px."""
    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal[1, 3] = 1
    """3 repeats the gray plane."""
    range: tuple[float, float] = (0.0, 255.0)
    """Values that black and white take; floats are scaled to it."""


class EmotionOutput(msgspec.Struct, frozen=True):
    """Tensor that an expression network gives: (n, number of labels)."""

    name: str
    kind: Literal["probabilities", "logits"] = "probabilities"


class Alignment(msgspec.Struct, frozen=True):
    """How a face lies in the crops that the network was trained on."""

    template: tuple[Point, Point, Point, Point, Point]
    """Mean x, y of right eye, left eye, nose tip, right and left mouth corner, px of a square of side ``frame``."""
    frame: float


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What every card says."""

    card: Literal[1]
    name: str
    version: str
    file: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    license: str
    summary: str
    figures: list[dict[str, Any]] = []
    limits: list[str] = []
    intended_use: str = ""
    prohibited_use: str = ""


class EmotionCard(Base, frozen=True, kw_only=True, tag_field="kind", tag="emotion"):
    """Card of an expression classifier."""

    input: EmotionInput
    output: EmotionOutput
    labels: list[str]
    """Names of the outputs in their order: each of the eight expressions at most once, or another name to leave out."""
    alignment: Alignment

    @property
    def id(self) -> str:
        """Name and the beginning of the hash, as rows carry it."""
        return f"{self.name}@{self.sha256[:12]}"

    @property
    def perception(self) -> str:
        """SHA-256 of all that distributions follow from: the network, and what the card says of crops and tensors."""
        parts = (self.sha256, self.input, self.output, self.labels, self.alignment)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class DetectorInput(msgspec.Struct, frozen=True):
    """Image that a detector takes: (1, 3, H, W) BGR, 0-255; H and W are multiples of its coarsest stride, 32 px."""

    name: str


BIRTH: Final = 0.77
"""Score from which one sighting makes a track, where neither settings nor card say it."""


class DetectorCard(Base, frozen=True, kw_only=True, tag_field="kind", tag="detector"):
    """Card of a face detector of the YuNet kind."""

    input: DetectorInput
    threshold: Annotated[float, Meta(ge=0, le=1)]
    """Score from which a detection is sure."""
    birth: Annotated[float, Meta(ge=0, le=1)] = BIRTH
    """Score from which one sighting makes a track."""


Kind = Literal["emotion", "detector"]
NOUNS: Final[dict[Kind, str]] = {"detector": "face detector", "emotion": "expression network"}
STANDARD: Final = "standard"
"""Name of the network of each kind that is taken unless another is asked for."""


def shipped(kind: Kind) -> Path:
    """Return the path of the network that travels with the package."""
    return Path(str(files("models") / f"{kind}.onnx"))


def variants(kind: Kind) -> dict[str, Path]:
    """Return the networks of a kind that travel with the package, by name: ``emotion-int8.onnx`` is ``int8``.

    ``STANDARD`` comes first. Networks without a card are not listed.
    """
    first = shipped(kind)
    others = sorted(path for path in first.parent.glob(f"{kind}-*.onnx") if path.with_suffix(".json").is_file())
    return {STANDARD: first} | {path.stem.removeprefix(f"{kind}-"): path for path in others}


def all_shipped() -> list[Path]:
    """Return all networks that travel with the package, the detectors first."""
    return [path for kind in NOUNS for path in variants(kind).values()]


def names(kind: Kind) -> dict[str, Path]:
    """Return the networks of a kind that travel with the package, by all that they go by: variants, then cards."""
    known = variants(kind)
    return known | {read_card(path).name: path for path in known.values()}


def network_file(kind: Kind, choice: Path | None) -> Path:
    """Return the file of a network given by its file, by a name of one that is shipped, or by None: ``STANDARD``.

    Raises:
        InputError: a bare word is neither such a name nor a file.
    """
    known = variants(kind)
    if choice is None or str(choice) in known:
        return known[STANDARD if choice is None else str(choice)]
    if not is_name(choice):
        return choice
    known = names(kind)
    if str(choice) not in known:
        raise InputError(
            f"no {NOUNS[kind]} {choice.name!r}; those shipped are {', '.join(known)}; or name an ONNX file"
        )
    return known[str(choice)]


def is_name(choice: Path) -> bool:
    """Return whether a network was given by a bare word that is no file."""
    return choice.name == str(choice) and not choice.suffix and not choice.exists()


def read_card(network: Path) -> EmotionCard | DetectorCard:
    """Read the card beside a network.

    Raises:
        InputError: there is no card.
        ModelError: the card is not one, or is wrong in itself.
    """
    path = network.with_suffix(".json")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"no card at {str(path)!r} beside the network ({error.strerror}); "
            "`affectstream models --help` says what a card must hold"
        ) from error
    try:
        card = msgspec.json.decode(text, type=EmotionCard | DetectorCard)
    except msgspec.DecodeError as error:
        raise ModelError(f"the card {str(path)!r} is not valid: {error}") from error
    if isinstance(card, EmotionCard):
        known = [label for label in card.labels if label in LABELS]
        if len(set(known)) != len(known) or len(known) < 2:
            raise ModelError(
                f"the card {str(path)!r} has labels {card.labels}; "
                f"it must name at least two of {', '.join(LABELS)}, each once"
            )
    return card


def detector_card(network: Path) -> DetectorCard | None:
    """Read a card that must be a face detector's; None where there is none, as beside OpenCV's own YuNet file."""
    if not network.with_suffix(".json").exists():
        return None
    card = read_card(network)
    if not isinstance(card, DetectorCard):
        raise ModelError(f"{network.name!r} is an expression network by its card, not a face detector")
    return card


def emotion_card(network: Path) -> EmotionCard:
    """Read a card that must be an expression classifier's."""
    card = read_card(network)
    if not isinstance(card, EmotionCard):
        raise ModelError(f"{network.name!r} is a face detector by its card, not an expression network")
    return card
