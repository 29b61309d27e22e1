"""Whether a network is a face detector of the YuNet kind, and the one that its card describes.

As ``pipeline.inference.contract``: each check takes the card, if there is one, and the opened network, returns in a few
words what it saw, and raises ``ModelError`` where it is not what it must be.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.card import DetectorCard
from pipeline.errors import ModelError
from pipeline.onnx import refusals

STRIDES: Final = (8, 16, 32)
"""px of the input between the cells of each grid."""

VALUES: Final = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Outputs at every stride, named ``cls_8`` and so on, and their values per cell."""

SIZES: Final = ((64, 96), (96, 64))
"""Height and width in px of the pictures that a network of free size is tried on."""

SLACK: Final = 0.5
"""How far a score may lie outside of [0, 1], as those of OpenCV's file do a little; logits lie farther out."""


def names(card: DetectorCard | None, session: ort.InferenceSession) -> str:
    """One picture in; the four values at every stride out, under YuNet's names."""
    inputs = {node.name: (node.shape, node.type) for node in session.get_inputs()}
    outputs = {node.name: node.shape for node in session.get_outputs()}
    wanted = {f"{value}_{stride}": values for value, values in VALUES.items() for stride in STRIDES}
    fits = len(inputs) == 1
    for shape, kind in inputs.values():
        one = len(shape) == 4 and (shape[0] == 1 or not isinstance(shape[0], int))
        fits &= kind == "tensor(float)" and one and shape[1] == 3
    for name, values in wanted.items():
        shape = outputs.get(name, ())
        fits &= len(shape) == 3 and shape[2] == values
    if not fits:
        found = ", ".join(f"{name} {shape} {kind}" for name, (shape, kind) in inputs.items())
        raise ModelError(
            f"not a face detector of the YuNet kind: it takes {found} and gives {', '.join(outputs)}; wanted: one "
            f"tensor(float) of (1, 3, height, width) and {', '.join(wanted)}"
        )
    ((name, (shape, _)),) = inputs.items()
    if card is not None and card.input.name != name:
        raise ModelError(
            f"the card of {card.name!r} names input {card.input.name!r}, but the network has {name!r}; correct its card"
        )
    if isinstance(shape[2], int) != isinstance(shape[3], int):
        raise ModelError(f"the detector takes {shape}; export it with height and width both free or both fixed")
    return (
        f"{name} ({', '.join(map(str, shape))}) in, {', '.join(VALUES)} at strides {', '.join(map(str, STRIDES))} out"
    )


def cells(card: DetectorCard | None, session: ort.InferenceSession) -> str:
    """Each output holds a row for every cell of its grid, for pictures of every size that may come."""
    sizes = tried(session)
    for height, width in sizes:
        for name, rows in run(session, height, width).items():
            value, stride = name.split("_")
            count = (height // int(stride)) * (width // int(stride))
            if rows.shape != (1, count, VALUES[value]):
                raise ModelError(
                    f"the detector gives {name} of {rows.shape} for {width}x{height} px; wanted: "
                    f"{(1, count, VALUES[value])}, a row for each cell of {stride} px. Use another --detector"
                )
    return f"a row for each cell of {' and '.join(f'{width}x{height}' for height, width in sizes)} px"


def scores(card: DetectorCard | None, session: ort.InferenceSession) -> str:
    """Values are finite, scores are none that still want a sigmoid, and the card's threshold is one."""
    height, width = tried(session)[0]
    found = run(session, height, width)
    if not all(np.isfinite(rows).all() for rows in found.values()):
        raise ModelError("the detector gives values that are not finite; use another --detector")
    both = np.concatenate([rows.ravel() for name, rows in found.items() if name.startswith(("cls", "obj"))])
    if both.min() < -SLACK or both.max() > 1 + SLACK:
        raise ModelError(f"the detector's scores go from {both.min():.2g} to {both.max():.2g}; export it with sigmoids")
    threshold = "" if card is None else f", sure from {card.threshold:g} on, a track from {card.birth:g} on"
    return f"{both.min():.2g} to {both.max():.2g} on noise{threshold}"


CHECKS: Final[dict[str, Callable[[DetectorCard | None, ort.InferenceSession], str]]] = {
    "names": names,
    "cells": cells,
    "scores": scores,
}


def fixed_size(session: ort.InferenceSession) -> tuple[int, int] | None:
    """Height and width of the input in px; None if they are free."""
    height, width = session.get_inputs()[0].shape[2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def tried(session: ort.InferenceSession) -> tuple[tuple[int, int], ...]:
    """Height and width of the pictures that the network is tried on."""
    fixed = fixed_size(session)
    return SIZES if fixed is None else (fixed,)


def run(session: ort.InferenceSession, height: int, width: int) -> dict[str, NDArray[np.float32]]:
    """What the network gives for a picture of noise, by name.

    Raises:
        ModelError: it takes no picture of this size.
    """
    wanted = [f"{value}_{stride}" for value in VALUES for stride in STRIDES]
    noise = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    with refusals(f"the detector refuses {width}x{height} px"):
        return dict(zip(wanted, session.run(wanted, {session.get_inputs()[0].name: noise}), strict=True))
