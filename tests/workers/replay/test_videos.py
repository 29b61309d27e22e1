"""Real recordings, replayed with the shipped networks: what a person sees in them comes out."""

import subprocess
import sys

import pandas as pd
import pytest

CLIPS = (
    "no_face.mp4",
    "single_face.mp4",
    "face_noface_hevc.mov",
    "corridor_run.mp4",
    "chaplin.mp4",
    "sad_then_laughing.mp4",
)


@pytest.fixture(scope="module")
def rows(data, tmp_path_factory):
    """All rows of all clips."""
    out = tmp_path_factory.mktemp("videos")
    clips = [data / "videos" / name for name in CLIPS]
    words = ["replay", *clips, "--out", out, "--redis", "none", "--jobs", "2"]
    subprocess.run([sys.executable, "-m", "workers.cli", *words], check=True, capture_output=True)
    return pd.read_parquet(out / "emotions").astype({"source": str, "track": str})


def of(rows, source, quality=0.0):
    return rows[(rows["source"] == source) & (rows["quality"] >= quality)]


def test_nobody_is_seen_where_nobody_is(rows):
    assert of(rows, "no_face").empty


def test_a_single_face_is_one_track(rows):
    found = of(rows, "single_face")
    assert found["track"].nunique() == 1
    assert found["frame"].nunique() == 72


def test_a_face_that_leaves_ends_its_track(rows):
    found = of(rows, "face_noface_hevc")
    assert found["track"].nunique() == 1
    assert 65 <= found["frame"].max() <= 75


def test_a_man_who_runs_at_the_camera_is_one_track_once_he_is_20_px(rows):
    found = of(rows, "corridor_run")
    assert found["track"].nunique() == 1
    assert found["h"].iloc[0] < 30
    assert found["frame"].nunique() >= 0.9 * (found["frame"].max() - found["frame"].min() + 1)


def test_a_man_in_black_and_white_keeps_his_number(rows):
    """The one behind him is too small to be found; two numbers at most, and his through most of the scene."""
    tracks = of(rows, "chaplin").groupby("track")["frame"].count()
    assert len(tracks) <= 2
    assert tracks.max() >= 120


def test_a_woman_turns_from_sad_to_laughing(rows):
    found = of(rows, "sad_then_laughing")
    assert found["track"].nunique() == 1
    assert found.loc[found["pts"].between(2, 9), "s_happiness"].mean() < 0.3
    assert found.loc[found["pts"] > 11, "s_happiness"].mean() > 0.8
