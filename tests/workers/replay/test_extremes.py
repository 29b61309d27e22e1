"""Frames of unusual size and content, through the whole pipeline."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from workers.scene import FACE, portrait


def film(path, image, frames=1):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def head(height):
    """The portrait's head with some room around it, ``height`` px high."""
    x, y, w, h = (round(value) for value in FACE)
    cut = portrait()[y - h // 2 : y + h + h // 4, x - w // 3 : x + w + w // 3]
    return cv2.resize(cut, (round(cut.shape[1] * height / cut.shape[0]), height), interpolation=cv2.INTER_AREA)


@pytest.fixture
def replay(affectstream, tmp_path):
    def run(clip, *words):
        ended = affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none", *words)
        assert ended.code == 0, ended.err
        return pd.read_parquet(tmp_path / "out" / "emotions")

    return run


def test_a_single_frame_gives_its_face(replay, tmp_path):
    rows = replay(film(tmp_path / "one.mp4", portrait()))
    assert len(rows) == 1
    row = rows.iloc[0]
    np.testing.assert_allclose([row.x + row.w / 2, row.y + row.h / 2], [268, 226], atol=15)


def test_three_hundred_faces_in_one_frame(replay, tmp_path):
    tile = head(108)
    wall = np.tile(tile, (15, 20, 1))[: 15 * 108, : 20 * tile.shape[1] // 2 * 2]
    rows = replay(film(tmp_path / "crowd.mp4", wall, frames=2))
    assert rows.groupby("frame")["track"].nunique().min() >= 285
    assert rows["track"].nunique() <= 305


def test_an_8k_frame(replay, tmp_path):
    image = np.full((4320, 7680, 3), 110, np.uint8)
    face = head(2400)
    image[900 : 900 + len(face), 2500 : 2500 + face.shape[1]] = face
    rows = replay(film(tmp_path / "8k.mp4", image))
    assert len(rows) == 1
    assert 2500 < rows.iloc[0].x < 2500 + face.shape[1]


def test_a_face_that_is_smaller_than_wanted_gives_no_row(replay, tmp_path):
    image = np.full((360, 640, 3), 110, np.uint8)
    face = head(80)
    image[100 : 100 + len(face), 200 : 200 + face.shape[1]] = face
    clip = film(tmp_path / "small.mp4", image)
    assert len(replay(clip, "--min-face", "100")) == 0
    assert len(replay(clip)) == 1
