"""What following needs to know of a frame: the faces found in it, and what it looks like as a whole.

Finding is most of the tracker's work and knows nothing of other frames, so that frames may be looked at anywhere and in
any order, and then be followed from first to last.
"""

from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from pipeline.messages import Bytes, Floats, Frame
from pipeline.tracker.appearance import VALUES, appearances
from pipeline.tracker.cuts import thumbnail
from pipeline.tracker.detector import Detections, Detector

TOO_SMALL: Final = 0.75
"""Faces lower than this share of ``min_face`` are not followed."""


class Sighting(msgspec.Struct, frozen=True, eq=False):
    """One frame, as far as following needs it."""

    pts: float
    """Media time, s."""
    found: Detections | None
    """In px of the displayed frame; None if faces were not searched for."""
    pixel: float
    """px of the frame per px of the detector's picture."""
    thumbnail: Bytes
    """See ``cuts.thumbnail``."""
    appearances: Floats
    """(n, ``appearance.VALUES``) of the n faces found; see ``appearance``."""


class Finder:
    """Finds the faces of frames, in any order."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, frame: Frame) -> Sighting:
        """Look at one frame and search it for faces."""
        return self.search(frame, self.glance(frame))

    def search(self, frame: Frame, glimpse: Sighting) -> Sighting:
        """Return ``glimpse``, of the same frame, with the faces found in it; those much too small are left out."""
        rows, columns = frame.image.shape[:2]
        scale = np.array([frame.width / columns, frame.height / rows], np.float32)
        found = self._detector(frame.image)
        boxes = found.boxes * np.tile(scale, 2)
        large = boxes[:, 3] >= TOO_SMALL * frame.min_face
        kept = Detections(boxes[large], found.landmarks[large] * scale, found.scores[large])
        return replace(glimpse, found=kept, appearances=appearances(frame.image, found.boxes[large]))

    def glance(self, frame: Frame) -> Sighting:
        """Look at one frame without searching it for faces, which takes hardly any time."""
        pixel = frame.height / len(frame.image)
        return Sighting(frame.stamp.pts, None, pixel, thumbnail(frame.image), np.empty((0, VALUES), np.float32))
