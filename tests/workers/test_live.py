import threading
import time
from collections import Counter

import pytest

from pipeline.errors import InputError, OutputError
from pipeline.ingest.connection_status import Phase
from pipeline.sink.occupancy import NAME, alone
from pipeline.tally import Count
from tests import video
from tests.rtsp import free_port
from tests.web import sends, web
from workers.config import load_config
from workers.engine import Engine
from workers.live import SILENT, Session, live_sources


def sources(*texts, **options):
    return live_sources(texts, load_config(None, options))


def test_the_command_line_wins_over_the_configuration():
    config = {"sources": ["rtsp://a/one", "rtsp://b/two"]}
    assert [source.id for source in sources(**config)] == ["a-one", "b-two"]
    assert [source.id for source in sources("http://c/three", **config)] == ["c-three"]


def test_a_source_may_have_a_name_and_settings_of_its_own():
    (door,) = sources(
        sources=[{"url": "rtsp://u:hunter2@a/one", "name": "Front Door", "ingest": {"fps": 5}}],
        ingest={"staleness": 0.2},
    )
    assert (door.id, door.settings.fps, door.settings.staleness) == ("front-door", 5.0, 0.2)
    assert "hunter2" not in repr(door)


@pytest.mark.parametrize(
    ("texts", "options", "words"),
    [
        ([], {}, "no source given"),
        (["ftp://a/b"], {}, "rtsp"),
        (["rtsp://a/b", "rtsp://a/b"], {}, "two sources have the id"),
        ([], {"sources": [{"url": "rtsp://a/b", "name": "door", "ingest": {"fps": -1}}]}, "source 'door'.*fps"),
        (
            [],
            {"sources": [{"url": "rtsp://a/b", "detector": {"nope": 1}}]},
            r"source 'rtsp://a/b': unknown setting 'detector\.nope'",
        ),
        (
            [],
            {"sources": [{"url": "rtsp://a/b", "name": "door", "detector": {"threshold": 0.9, "min_face": 40}}]},
            "source 'door': detector.threshold is one for all sources; .* min_face and max_side",
        ),
    ],
)
def test_what_is_wrong_is_named(texts, options, words):
    with pytest.raises(InputError, match=words):
        sources(*texts, **options)


def test_a_file_belongs_to_replay(tmp_path):
    clip = video.clip(tmp_path / "a.mp4", frames=2)
    with pytest.raises(InputError, match="affectstream replay"):
        sources(str(clip))


def test_no_two_sources_of_a_session_share_track_ids(tmp_path):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}})
    cameras = live_sources(["rtsp://127.0.0.1:1/one", "rtsp://127.0.0.1:1/two"], config)
    with Session(cameras, Engine.load(config), None) as session:
        runs = [reader.run for reader in session.readers]
        session.runner.stop()
        assert session.runner.wait(30)
    assert len(set(runs)) == 2  # ids of tracks are those of their run, and a number


def configured(tmp_path, **ingest):
    return load_config(None, {"out": tmp_path / "out", "redis": {"url": "none"}, "ingest": ingest})


def to_its_end(session, seconds=30):
    deadline = time.monotonic() + seconds
    while not session.wait(0.05):
        assert time.monotonic() < deadline, [reader.state for reader in session.readers]


def test_a_session_ends_with_the_last_source_that_gives_frames(tmp_path, caplog):
    """One that can never work is tried every 30 s, and keeps nobody waiting once the others have ended."""
    clip = video.clip(tmp_path / "a.mp4", frames=20, container_options={"movflags": "faststart"}).read_bytes()

    def answer(request):
        if request.path == "/a.mp4":
            sends(clip)(request)
        else:
            request.send_error(404)

    config = configured(tmp_path)
    with web(answer) as url:
        film, absent = cameras = live_sources([f"{url}/a.mp4", f"{url}/video"], config)
        with Session(cameras, Engine.load(config), None) as session:
            to_its_end(session)
    assert session.tally.of(film.id)[Count.FRAMES] == 20
    assert list(session.runner.failures) == [absent.id]
    assert "while others go on" in caplog.text


