"""Faces in an .npz: with votes as FER+ has them, or with one label each as CK+48 has them."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models.emotion.faces.labelled import COLUMNS, MOST, SIZE, LabelledFaces, labelled, single
from models.emotion.faces.names import KNOWN, column
from pipeline.errors import InputError
from pipeline.labels import LABELS

Arrays = dict[str, NDArray[Any]]


def read_archive(path: Path) -> LabelledFaces:
    """Reads an npz of `images` uint8 (n, 48, 48) and either votes or labels, and perhaps `subjects`, names (n,).

    Votes: `votes`, whole numbers (n, 8) or (n, 10). Labels: `labels`, whole numbers (n,), each the index of a name in
    `names`, str (k,).

    Raises:
        InputError: there is no such file, it is not an npz, an array is missing, has another shape, kind or length,
            holds NaN, votes that are no counts, labels without a name or names of no expression, or no row has a vote
            for an emotion.
    """
    arrays = _arrays(path)
    wanted = {"images"} | ({"labels", "names"} if "labels" in arrays and "votes" not in arrays else {"votes"})
    missing = sorted(wanted - set(arrays))
    if missing:
        has = ", ".join(arrays)
        raise InputError(f"{str(path)!r} has no array {' and no array '.join(missing)}; it has: {has}")
    images = _images(arrays["images"], path)
    people = _people(arrays["subjects"], len(images), path) if "subjects" in arrays else None
    if "votes" in wanted:
        votes = _votes(arrays["votes"], len(images), path)
        return labelled(path, images, votes, known=range(len(LABELS)), people=people)
    columns = _columns(arrays["names"], path)
    rows = _labels(arrays["labels"], len(images), len(columns), path)
    return labelled(path, images, single(columns[rows]), known=set(columns.tolist()), people=people)


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
    if votes.ndim != 2 or votes.shape[1] not in (len(LABELS), len(COLUMNS)):
        raise InputError(f"{str(path)!r}: votes must be (n, 8) or (n, 10), not {votes.shape}")
    if len(votes) != rows:
        raise InputError(f"{str(path)!r}: {rows} images but {len(votes)} rows of votes")
    if votes.dtype.kind not in "uif":
        raise InputError(f"{str(path)!r}: votes must be numbers, not {votes.dtype}")
    bad = np.flatnonzero(~np.isfinite(votes).all(1))
    if len(bad):
        raise InputError(f"{str(path)!r}: votes hold NaN or infinity, first in row {bad[0]}")
    bad = np.flatnonzero(((votes < 0) | (votes > MOST) | (votes != np.floor(votes))).any(1))
    if len(bad):
        raise InputError(
            f"{str(path)!r}: votes must be counts (0, 1, 2, ...), row {bad[0]} is {votes[bad[0]].tolist()}"
        )
    counts = np.zeros((rows, len(COLUMNS)), np.int64)
    counts[:, : votes.shape[1]] = votes
    return counts


def _columns(names: NDArray[Any], path: Path) -> NDArray[np.int64]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(f"{str(path)!r}: names must be text (k,), not {names.dtype} {names.shape}")
    columns = [column(name) for name in names.tolist()]
    if None in columns:
        raise InputError(
            f"{str(path)!r}: {names[columns.index(None)].item()!r} names no known expression; known: {KNOWN}"
        )
    return np.array(columns, np.int64)


def _labels(labels: NDArray[Any], rows: int, names: int, path: Path) -> NDArray[np.integer[Any]]:
    if labels.shape != (rows,) or labels.dtype.kind not in "ui":
        raise InputError(f"{str(path)!r}: labels must be whole numbers ({rows},), not {labels.dtype} {labels.shape}")
    bad = np.flatnonzero((labels < 0) | (labels >= names))
    if len(bad):
        raise InputError(f"{str(path)!r}: label {labels[bad[0]]} of row {bad[0]} has none of the {names} names")
    return labels


def _people(subjects: NDArray[Any], rows: int, path: Path) -> NDArray[np.str_]:
    if subjects.shape != (rows,) or subjects.dtype.kind not in "uiU":
        raise InputError(
            f"{str(path)!r}: subjects must be names or numbers ({rows},), not {subjects.dtype} {subjects.shape}"
        )
    return subjects.astype(np.str_)
