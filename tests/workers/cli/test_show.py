"""``affectstream show`` as a user meets it, on a real replay."""

import shutil

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from tests import video
from workers.overlay import COLOURS


@pytest.fixture(scope="module")
def made(scene, tmp_path_factory):
    """A video and a folder with its rows, of every fifth frame in one run and of all in a later one."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copy(scene, folder / "film.mp4")
    return folder


@pytest.fixture
def site(made, affectstream):
    if not (made / "out").exists():
        for more in (["--fps", 5], []):
            ended = affectstream("replay", made / "film.mp4", "--out", made / "out", "--redis", "none", *more)
            assert ended.code == 0, ended.err
    return made


def pictures(path):
    """Every frame, (height, width, 3) BGR."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def latest(site):
    rows = pd.read_parquet(site / "out" / "emotions")
    return rows[rows["run"] == rows["run"].value_counts().idxmax()]


def edges(rows, shape):
    """Where the boxes of some rows are drawn, and where their labels may stand or what is drawn may be blurred."""
    drawn, near = np.zeros(shape[:2], np.uint8), np.zeros(shape[:2], np.uint8)
    for row in rows.itertuples():
        corner, opposite = (round(row.x), round(row.y)), (round(row.x + row.w), round(row.y + row.h))
        cv2.rectangle(drawn, corner, opposite, 1, 1)
        cv2.rectangle(near, corner, opposite, 1, 17)
        cv2.rectangle(near, (corner[0] - 60, corner[1] - 45), (corner[0] + 180, corner[1]), 1, -1)
    return drawn > 0, near > 0


def test_every_frame_is_there_with_boxes_and_is_otherwise_as_it_was(affectstream, site, tmp_path):
    to = tmp_path / "shown.mp4"
    ended = affectstream("show", site / "film.mp4", "--out", site / "out", "--to", to)
    assert ended.code == 0, ended.err
    assert "150 frames" in ended.out
    assert "It shows people" in ended.out
    assert "of several runs" in ended.err
    was, now = pictures(site / "film.mp4"), pictures(to)
    assert len(was) == len(now) == 150
    rows = latest(site)
    for number in (0, 40, 100, 149):
        drawn, near = edges(rows[rows["frame"] == number], was[number].shape)
        assert drawn.any()
        change = np.abs(was[number].astype(int) - now[number]).mean(axis=2)
        assert change[drawn].mean() > 25
        assert change[~near].mean() < 3
    with av.open(str(site / "film.mp4")) as before, av.open(str(to)) as after:
        assert float(after.duration) == pytest.approx(float(before.duration), abs=50_000)  # µs
    assert [path.name for path in tmp_path.iterdir()] == ["shown.mp4"]


def test_one_frame_is_a_picture_of_it(affectstream, site, tmp_path):
    rows = latest(site)
    both = rows[rows["frame"] == 100].sort_values("track")
    assert len(both) == 2
    for track, shown in ((None, both), (both["track"].iloc[1].rpartition("-")[2], both[1:])):
        to = tmp_path / f"{track}.png"
        words = ["show", site / "film.mp4", "--out", site / "out", "--at", "4.01", "--to", to]
        ended = affectstream(*words, *(["--track", track] if track else []))
        assert ended.code == 0, ended.err
        assert f"the frame at 4.000 s, {len(shown)} face" in ended.out
        picture, was = cv2.imread(str(to)), pictures(site / "film.mp4")[100]
        for row in shown.itertuples():
            at = round(row.y + row.h), round(row.x + row.w / 2)
            assert tuple(picture[at]) == COLOURS[int(row.track.rpartition("-")[2]) % len(COLOURS)]
        _, near = edges(shown, was.shape)
        assert np.abs(was.astype(int) - picture)[~near].max() <= 8  # one turned YUV into RGB as the other did


def test_frames_that_were_left_out_show_the_rows_of_the_one_before(affectstream, site, tmp_path):
    rows = pd.read_parquet(site / "out" / "emotions")
    sparse = rows["run"].value_counts().idxmin()
    words = ["show", site / "film.mp4", "--out", site / "out", "--run", sparse, "--at", "4.12"]
    ended = affectstream(*words, "--to", tmp_path / "between.png")
    assert "the frame at 4.120 s, 2 faces" in ended.out
    assert "of several runs" not in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "a.mp4", "--track", "77"], "there is no track '77' in run r"),
        (["--to", "a.mp4", "--run", "r0"], "there is no run 'r0'"),
        (["--to", "a.mp4", "--source", "door"], "there are no rows of source 'door'"),
        (["--to", "a.mkv"], "a video is written as .mp4"),
        (["--to", "a.mp4", "--at", "1"], "one frame is written as .png"),
        (["--to", "a.png", "--at", "99"], "the last frame is at 5.960 s"),
        (["--to", "film.mp4", "--force"], "is the video itself"),
        (["--to", "there.mp4"], "exists; name another file, or add --force"),
        (["--to", "nowhere/a.mp4"], "there is no folder 'nowhere'"),
    ],
)
def test_what_cannot_be_shown_is_told(affectstream, site, monkeypatch, words, says):
    monkeypatch.chdir(site)
    (site / "there.mp4").write_bytes(b"dear")
    before = {path.name for path in site.iterdir()}
    ended = affectstream("show", "film.mp4", "--out", "out", *words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert {path.name for path in site.iterdir()} == before
    assert (site / "there.mp4").read_bytes() == b"dear"


def test_rows_of_another_video_are_not_drawn(affectstream, site, tmp_path):
    other = video.clip(tmp_path / "other.mp4", frames=20, times=[30 * number for number in range(20)])
    words = ["show", other, "--out", site / "out", "--to", tmp_path / "a.mp4"]
    assert "sources there: film; if the video is one of them" in affectstream(*words).err
    ended = affectstream(*words, "--source", "film")
    assert ended.code == 2
    assert "are not of" in ended.err
    assert not (tmp_path / "a.mp4").exists()


def test_a_video_that_was_moved_is_shown_by_its_sources_name(affectstream, site, tmp_path):
    moved = shutil.copy(site / "film.mp4", tmp_path / "moved.mp4")
    ended = affectstream(
        "show", moved, "--out", site / "out", "--source", "film", "--at", "2", "--to", tmp_path / "a.png"
    )
    assert ended.code == 0, ended.err
