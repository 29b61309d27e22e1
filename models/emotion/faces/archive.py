"""Faces in an .npz: FER+ with votes, and CK+48 with one label each."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models.emotion.faces.labelled import COLUMNS, SIZE, LabelledFaces
from pipeline.errors import InputError
from pipeline.labels import LABELS

Arrays = dict[str, NDArray[Any]]


def read_archive(path: Path) -> LabelledFaces:
    """Read an npz of `images` uint8 (n, 48, 48) and `votes`, whole numbers (n, 8) or (n, 10).

    Raises:
        InputError: there is no such file, it is not an npz, an array is missing, has another shape, kind or length,
            holds NaN or votes that are no counts, or no row has a vote for an emotion.
    """
    arrays = _arrays(path)
    missing = sorted({"images", "votes"} - set(arrays))
    if missing:
        has = ", ".join(arrays)
        raise InputError(f"{str(path)!r} has no array {' and no array '.join(missing)}; it has: {has}")
    images = _images(arrays["images"], path)
    votes = _votes(arrays["votes"], len(images), path)
    described = f"{len(images):,} faces with votes for {len(LABELS)} expressions"
    return LabelledFaces(images, votes, people=None, labels=LABELS, name=path.stem, description=described)


def _arrays(path: Path) -> Arrays:
    try:
        # Opened here, since numpy leaves the file of a damaged archive open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{str(path)!r} is a single array; give an .npz with the arrays images and votes")
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not an .npz of plain numbers"
        raise InputError(f"{str(path)!r} cannot be read: {reason}") from error


def _images(images: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or not len(images):
        raise InputError(f"{str(path)!r}: images must be (n, {SIZE}, {SIZE}) with n > 0, not {images.shape}")
    if images.dtype != np.uint8:
        raise InputError(f"{str(path)!r}: images must be uint8 (luma 0-255), not {images.dtype}")
    return images


def _votes(votes: NDArray[Any], rows: int, path: Path) -> NDArray[np.int64]:
    if votes.ndim != 2 or votes.shape[1] not in (8, 10):
        raise InputError(f"{str(path)!r}: votes must be (n, 8) or (n, 10), not {votes.shape}")
    if len(votes) != rows:
        raise InputError(f"{str(path)!r}: {rows} images but {len(votes)} rows of votes")
    if votes.dtype.kind not in "uif":
        raise InputError(f"{str(path)!r}: votes must be numbers, not {votes.dtype}")
    bad = np.flatnonzero(~np.isfinite(votes).all(1))
    if len(bad):
        raise InputError(f"{str(path)!r}: votes hold NaN or infinity, first in row {bad[0]}")
    bad = np.flatnonzero((votes < 0).any(1) | (votes != np.floor(votes)).any(1))
    if len(bad):
        raise InputError(
            f"{str(path)!r}: votes must be counts (0, 1, 2, ...), row {bad[0]} is {votes[bad[0]].tolist()}"
        )
    if not votes[:, : len(LABELS)].any():
        raise InputError(f"{str(path)!r}: no row has a vote for any of the eight emotions")
    counts = np.zeros((rows, len(COLUMNS)), np.int64)
    counts[:, : votes.shape[1]] = votes
    return counts
