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
    """Folder with recorded videos and photos; tests that need it are skipped where it is absent."""
    named = os.environ.get("AFFECTSTREAM_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}; set AFFECTSTREAM_DATA")
    return folder
