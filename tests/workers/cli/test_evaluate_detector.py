"""``affectstream evaluate detector`` on photos made of the public-domain portrait."""

import json
import shutil
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest

from models.detector.curves import RATES
from models.detector.views import VIEWS
from pipeline.card import shipped

FACE = (165, 115, 360, 330)
"""x1, y1, x2, y2 of the face in the portrait, px."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Two photos of the portrait with its face, one with a box where there is none, one of nothing."""
    folder = tmp_path_factory.mktemp("photos")
    portrait = cv2.imread(str(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    small = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lists = {
        "a.png": (portrait, [{"box": [*FACE], "kind": "without_mask"}]),
        "b.png": (small, [{"box": [side / 2 for side in FACE], "kind": "with_mask"}]),
        "c.png": (
            small,
            [{"box": [10, 200, 60, 260], "kind": "with_mask"}, {"box": [0, 0, 9, 9], "kind": "with_mask"}],
        ),
        "d.png": (np.full((200, 200, 3), 90, np.uint8), []),
    }
    for name, (picture, _) in lists.items():
        cv2.imwrite(str(folder / name), picture)
    (folder / "boxes.json").write_text(json.dumps({name: faces for name, (_, faces) in lists.items()}))
    return folder


def test_each_kind_is_told_apart_beside_another_detector(affectstream, photos, tmp_path):
    other = shutil.copy2(shipped("detector"), tmp_path / "other.onnx")
    report = tmp_path / "deep" / "report"
    ended = affectstream("evaluate", "detector", photos, "--against", other, "--report", report)
    assert ended.code == 0, ended.err
    told = json.loads((report / "detector.json").read_text())
    mine, theirs = told["detectors"]
    assert [*mine["views"]] == [view.name for view in VIEWS]
    first = mine["views"]["as they are"]
    # The face of c.png is known nowhere: a false box, more than 0.1 a photo; its known face is nowhere found.
    assert {kind: figures["n"] for kind, figures in first.items()} == {"all": 3, "unmasked": 1, "masked": 2}
    assert {kind: figures["curve"][RATES.index(0.5)]["recall"] for kind, figures in first.items()} == {
        "all": pytest.approx(2 / 3, abs=1e-4),
        "unmasked": 1,
        "masked": 0.5,
    }
    assert first["all"]["recall_ahead"] == {"value": 0.0, "ci95": [0.0, 0.0]}
    assert "recall_ahead" not in theirs["views"]["as they are"]["all"]
    assert cv2.imread(str(report / "curves.png")).shape[1] > 600
    for word in ("unmasked", "masked", "other", "turned by 45°", "cut by the edge"):
        assert word in ended.out


def test_one_kind_alone_is_not_told_twice(affectstream, photos, tmp_path):
    shutil.copy2(photos / "a.png", tmp_path)
    (tmp_path / "boxes.json").write_text(json.dumps({"a.png": [{"box": FACE}]}))
    ended = affectstream("evaluate", "detector", tmp_path, "--quick")
    assert ended.code == 0, ended.err
    assert "1.000 (0.206 to 1.000)" in ended.out
    assert "faces " in ended.out
    assert ended.out.count("as they are") == 1


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (None, "boxes.json"),
        ("[", "not JSON"),
        ("[]", "a list of boxes for each file name"),
        ('{"gone.png": []}', "no such photo"),
        ('{"boxes.json": [{"box": [1, 2, 30, 40]}]}', "no picture"),
        ('{"a.png": [{"box": [1, 2, 3]}]}', "the boxes of 'a.png'"),
        ('{"a.png": [[1, 2, 3, 4]]}', "the boxes of 'a.png'"),
        ('{"a.png": [{"box": [30, 2, 3, 40]}]}', "empty"),
        ('{"a.png": [{"box": [1, 2, 30, NaN]}]}', "not finite"),
        ('{"a.png": [{"box": [1, 2, 11, 12]}]}', "no face of 16 px"),
    ],
)
def test_what_cannot_be_measured_on_is_named(affectstream, photos, tmp_path, lists, words):
    shutil.copy2(photos / "a.png", tmp_path)
    if lists is not None:
        (tmp_path / "boxes.json").write_text(lists)
    ended = affectstream("evaluate", "detector", tmp_path, "--quick")
    assert ended.code == 2
    assert words in ended.err
