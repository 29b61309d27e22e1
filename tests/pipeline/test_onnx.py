import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code", ["import pipeline.onnx as onnx; onnx.provider_name('cpu')", "import models.emotion.speed"]
)
def test_nobody_is_told_that_networks_run_here(tmp_path, code):
    """ONNX Runtime's telemetry writes an id of the machine into the home folder as soon as it is loaded."""
    silent = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    inherited = {name: value for name, value in os.environ.items() if name not in silent}
    subprocess.run([sys.executable, "-c", code], check=True, env=inherited | {"HOME": str(tmp_path)})
    assert not list(tmp_path.rglob("*"))