def test_a_session_waits_for_the_attempt_under_way_when_its_last_source_is_refused(tmp_path):
    """Cameras that start up together: one is about to be back, and the other answers 404 just then."""
    clip = video.clip(tmp_path / "a.mp4", frames=20, container_options={"movflags": "faststart"}).read_bytes()
    requests, again, go = Counter(), threading.Event(), threading.Event()

    def answer(request):
        requests[request.path] += 1
        if request.path == "/a.mp4" and requests[request.path] > 1:
            again.set()
            go.wait(20)
            sends(clip)(request)
            return
        if request.path != "/a.mp4":
            again.wait(20)
        request.send_error(404)

    config = configured(tmp_path, backoff=(0.05, 0.2), open_timeout=25)
    with web(answer) as url:
        film, absent = cameras = live_sources([f"{url}/a.mp4", f"{url}/video"], config)
        with Session(cameras, Engine.load(config), None) as session:
            deadline = time.monotonic() + 15
            while session.readers[1].state.phase is not Phase.WAITING:
                assert not session.wait(0.05)
                assert time.monotonic() < deadline
            for _ in range(4):
                session.wait(0.05)
            go.set()
            to_its_end(session)
    assert session.tally.of(film.id)[Count.FRAMES] == 20
    assert list(session.runner.failures) == [absent.id]


def test_hopeless_sources_end_a_session_though_one_of_them_is_always_just_being_tried(tmp_path):
    requests, changed = Counter(), threading.Condition()

    def answer(request):
        """Refuse when the other source was asked as often, or once more: attempts overlap for ever."""
        mine, other = request.path, "/b" if request.path == "/a" else "/a"
        with changed:
            requests[mine] += 1
            changed.notify_all()
            enough = requests[mine] + (mine == "/b")
            changed.wait_for(lambda: requests[other] >= enough, timeout=10)
        request.send_error(404)

    config = configured(tmp_path, backoff=(0.02, 0.05), open_timeout=60)
    with web(answer) as url:
        cameras = live_sources([f"{url}/a", f"{url}/b"], config)
        with Session(cameras, Engine.load(config), None) as session:
            to_its_end(session)
    assert sorted(session.runner.failures) == sorted(camera.id for camera in cameras)


def test_a_source_that_is_alone_is_not_tried_for_the_sake_of_others(tmp_path, caplog):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}})
    with web(lambda request: request.send_error(404)) as url:
        (camera,) = live_sources([f"{url}/video"], config)
        with Session([camera], Engine.load(config), None) as session:
            to_its_end(session)
    assert list(session.runner.failures) == [camera.id]
    assert caplog.text == ""


def test_a_session_that_is_broken_off_ends_its_workers_and_writes_nothing_afterwards(tmp_path):
    clip = video.clip(tmp_path / "a.mp4", frames=500, container_options={"movflags": "faststart"}).read_bytes()
    config = configured(tmp_path)

    def break_off(session):
        deadline = time.monotonic() + 30
        while not session.seen:
            assert time.monotonic() < deadline
            session.wait(0.01)
        raise KeyboardInterrupt

    with web(sends(clip)) as url:
        session = Session(live_sources([f"{url}/a.mp4"], config), Engine.load(config), None)
        with pytest.raises(KeyboardInterrupt), session:
            break_off(session)
        with alone(config.out):
            left = sorted(config.out.rglob("*"))
            assert session.runner.wait(30)  # and none of them failed
        assert sorted(config.out.rglob("*")) == [path for path in left if path.name != NAME]


def test_a_session_waits_for_whoever_erases_until_it_is_told_to_stop(tmp_path):
    config = configured(tmp_path)
    config.out.mkdir()
    asked = []

    def stopped():
        asked.append(1)
        return len(asked) > 2

    with alone(config.out), pytest.raises(OutputError, match="affectstream erase"):
        Session(live_sources(["rtsp://127.0.0.1:1/one"], config), Engine.load(config), None, stopped)
    assert len(asked) == 3


def test_a_session_that_hangs_says_so(tmp_path):
    config = load_config(None, {"out": tmp_path / "out"})
    away = live_sources([f"http://127.0.0.1:{free_port()}/cam.mjpg"], config)
    with Session(away, Engine.load(config), None) as session:
        session.wait(0.01)
        assert session.ailment() == ""
        session._waited -= SILENT
        assert session.ailment().startswith("nothing was done for")
        session.wait(0.01)
        assert session.ailment() == ""
        session.runner.stop()
        while not session.wait(0.2):
            pass
