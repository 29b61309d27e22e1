"""A detector on photos with known faces: curves by kind of face, on the photos as they are and seen otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.bootstrap import interval
from models.detector.boxes import Array, Image, from_corners
from models.detector.curves import Measured, measured
from models.detector.find import Finder, read
from models.detector.matching import LEFT_OUT, Matches, Truth, matches
from models.detector.views import VIEWS, View
from pipeline.errors import InputError

LOW = 0.05
"""Lowest score that is looked at."""
SIDE = 640
"""px to which larger photos are shrunk."""
SMALLEST = 16
"""Height in px below which neither real boxes nor those found in their photos count."""
KINDS = {"without_mask": "unmasked", "with_mask": "masked", "mask_weared_incorrect": "masked"}
"""Kinds in the lists and what they are reported as; others go by their own names."""
ALL = "all"


class Photo(NamedTuple):
    """A photo and its known faces."""

    path: Path
    boxes: Array
    """(N, 4) x, y, w, h, px."""
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Photos:
    """Photos with known faces."""

    photos: list[Photo]
    kinds: tuple[str, ...]
    """Of the faces that count."""

    def truth(self, photo: Photo) -> Truth:
        """Its known faces; those that are too small do not count."""
        counts = photo.boxes[:, 3] >= SMALLEST
        kinds = [self.kinds.index(kind) if count else LEFT_OUT for kind, count in zip(photo.kinds, counts, strict=True)]
        return Truth(photo.boxes, np.asarray(kinds, np.int64), SMALLEST)


def read_photos(folder: Path) -> Photos:
    """Read `boxes.json` in a folder of photos: for each file name a list of `{"box": [x1, y1, x2, y2], "kind": ...}`.

    The box in px; the kind may be left out.

    Raises:
        InputError: the list or a photo is missing, a box is none, or no face is large enough to count.
    """
    file = folder / "boxes.json"
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not JSON: {error}"
        raise InputError(
            f"cannot read {str(file)!r}: {reason}; give a folder with boxes.json and its photos"
        ) from error
    if not isinstance(lists, dict):
        raise InputError(f"{str(file)!r} must hold a list of boxes for each file name")
    photos = [_photo(folder / name, faces, file) for name, faces in sorted(lists.items())]
    large = {
        kind
        for photo in photos
        for kind, height in zip(photo.kinds, photo.boxes[:, 3], strict=True)
        if height >= SMALLEST
    }
    if not large:
        raise InputError(f"{str(file)!r} has no face of {SMALLEST} px or more in height")
    return Photos(photos, tuple(sorted(large, reverse=True)))


def _photo(path: Path, faces: Any, file: Path) -> Photo:
    if not path.is_file():
        raise InputError(f"{str(path)!r} is in boxes.json, but there is no such photo")
    try:
        corners = np.array([face["box"] for face in faces], np.float64).reshape(len(faces), 4)
        kinds = tuple(KINDS.get(kind, kind) for kind in (str(face.get("kind", "faces")) for face in faces))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"{str(file)!r}: the boxes of {path.name!r} are no list of {{box: [x1, y1, x2, y2]}}"
        ) from error
    if not np.isfinite(corners).all() or (corners[:, 2:] <= corners[:, :2]).any():
        raise InputError(f"{str(file)!r}: a box of {path.name!r} is empty, turned round or not finite")
    return Photo(path, from_corners(corners.tolist()), kinds)


@dataclass(frozen=True)
class Sight:
    """What was found in one view of all photos."""

    view: str
    kinds: dict[str, Measured]
    """`ALL` first."""


def look(
    photos: Photos,
    finders: Sequence[Finder],
    views: Sequence[View] = VIEWS,
    progress: Callable[[], None] = lambda: None,
) -> list[list[Sight]]:
    """What each detector finds in each view of the photos; `progress` is called after each photo of each view."""
    sights: list[list[Sight]] = [[] for _ in finders]
    for view in views:
        truths: list[Truth] = []
        found: list[list[Array]] = [[] for _ in finders]
        for photo in photos.photos:
            picture, truth = view.change(read(photo.path), photos.truth(photo))
            truths.append(truth)
            for rows, finder in zip(found, finders, strict=True):
                rows.append(_find(finder, picture, view.side))
            progress()
        for told, rows in zip(sights, found, strict=True):
            matched = matches(rows, truths, len(photos.kinds))
            told.append(Sight(view.name, _by_kind(matched, photos.kinds)))
    return sights


def _by_kind(matched: Matches, kinds: tuple[str, ...]) -> dict[str, Measured]:
    each = {kind: measured(matched, at) for at, kind in enumerate(kinds) if matched.totals[at].any()}
    # Of one kind there is nothing to tell apart.
    return {ALL: measured(matched)} | (each if len(kinds) > 1 else {})


def _find(finder: Finder, picture: Image, side: int | None) -> Array:
    return finder.at(picture, min(SIDE, max(picture.shape[:2])) if side is None else side)


def told(sights: list[Sight], against: list[Sight] | None = None) -> dict[str, Any]:
    """As JSON holds it: by view and kind the figures and curves, and what the other detector has less in recall."""
    views: dict[str, Any] = {}
    for at, sight in enumerate(sights):
        kinds = {kind: one.told() for kind, one in sight.kinds.items()}
        for kind, one in sight.kinds.items() if against else ():
            other = against[at].kinds[kind] if against else one
            ahead = interval(one.recall - other.recall, one.recalls - other.recalls, one.n)
            kinds[kind]["recall_ahead"] = ahead.told()
        views[sight.view] = kinds
    return views
