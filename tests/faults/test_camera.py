"""A camera that dies and comes back, through the whole pipeline."""

import time

import pandas as pd
import pytest

from pipeline.ingest.live import Phase
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
    with Session(sources, Engine.load(config), config, None) as session:
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


def test_a_camera_that_will_never_work_is_told_while_the_others_go_on(server, tmp_path, caplog):
    config = load_config(None, {"out": tmp_path, "redis": {"url": "none"}})
    sources = live_sources([server.url, server.url.replace("live", "other")], config)
    with Session(sources, Engine.load(config), config, None) as session, Watch(session) as watch:
        until(session, lambda: session.runner.failures and session.tally.of(sources[0].id)[Count.FACES] >= 5)
        watch.refresh()
        watch.refresh()
        (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert told.startswith(sources[1].id)
        assert "404" in told
        session.runner.stop()
        while not session.wait(0.05):
            pass
