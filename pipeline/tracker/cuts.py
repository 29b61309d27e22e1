"""Notices that a new scene has begun, from the detector's small picture.

From one frame to the next, structure tells: the correlation of the pictures, whatever their exposure. No camera moves
so fast that little of it is left in an instant. With more time between two frames some do, and two signs must come
together: another structure, and other colours. The overlap of their histograms hardly suffers from a camera that moves
or from somebody who passes, but it does from a flash. The longer the time, the more either may change within a scene,
so the clearer both must be.

The limits were chosen on pairs of frames 0.04 to 1.2 s apart, of recordings without a cut and across cuts.
"""

from typing import Final

import cv2
import numpy as np

from pipeline.messages import Bytes, Floats

GRID: Final = (32, 24)
"""Columns and rows of the thumbnail that is kept."""

COARSE: Final = (16, 12)
"""Columns and rows at which structures are compared: small movements do not matter."""

BINS: Final = (8, 16, 16)
"""Bins of the histogram along luma and both colour differences."""

SUDDEN: Final = 0.45
"""Correlation of two pictures below which they show different scenes whatever their colours, if no time lies between
them."""

INSTANT: Final = 0.3
"""s after which that limit is 0."""

LIKENESS: Final = 0.65
"""Correlation of two pictures below which their structure is another, if no time lies between them."""

COLOURS: Final = 0.8
"""Overlap of two histograms below which their colours are others, if no time lies between them."""

TOGETHER: Final = 1.1
"""The same for the sum of the two: somebody close to the camera makes both somewhat less alike."""

HORIZON: Final = 2.0
"""s in which the limits of both signs together fall to 1 / e."""


def thumbnail(image: Bytes) -> Bytes:
    """Shrink an (H, W, 3) picture to (rows, columns, 3)."""
    return np.asarray(cv2.resize(image, GRID, interpolation=cv2.INTER_AREA), np.uint8)


def is_cut(before: Bytes, after: Bytes, elapsed: float) -> bool:
    """Say whether two thumbnails of frames ``elapsed`` s apart belong to different scenes."""
    likeness = float((_structure(before) * _structure(after)).sum())
    if elapsed < INSTANT and likeness < SUDDEN * (1 - elapsed / INSTANT):
        return True
    fading = float(np.exp(-elapsed / HORIZON))
    if likeness >= LIKENESS * fading:
        return False
    shared = float(np.minimum(_colours(before), _colours(after)).sum())
    return shared < COLOURS * fading and likeness + shared < TOGETHER * fading


def _structure(small: Bytes) -> Floats:
    """Return a coarser thumbnail with colours of mean 0 and length 1: exposure does not matter."""
    colours: Floats = np.asarray(cv2.resize(small, COARSE, interpolation=cv2.INTER_AREA), np.float32)
    colours -= colours.mean((0, 1))
    return colours / max(float(np.linalg.norm(colours)), 1e-6)


def _colours(small: Bytes) -> Floats:
    """Return the share of the thumbnail in each cell of colour."""
    separated = cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb)
    counts = cv2.calcHist([separated], [0, 1, 2], None, list(BINS), [0, 256] * 3)
    return np.asarray(counts, np.float32) / np.float32(small.shape[0] * small.shape[1])
