"""One reader for every form of labelled faces."""

from pathlib import Path

from models.emotion.faces.archive import read_archive
from models.emotion.faces.fer2013 import read_fer2013
from models.emotion.faces.labelled import LabelledFaces, Progress
from models.emotion.faces.pictures import read_folder
from models.emotion.faces.rows import open_table
from models.emotion.faces.votes import read_votes
from pipeline.errors import InputError


def read_faces(
    path: Path, votes: Path | None = None, *, part: str | None = None, progress: Progress | None = None
) -> LabelledFaces:
    """Reads labelled faces in any of these forms.

    ========================================  =====================
    an .npz with votes (FER+)                 `archive.read_archive`
    an .npz with labels and names (CK+48)     `archive.read_archive`
    a csv of pixels (FER2013)                 `fer2013.read_fer2013`
    a folder of folders of pictures           `pictures.read_folder`
    a csv of picture files and votes          `votes.read_votes`
    ========================================  =====================

    Args:
        path: file or folder.
        votes: the csv of FER+ (fer2013new.csv), where `path` is FER2013's csv of pixels.
        part: of a data set that has parts: a Usage of FER2013, or a sub-folder with the classes' folders.
        progress: told how far it is, where reading takes long.

    Raises:
        InputError: something is missing, cannot be read or is not as it should be; the message says what and where.
    """
    if votes is not None and path.suffix.lower() != ".csv":
        raise InputError(f"the votes in {str(votes)!r} go with FER2013's csv of pixels, not with {str(path)!r}")
    if path.is_dir():
        return read_folder(path, part, progress)
    if path.suffix.lower() == ".csv":
        with open_table(path) as table:
            columns = table.columns
        if "pixels" in columns or votes is not None:
            return read_fer2013(path, votes, part, progress)
        if {"Usage", "Image name"} <= {*columns}:
            raise InputError(
                f"{str(path)!r} has the votes of FER+ but no pictures; give FER2013's csv of pixels, with these votes"
            )
    if part is not None:
        raise InputError(f"{str(path)!r} has no parts; leave {part!r} out")
    return read_votes(path, progress) if path.suffix.lower() == ".csv" else read_archive(path)
