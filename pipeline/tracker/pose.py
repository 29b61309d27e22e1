"""Which way a head is turned, from its five landmarks.

A generic head is fitted to the landmarks under weak perspective (a scaled orthographic camera), all faces at once: the
least-squares affine map is the landmarks times the pseudo-inverse of the head, and the nearest scaled rotation to it
gives the angles (DeMenthon and Davis, "Model-based object pose in 25 lines of code", 1995, first step). People's
noses differ: expect about 5 degrees of error in yaw and roll and 10 in pitch up to 45 degrees of turn, more beyond,
and a constant offset per person, above all in pitch.
"""

from typing import Final

import numpy as np

from pipeline.messages import Floats

HEAD: Final = np.array(
    [
        [-8.85, -8.30, 0.0],
        [8.85, -8.30, 0.0],
        [0.0, 1.30, -8.0],
        [-7.55, 8.30, -1.5],
        [7.55, 8.30, -1.5],
    ]
)
"""(5, 3) generic head, in 1/48 of the side of a crop: x to the image's right, y down, z away from the camera."""

_CENTRED = HEAD - HEAD.mean(0)
_INVERSE = np.linalg.pinv(_CENTRED)


def angles(landmarks: Floats) -> Floats:
    """Return (n, 3) yaw, pitch, roll, degrees, of (n, 5, 2) landmarks in px.

    Positive is: to the person's left, upwards, clockwise in the image. Yaw and pitch are those of the head once its
    roll is undone: R = Rz(roll) Ry(-yaw) Rx(-pitch) in the axes of ``HEAD``. Landmarks all in one point give zeros.
    """
    centred = landmarks.astype(np.float64) - landmarks.mean(1, keepdims=True, dtype=np.float64)
    affine = np.swapaxes(_INVERSE @ centred, 1, 2)
    # The rotation nearest to the affine map: its first two rows, orthonormalised without preferring either.
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    third = np.cross(rows[:, 0], rows[:, 1])
    yaw = np.arcsin(np.clip(third[:, 0], -1, 1))
    pitch = np.arctan2(-third[:, 1], third[:, 2])
    roll = np.arctan2(rows[:, 1, 0], rows[:, 0, 0])
    degrees: Floats = np.degrees(np.stack([yaw, pitch, roll], 1)).astype(np.float32)
    degrees[np.abs(centred).max((1, 2), initial=0) < 1e-6] = 0
    return degrees
