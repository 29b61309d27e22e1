"""Ten minutes on a camera that dies every other minute.

python -m pytest tests/soak -m soak -s
"""

import resource
import time

import pandas as pd
import pytest

from pipeline.ingest.connection_status import Phase
from pipeline.tally import Count
from tests.rtsp import RtspServer, require
from workers.config import load_config
from workers.embedded import EmbeddedRedis
from workers.engine import Engine
from workers.live import Session, live_sources
from workers.scene import render

MINUTES = 10
AWAY = 10.0
"""s for which the camera stays dead."""


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.soak
def test_ten_minutes(tmp_path):
    require()
    clip = tmp_path / "scene.mp4"
    render(clip)
    config = load_config(None, {"out": tmp_path / "out", "parquet": {"part_seconds": 60}})
    engine = Engine.load(config)
    worst, peaks, deaths = 0.0, [], 0
    with RtspServer(clip) as server, EmbeddedRedis(config.out) as redis:
        sources = live_sources([server.url], config)
        with Session(sources, engine, redis.url) as session:
            (reader,) = session.readers
            begun = time.monotonic()
            next_death = begun + 60
            while time.monotonic() < begun + 60 * MINUTES:
                assert not session.wait(0.5)
                delay = session.runner.latency.of(reader.source.id)
                worst = max(worst, delay.worst if delay else 0.0)
                if time.monotonic() >= next_death:
                    peaks.append(memory())
                    server.kill()
                    assert not session.wait(AWAY)
                    assert reader.state.phase is Phase.WAITING
                    server.start()
                    deaths += 1
                    next_death += 120
            session.runner.stop()
            while not session.wait(0.1):
                pass
        counts = session.tally.of(reader.source.id)
    rows = pd.read_parquet(tmp_path / "out" / "emotions")
    print(
        f"\n{MINUTES} min, {deaths} deaths: {dict(counts)}; latency {delay}, worst ever {worst:.2f} s; "
        f"peak memory by minute {[round(peak) for peak in peaks]} MiB; {len(rows)} rows"
    )
    assert counts[Count.RECONNECTS] >= deaths
    assert counts[Count.UNPUBLISHED] == 0
    assert len(rows) == counts[Count.FACES]
    assert not rows.duplicated(["frame", "track"]).any()
    assert delay.median < config.ingest.staleness
    assert peaks[-1] < peaks[1] * 1.1
