import os
import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest

from pipeline.errors import InputError, ModelError
from pipeline.onnx import open_session, refusals
from pipeline.settings import RuntimeSettings
from tests.networks import classifier


@pytest.mark.parametrize(
    "code", ["import pipeline.onnx as onnx; onnx.provider_name('cpu')", "import models.emotion.speed"]
)
def test_nobody_is_told_that_networks_run_here(tmp_path, code):
    """ONNX Runtime's telemetry writes an id of the machine into the home folder as soon as it is loaded."""
    silent = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    inherited = {name: value for name, value in os.environ.items() if name not in silent}
    subprocess.run([sys.executable, "-c", code], check=True, env=inherited | {"HOME": str(tmp_path)})
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("reason", "told"),
    [("[Fail] no such shape\nat node 3", "it refuses: [Fail] no such shape"), ("", "it refuses: Fail")],
)
def test_whatever_onnx_runtime_raises_is_one_line(reason, told):
    with pytest.raises(ModelError) as raised, refusals("it refuses"):
        raise ort.capi.onnxruntime_pybind11_state.Fail(reason)
    assert str(raised.value) == told


def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"net\.onnx' is not an ONNX network that can be run here: \S"):
        open_session(tmp_path / "net.onnx", RuntimeSettings())


def test_what_a_network_refuses_is_raised_and_not_also_logged(tmp_path, capfd):
    session = open_session(classifier(tmp_path, size=64, axes=["n", 1, "h", "w"]), RuntimeSettings())
    faces = {session.get_inputs()[0].name: np.zeros((2, 1, 48, 48), np.uint8)}
    with pytest.raises(ModelError, match="it refuses: "), refusals("it refuses"):
        session.run(None, faces)
    assert capfd.readouterr() == ("", "")
