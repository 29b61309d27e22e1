"""One face that is being followed."""

import msgspec
import numpy as np

from pipeline.messages import Floats
from pipeline.tracker.detector import Detections
from pipeline.tracker.kalman import Doubles, Motion, born, measured
from pipeline.tracker.landmarks import noise, relative


class ActiveTrack(msgspec.Struct, eq=False):
    """One face that is being followed."""

    motion: Motion
    landmarks: Floats
    """(5, 2) smoothed points in sides of the box, from its centre."""
    variance: float
    """Of ``landmarks``."""
    first: float
    """When it was first seen, s."""
    last: float
    """When it was last seen, s."""
    place: Doubles
    """(3,) centre then, px, and log height averaged over about ``association.PACE``."""
    pace: Doubles
    """(2,) velocity of the centre, px/s, averaged over about ``association.PACE``."""
    score: float
    """Score of the detection then."""
    search: int
    """Number of the search that saw it last, from 1 in the run."""
    appearance: Floats
    """(``appearance.VALUES``,) the mean over about ``appearance.MEMORY``. A picture of a person: it ends with the
    track, and is nowhere but in the stored state."""
    sightings: int
    """How many clear sightings ``appearance`` rests on; where none, it may be of whoever was in front."""
    number: int = 0
    """From 1 in order of confirmation, unique in the run; 0 while it may still be a mistake of the detector."""


def begin(
    now: float, found: Detections, row: int, appearance: Floats, sightings: int, pixel: float, search: int
) -> ActiveTrack:
    """Return the track that one detection of a frame, ``row``, begins at ``now``, s; see ``ActiveTrack``."""
    boxes = found.boxes[row : row + 1]
    points = relative(found.landmarks[row : row + 1], boxes)[0]
    variance = float(noise(boxes, pixel)[0])
    z = measured(boxes)[0]
    place, score = z[[0, 1, 3]], float(found.scores[row])
    return ActiveTrack(
        born(z, pixel), points, variance, now, now, place, np.zeros(2), score, search, appearance.copy(), sightings
    )
