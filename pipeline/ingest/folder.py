"""The videos in a folder."""

import logging
import os
from pathlib import Path
from typing import Final

VIDEO_SUFFIXES: Final = frozenset(
    f".{suffix}"
    for suffix in (
        *("264", "265", "3g2", "3gp", "3gpp", "amv", "asf", "avc", "avi", "divx", "dv", "f4v", "flv", "gxf", "h264"),
        *("h265", "hevc", "ivf", "m1v", "m2p", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mk3d", "mkv", "mod"),
        *("mov", "mp4", "mp4v", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "nut", "obu", "ogm", "ogv", "qt", "rm"),
        *("rmvb", "tod", "trp", "ts", "vob", "vro", "webm", "wmv", "wtv", "xvid", "y4m"),
    )
)
"""File name endings that count as video when a folder is searched; a file named outright may have any."""

logger = logging.getLogger(__name__)


def videos_in(folder: Path) -> list[Path]:
    """List the videos in a folder to the bottom, sorted, those of linked folders too; warn of what cannot be listed."""
    found: list[Path] = []
    walked: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_left_out, followlinks=True):
        real = os.path.realpath(place)
        if real in walked:  # by another link, or by one that leads back up
            folders.clear()
            continue
        walked.add(real)
        folders.sort()  # so that it is not chance by which of two links a folder is found
        found += (Path(place, name) for name in sorted(files))
    # Hidden files are not the user's: some systems leave a ._NAME.mp4 without video beside each NAME.mp4.
    videos = [path for path in found if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")]
    for path in videos:
        if path.is_symlink() and not path.exists():
            logger.warning("%s is left out: it is a link to what is not there", path)
    return sorted(path for path in videos if path.is_file())


def _left_out(error: OSError) -> None:
    logger.warning("%s is left out: %s", error.filename, error.strerror)
