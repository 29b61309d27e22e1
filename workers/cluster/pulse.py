"""How a worker's health is seen from outside: a file that it touches while all goes well."""

import os
import tempfile
import time
from pathlib import Path


def pulse_of(stages: str) -> Path:
    """Return the file that this user's workers of these stages touch, on this machine."""
    # What another user made there cannot be touched.
    return Path(tempfile.gettempdir()) / f"affectstream-{os.getuid()}-{stages}.pulse"


def is_alive(pulse: Path, within: float) -> bool:
    """Return whether a worker touched its file in the last ``within`` s."""
    try:
        return time.time() - pulse.stat().st_mtime < within
    except FileNotFoundError:
        return False
