"""What is said of a face once it is known where it is: its crop, its pose, and how good they are."""

import numpy as np

from pipeline.messages import Faces, Floats, Frame
from pipeline.tracker.align import crops, placements, scales
from pipeline.tracker.pose import angles
from pipeline.tracker.quality import quality
from pipeline.tracker.tracker import Seen


class Describer:
    """Describes the faces of frames, in any order.

    ``template``: (5, 2) where the landmarks belong in a crop of ``size`` px (see the emotion network's card).
    """

    def __init__(self, template: Floats, size: int) -> None:
        self._template = template
        self._size = size

    def __call__(self, frame: Frame, seen: Seen) -> Faces:
        """Describe every face of ``seen``, in that order; tracks and endings are still to be named."""
        shown = (frame.width, frame.height)
        placed = placements(seen.landmarks, seen.boxes, self._template, self._size)
        cut = crops(frame.luma, shown, placed, self._size, full_range=frame.full_range)
        pose = angles(seen.landmarks)
        worth = quality(scales(placed) * self._size, cut, pose=pose, scores=seen.scores, boxes=seen.boxes, shown=shown)
        return Faces(
            stamp=frame.stamp,
            tracks=(),
            boxes=_within(seen.boxes, shown),
            landmarks=seen.landmarks,
            scores=seen.scores,
            quality=worth,
            pose=pose,
            crops=cut,
        )


def _within(boxes: Floats, shown: tuple[int, int]) -> Floats:
    """Clip boxes to the frame."""
    far = np.array(shown, np.float32)
    near = np.clip(boxes[:, :2], 0, far)
    return np.concatenate([near, np.clip(boxes[:, :2] + boxes[:, 2:], 0, far) - near], 1)
