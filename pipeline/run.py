"""Ids of runs: what makes rows of one reading of one source belong together."""

import hashlib
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from pipeline.settings import PipelineSettings

ROWS: Final = 5
"""Raised when the same video, networks and settings give other rows than the version before."""


def live_run() -> str:
    """Return a new id for a live source: when it began, and enough chance to be unique.

    >>> live_run()[:2], len(live_run())
    ('20', 24)
    """
    return f"{datetime.now(UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(4)}"


def file_run(path: Path, settings: PipelineSettings, networks: tuple[str, str], via: str = "") -> str:
    """Return the id of the run that reads a file: the same content, networks and settings give the same id.

    Args:
        path: the video; all of it is hashed, at about 1 GB/s.
        settings: only those that change rows count.
        networks: digests of the detector and of the emotion network with what its card says.
        via: what changes the frames on their way to the tracker, such as ``jpeg90``; empty if nothing does.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, hashlib.blake2b)
    relevant = (
        ROWS,
        networks,
        settings.ingest.fps,
        settings.detector.model_dump(mode="json", exclude={"model"}),
        settings.tracker.model_dump(mode="json"),
        settings.smoother.model_dump(mode="json"),
        settings.runtime.provider,
    )
    digest.update(msgspec.json.encode(relevant))
    digest.update(via.encode())
    return f"r{digest.hexdigest()[:11]}"


def split_track(track: str) -> tuple[str, str]:
    """Return the run and the number that the id of a track is made of.

    >>> split_track("20260501t120000-01234567-2")
    ('20260501t120000-01234567', '2')
    """
    run, _, number = track.rpartition("-")
    return run, number


def is_of_file(run: str) -> bool:
    """Return whether a run reads a file, which may be read once more under the same id.

    >>> is_of_file("r0123456789a"), is_of_file(live_run())
    (True, False)
    """
    return re.fullmatch(r"r[0-9a-f]{11}", run) is not None
