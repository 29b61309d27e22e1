"""Faces in picture files: in a folder for each class, or named in a csv of votes."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.emotion.faces.labelled import SIZE, LabelledFaces, Progress, labelled, single
from models.emotion.faces.names import KNOWN, column
from pipeline.errors import InputError

SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings of the files that are taken for pictures, in any case; others in the folders are left alone."""


def read_folder(path: Path, part: str | None = None, progress: Progress | None = None) -> LabelledFaces:
    """Reads a folder that has a sub-folder of pictures for each class, named as the class is.

    Args:
        path: the folder. Sub-folders with a leading dot are left alone.
        part: sub-folder of `path` that has the classes in its turn (train, test, ...).
        progress: told how many have been read.

    Raises:
        InputError: a folder is missing, empty or named as no class is, or a picture cannot be read (see `read_face`).
    """
    folder = path / part if part else path
    classes = [each for each in _entries(folder) if each.is_dir()]
    if not classes:
        raise InputError(f"{str(folder)!r} has no folders; give a folder that has one of pictures for each class")
    files: list[Path] = []
    columns: list[int] = []
    for each in classes:
        index = column(each.name)
        if index is None:
            raise InputError(f"{str(each)!r} is the folder of no known class; known: {KNOWN}")
        found = [file for file in _entries(each) if file.suffix.lower() in SUFFIXES]
        if not found:
            raise InputError(f"{str(each)!r} has no pictures ({', '.join(SUFFIXES)}); fill or remove it")
        files += found
        columns += [index] * len(found)
    images = np.empty((len(files), SIZE, SIZE), np.uint8)
    for row, file in enumerate(files):
        images[row] = read_face(file)
        if progress is not None:
            progress((row + 1) / len(files))
    return labelled(path, images, single(np.array(columns)), known=set(columns), part=part)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise InputError(f"folder {str(folder)!r} cannot be read: {error.strerror}") from error


def read_face(path: Path) -> NDArray[np.uint8]:
    """Reads a picture of a face as uint8 (48, 48), full-range luma.

    Gray or colour (ITU-R BT.601 luma), 8 bits or 16 (of which the full range counts as the full range of 8); turned as
    its Exif data say, transparency left out. Of one that is not square the middle square is taken. It is shrunk by area
    averaging, or enlarged bilinearly.

    Raises:
        InputError: there is no such file, it is no picture that OpenCV can read, or it has numbers of another kind.
    """
    try:
        coded = path.read_bytes()
        picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise InputError(f"picture {str(path)!r} cannot be read: {reason}") from error
    except cv2.error as error:
        raise InputError(f"{str(path)!r} is no picture that can be read; replace or remove it") from error
    if picture is None:
        raise InputError(f"{str(path)!r} is no picture that can be read; replace or remove it")
    if picture.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{str(path)!r} has pixels of {picture.dtype}; convert it to 8 or 16 bits")
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    height, width = gray.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = gray[top : top + side, left : left + side].astype(np.float32)
    how = cv2.INTER_AREA if side > SIZE else cv2.INTER_LINEAR
    face = square if side == SIZE else cv2.resize(square, (SIZE, SIZE), interpolation=how)
    scale = 1 if picture.dtype == np.uint8 else 255 / 65535
    return np.asarray(np.clip(np.rint(face * scale), 0, 255), np.uint8)
