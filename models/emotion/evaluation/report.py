"""A report on disk: `report.html` for people, `report.json` for programs, with the same numbers."""

from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from models.emotion.evaluate import Report
from models.emotion.evaluation.judgement import Judgement, Pictures
from models.emotion.evaluation.page import page
from models.written import write_file, write_json
from pipeline.errors import OutputError


def ready(folder: Path) -> None:
    """Make `folder`, and see that it can be written to, before minutes are spent on what goes there.

    Raises:
        OutputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"cannot write to {str(folder)!r}: {error.strerror}; choose another folder"
        raise OutputError(why) from error


def write(folder: Path, judged: Judgement, report: Report, images: NDArray[np.uint8], pictures: Pictures) -> Path:
    """Write both files; see `page` for the arguments.

    Returns:
        The page.

    Raises:
        OutputError: they cannot be written.
    """
    html, numbers = folder / "report.html", folder / "report.json"
    write_file(html, page(judged, report, images, pictures))
    write_json(numbers, judged)
    return html
