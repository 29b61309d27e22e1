import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time, however slow or busy the machine.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Run by the system's Python, which alone has GStreamer's bindings.
collect_ignore = ["rtsp_server.py"]


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with recorded videos and photos; tests that need it are skipped where none is named."""
    return named("AFFECTSTREAM_DATA")


@pytest.fixture(scope="session")
def teacher() -> Path:
    """Folder with YuNet networks, of which one taught the detector; skipped likewise."""
    return named("AFFECTSTREAM_TEACHER")


def named(variable: str) -> Path:
    """Return the folder that an environment variable names; skip the test where it is not set."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder")
    assert Path(folder).is_dir(), f"{variable}: {folder} is no folder"
    return Path(folder)
