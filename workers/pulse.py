"""How a worker's health is seen from outside: a file that it touches while all goes well."""

import tempfile
import time
from pathlib import Path


def pulse_of(stages: str) -> Path:
    """Return the file that a worker of these stages touches, on this machine."""
    return Path(tempfile.gettempdir()) / f"affectstream-{stages}.pulse"


def is_alive(pulse: Path, within: float) -> bool:
    """Return whether a worker touched its file in the last ``within`` s."""
    try:
        return time.time() - pulse.stat().st_mtime < within
    except FileNotFoundError:
        return False
