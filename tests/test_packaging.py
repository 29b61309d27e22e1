"""The wheel, installed outside the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy, so that building leaves nothing behind in the checkout.
    for name in ("pipeline", "workers", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_holds_the_networks_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("emotion.onnx", "emotion.json", "detector.onnx", "detector.json", "recipes/affect.yaml"):
        assert f"models/{name}" in names
    assert "workers/web/static/index.html" in names
    assert not [name for name in names if name.startswith("tests")]


def test_runs_the_demo_elsewhere(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import pipeline; print(pipeline.__file__)"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(site))
    demo = [sys.executable, "-m", "workers.cli", "demo", "--out", "out"]
    subprocess.run(demo, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert pd.read_parquet(tmp_path / "out" / "emotions")["track"].nunique() == 2
