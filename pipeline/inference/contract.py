"""Whether an expression network is what its card says and what the pipeline needs; asked before the first face.

Each check takes the card and the opened network, returns in a few words what it saw, and raises ``ModelError`` with the
way out where the two do not fit. ``CHECKS`` holds them in order: the later ones run the network.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.card import EmotionCard, EmotionInput
from pipeline.errors import ModelError
from pipeline.messages import Bytes
from pipeline.onnx import refusals

DTYPES: Final = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
"""What the pipeline can feed, by ONNX Runtime's names."""

FLOATS: Final = ("tensor(float)", "tensor(float16)", "tensor(double)")

SUM_TOLERANCE: Final = 0.02
"""How far from 1 a row of probabilities may sum: eight of them rounded to 8 bits are off by 0.016 at most."""

BATCH_TOLERANCE: Final = 0.01
"""How far an output may depend on the batch, over the larger of 1 and the largest output: rounding on any provider."""

Values = NDArray[np.float64]


def tensor(spec: EmotionInput, crops: Bytes) -> NDArray[Any]:
    """What a network of this input takes for (n, S, S) uint8 crops."""
    batch: NDArray[Any] = crops[:, None] if spec.layout == "NCHW" else crops[..., None]
    if spec.channels == 3:
        batch = np.repeat(batch, 3, axis=1 if spec.layout == "NCHW" else 3)
    if spec.dtype == "float32":
        low, high = spec.range
        batch = batch * np.float32((high - low) / 255) + np.float32(low)
    return batch


def shape(spec: EmotionInput, batch: str | int) -> tuple[str | int, ...]:
    """The axes of such an input for a batch of this size or name."""
    plane = (spec.size, spec.size)
    return (batch, spec.channels, *plane) if spec.layout == "NCHW" else (batch, *plane, spec.channels)


def names(card: EmotionCard, session: ort.InferenceSession) -> str:
    """One input and the output, by the names in the card."""
    inputs = [node.name for node in session.get_inputs()]
    outputs = [node.name for node in session.get_outputs()]
    if inputs != [card.input.name] or card.output.name not in outputs:
        raise ModelError(
            f"the card of {card.name!r} names input {card.input.name!r} and output {card.output.name!r}, but the "
            f"network has {inputs} and {outputs}; name these in its card"
        )
    return f"{card.input.name} in, {card.output.name} out"


def dtype(card: EmotionCard, session: ort.InferenceSession) -> str:
    """The input's type is the card's, and bytes are whole."""
    kind = session.get_inputs()[0].type
    if kind not in DTYPES:
        raise ModelError(
            f"the network {card.name!r} takes {kind}; export it with an input of {' or '.join(DTYPES.values())}"
        )
    if DTYPES[kind] != card.input.dtype:
        raise ModelError(
            f"the network {card.name!r} takes {DTYPES[kind]}, but its card says {card.input.dtype}; "
            f"set input.dtype to {DTYPES[kind]!r}"
        )
    low, high = card.input.range
    if not np.isfinite([low, high]).all() or low == high:
        raise ModelError(f"the card of {card.name!r} has black and white both at {low}; set input.range")
    if card.input.dtype == "uint8" and (low, high) != (0, 255):
        raise ModelError(f"the card of {card.name!r} has the range {low:g} to {high:g}; bytes go from 0 to 255")
    return f"{card.input.dtype}, {low:g} to {high:g}"


def axes(card: EmotionCard, session: ort.InferenceSession) -> str:
    """The input's axes are the card's, and any number of faces can go into one batch."""
    spec, found = card.input, session.get_inputs()[0].shape
    wanted = shape(spec, "n")
    told = f"({', '.join(map(str, found))})"
    if len(found) != 4:
        raise ModelError(f"the network {card.name!r} takes {told}; export it with four axes, such as {wanted}")
    if not _fits(spec, found):
        kinds = product(("NCHW", "NHWC"), (1, 3), {spec.size, *(side for side in found[1:] if isinstance(side, int))})
        others = [
            f"layout {layout!r}, channels {channels}, size {size}"
            for layout, channels, size in kinds
            if size >= 16 and _fits(EmotionInput(spec.name, size, layout=layout, channels=channels), found)  # type: ignore[arg-type]
        ]
        way = f"set input to {others[0]}" if others else "export it for square gray faces"
        raise ModelError(
            f"the network {card.name!r} takes {told}, but its card says ({', '.join(map(str, wanted))}): {way}"
        )
    if isinstance(found[0], int):
        raise ModelError(
            f"the network {card.name!r} takes {told}: exactly {found[0]} faces; export it with a free first axis "
            "(dynamic_axes or dynamic_shapes of torch.onnx.export)"
        )
    return f"{told}, {spec.layout}"


