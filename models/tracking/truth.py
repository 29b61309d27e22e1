"""What is known of a scene: who is where in every frame."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Floats

ABSENCE: Final = 3.0
"""s unseen after which a face counts as another one: without recognising people, nobody could tell. So long a tracker
waits by default (``tracker.patience``): one that waits less loses people here, one that waits longer confuses them."""


class Truth(NamedTuple):
    """The n faces of one frame."""

    ids: tuple[int, ...]
    boxes: Floats
    """(n, 4) x, y, w, h, px."""
    counted: NDArray[np.bool_]
    """(n,) False for a face that can hardly be seen: whether it is followed counts neither for nor against."""
    glimpsed: NDArray[np.bool_]
    """(n,) False for a face that is as good as out of sight; True wherever ``counted`` is."""


def truth(
    ids: Sequence[int],
    boxes: Sequence[Sequence[float]] | Sequence[Floats],
    counted: Sequence[bool],
    glimpsed: Sequence[bool] | None = None,
) -> Truth:
    """Make a truth of plain sequences; without ``glimpsed``, what does not count is out of sight."""
    seen = np.array(counted, np.bool_)
    return Truth(
        tuple(ids),
        np.array(boxes, np.float32).reshape(-1, 4),
        seen,
        seen if glimpsed is None else np.array(glimpsed, np.bool_),
    )


def renewed(times: Sequence[float], truths: Sequence[Truth], absence: float = ABSENCE) -> list[Truth]:
    """Give a face a new id whenever it comes back from more than ``absence`` s out of sight.

    ``times``: of each frame, s, ascending. Ids of the result count from 1 in order of appearance.
    """
    current: dict[int, int] = {}
    last: dict[int, float] = {}
    given = 0
    result = []
    for time, one in zip(times, truths, strict=True):
        ids = []
        for face, seen in zip(one.ids, one.glimpsed, strict=True):
            if face not in current or (seen and time - last[face] > absence):
                given += 1
                current[face] = given
                last[face] = time
            if seen:
                last[face] = time
            ids.append(current[face])
        result.append(one._replace(ids=tuple(ids)))
    return result
