"""A camera that dies and comes back, through the whole pipeline."""

import time

import pandas as pd
import pytest

from pipeline.ingest.connection_status import Phase
from pipeline.tally import Count
from tests.rtsp import RtspServer, require
from workers.cli.watch import Watch
from workers.config import load_config
from workers.engine import Engine
from workers.live import Session, live_sources
from workers.scene import render

AWAY = 1.0
"""s for which the camera stays dead."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    require()
    clip = tmp_path_factory.mktemp("camera") / "scene.mp4"
    render(clip, seconds=4)
    with RtspServer(clip) as started:
        yield started


def until(session, condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, session.readers[0].state
        assert not session.wait(0.05)


def test_the_pipeline_goes_on_when_the_camera_comes_back(server, tmp_path):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}, "ingest": {"backoff": (0.2, 1.0)}})
    sources = live_sources([server.url], config)
    with Session(sources, Engine.load(config), None) as session:
        (reader,) = session.readers
        name = reader.source.id

        def seen():
            return session.tally.of(name)[Count.FACES]

        until(session, lambda: seen() >= 30)
        server.kill()
        until(session, lambda: reader.state.phase is Phase.WAITING)
        before = seen()
        time.sleep(AWAY)
        server.start()
        until(session, lambda: seen() >= before + 30)
        session.runner.stop()
        while not session.wait(0.05):
            pass
    assert session.tally.of(name)[Count.RECONNECTS] >= 1
    assert reader.state.phase is Phase.ENDED

    rows = pd.read_parquet(tmp_path / "emotions")
    assert rows["source"].unique().tolist() == [name]
    assert rows["run"].nunique() == 1
    first = rows.drop_duplicates("frame")
    assert first["frame"].is_monotonic_increasing
    assert first["pts"].is_monotonic_increasing
    assert first["pts"].diff().max() > AWAY
    assert session.runner.latency.of(name).median < config.ingest.staleness


def test_what_cannot_be_read_at_the_start_is_told_and_keeps_nobody_from_the_others(server, tmp_path, caplog):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}, "ingest": {"backoff": (0.1, 0.2)}})
    wrong = server.url.replace("live", "other")
    good, bad, absent = sources = live_sources([server.url, wrong, "/dev/video987"], config)
    with Session(sources, Engine.load(config), None) as session, Watch(session) as watch:
        until(session, lambda: session.tally.of(good.id)[Count.FACES] >= 5 and len(caplog.records) >= 2)
        watch.refresh()
        session.runner.stop()
        while not session.wait(0.05):
            watch.refresh()
    assert {(record.levelname, record.args[0]) for record in caplog.records} == {
        ("ERROR", bad.id),
        ("WARNING", absent.id),
    }
    assert len(caplog.records) == 2
    assert "(404)" in caplog.text
    assert "/dev/video987 is not there" in caplog.text
    assert list(session.runner.failures) == [bad.id]  # it could never work, and so the command fails


def test_a_run_ends_when_none_of_its_cameras_can_ever_work(server, tmp_path):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}})
    sources = live_sources([server.url.replace("live", path) for path in ("one", "two")], config)
    with Session(sources, Engine.load(config), None) as session:
        deadline = time.monotonic() + 20
        while not session.wait(0.05):
            assert time.monotonic() < deadline
    assert set(session.runner.failures) == {source.id for source in sources}
