"""One reader for every form of labelled faces."""

from pathlib import Path

from models.emotion.faces.archive import read_archive
from models.emotion.faces.labelled import LabelledFaces


def read_faces(path: Path) -> LabelledFaces:
    """Read labelled faces from an npz (see `read_archive`).

    Raises:
        InputError: the file is missing or cannot be used as it is.
    """
    return read_archive(path)
