import pytest

from tests import video
from tests.redis_server import Server, oldest
from workers.bus import keys
from workers.cli.pace import warn_of_gaps
from workers.config import load_config

BOTH = (
    "at 0.25 frames per second frames are 4 s apart: no face is followed or smoothed from one to the next; "
    "raise tracker.patience (3 s) and smoother.gap (1.5 s) above that"
)
SMOOTHED = (
    "at 0.4 frames per second frames are 2.5 s apart: no face is smoothed from one to the next; "
    "raise smoother.gap (1.5 s) above that"
)


@pytest.mark.parametrize(
    ("rates", "settings", "told"),
    [
        ([None], {}, []),
        ([], {}, []),
        ([1.0, 5.0], {}, []),
        ([0.5], {"smoother": {"gap": 2}}, []),  # as far apart as is waited for
        ([None, 0.4, 5.0], {}, [SMOOTHED]),
        ([0.4, 0.25], {}, [BOTH]),
        ([0.25], {"smoother": {"gap": 4}, "tracker": {"patience": 4}}, []),
    ],
)
def test_frames_too_far_apart_are_told_once_with_what_to_raise(caplog, rates, settings, told):
    warn_of_gaps(load_config(None, settings), rates)
    assert caplog.messages == told


def test_a_replay_tells_it(affectstream, tmp_path, caplog):
    clip = video.clip(tmp_path / "a.mp4")
    affectstream("replay", clip, "--out", tmp_path / "out", "--redis", "none", "--fps", 0.25)
    assert caplog.messages == [BOTH]


def test_a_run_tells_it_of_the_fps_of_one_source_alone(affectstream, tmp_path, caplog):
    config = tmp_path / "site.yaml"
    config.write_text("sources: [rtsp://127.0.0.1:1/a, {url: rtsp://127.0.0.1:1/b, ingest: {fps: 0.4}}]")
    affectstream("run", "-c", config, "--out", tmp_path / "out", "--redis", "none", "--duration", 0.1)
    assert caplog.messages.count(SMOOTHED) == 1


def test_who_adds_a_source_is_told(affectstream, tmp_path, caplog):
    with Server(tmp_path, oldest()) as server, server.client() as client:
        affectstream("sources", "add", "rtsp://door", "--fps", 0.25, "--redis", server.url)
        assert client.hexists(keys.SOURCES, "door")
    assert caplog.messages == [BOTH]