def output(card: EmotionCard, session: ort.InferenceSession) -> str:
    """The output holds one floating-point number for each label."""
    (node,) = (node for node in session.get_outputs() if node.name == card.output.name)
    if node.type not in FLOATS:
        raise ModelError(f"the network {card.name!r} gives {node.type}; export it so that it gives floats")
    found = np.shape(_run(card, session, _noise(card, 2)))
    if found != (2, len(card.labels)):
        raise ModelError(
            f"the network {card.name!r} gives {found} for two faces, but its card has {len(card.labels)} labels; "
            "name each of its outputs in labels, in order"
        )
    return f"{len(card.labels)} labels: {', '.join(card.labels)}"


def values(card: EmotionCard, session: ort.InferenceSession) -> str:
    """Random faces give finite numbers: probabilities or logits, as the card says."""
    rows = _run(card, session, _noise(card, 4))
    if not np.isfinite(rows).all():
        raise ModelError(f"the network {card.name!r} gave values that are not finite; use another --emotion")
    sums = rows.sum(axis=1)
    even = bool((rows >= -SUM_TOLERANCE).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all())
    worst = sums[np.abs(sums - 1).argmax()]
    if card.output.kind == "probabilities" and not even:
        raise ModelError(
            f"the network {card.name!r} gives no probabilities (one face's sum to {worst:.3g}), as its card says; "
            "set output.kind to 'logits' if that is what they are"
        )
    if card.output.kind == "logits" and even:
        raise ModelError(
            f"the network {card.name!r} gives probabilities, but its card says logits; "
            "set output.kind to 'probabilities'"
        )
    return f"probabilities, rows sum to {worst:.4g}" if even else f"logits, {rows.min():.3g} to {rows.max():.3g}"


def batches(card: EmotionCard, session: ort.InferenceSession) -> str:
    """A face gets the same answer alone and among others."""
    faces = _noise(card, 5)
    together = _run(card, session, faces)
    alone = np.concatenate([_run(card, session, faces[at : at + 1]) for at in range(len(faces))])
    worst = float(np.abs(together - alone).max())
    if not worst <= BATCH_TOLERANCE * max(1.0, float(np.abs(together).max())):
        raise ModelError(
            f"the network {card.name!r} says something else of a face among others than of the face alone (by "
            f"{worst:.2g}); export it in evaluation mode"
        )
    return f"1 or {len(faces)} faces at a time differ by {worst:.1g}"


def alignment(card: EmotionCard, session: ort.InferenceSession) -> str:
    """The mean landmarks are those of an upright face, in the square that they are given in."""
    frame = card.alignment.frame
    points = np.asarray(card.alignment.template, np.float64)
    right, left, nose, right_mouth, left_mouth = points
    eyes, mouth = (right + left) / 2, (right_mouth + left_mouth) / 2
    upright = (
        right[0] < left[0] and right_mouth[0] < left_mouth[0] and eyes[1] < nose[1] < mouth[1]
        and left[0] - right[0] >= 0.1 * frame
    )  # fmt: skip
    if not (0 < frame < np.inf and (points >= 0).all() and (points <= frame).all() and upright):
        raise ModelError(
            f"the card of {card.name!r} has an alignment that no upright face has; template must hold x, y of the "
            f"right eye (left in the picture), left eye, nose tip, right and left mouth corner within 0 to {frame:g} px"
        )
    return f"eyes {np.linalg.norm(left - right) / frame:.2f} of the crop apart"


CHECKS: Final[dict[str, Callable[[EmotionCard, ort.InferenceSession], str]]] = {
    "names": names,
    "type": dtype,
    "axes": axes,
    "output": output,
    "values": values,
    "batches": batches,
    "alignment": alignment,
}


def _fits(spec: EmotionInput, found: list[str | int | None]) -> bool:
    """Whether axes are those of an input as far as they are fixed, the first left aside."""
    pairs = zip(found[1:], shape(spec, "n")[1:], strict=True)
    return all(side == wanted for side, wanted in pairs if isinstance(side, int))


def _noise(card: EmotionCard, count: int) -> Bytes:
    return np.random.default_rng(0).integers(0, 256, (count, card.input.size, card.input.size), np.uint8)


def _run(card: EmotionCard, session: ort.InferenceSession, faces: Bytes) -> Values:
    spec = card.input
    described = f"{spec.dtype}, {spec.layout}, {spec.size} px, {len(faces)} faces"
    with refusals(f"the network {card.name!r} refuses what its card describes ({described})"):
        (rows,) = session.run([card.output.name], {spec.name: tensor(spec, faces)})
    return np.asarray(rows, np.float64)
