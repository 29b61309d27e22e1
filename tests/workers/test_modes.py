"""Live and replay are one pipeline: with the same lag the same frames give the same rows."""

import pytest

from pipeline.ingest.file import FileReader
from pipeline.ingest.source import parse_source
from pipeline.sink.writer import Frontier
from pipeline.tally import Tally
from workers.config import load_config
from workers.engine import Engine
from workers.runner import Runner


class Kept:
    """Keeps rows."""

    def __init__(self):
        self.rows = []

    def frontier(self, source, run):
        return Frontier()

    def write(self, results):
        self.rows += results.emotions

    def tick(self):
        pass

    def close(self):
        pass


def rows(path, lag, *, live):
    engine = Engine.load(load_config(None, {"smoother": {"lag": lag}}))
    tally, kept = Tally(), Kept()
    reader = FileReader(parse_source(str(path)), "r1", tally)
    runner = Runner(engine, [reader], [kept], tally, live=live)
    runner.start()
    assert runner.wait(60)
    return kept.rows


@pytest.mark.parametrize("lag", [0.0, 1.0])
def test_live_and_replay_give_the_same_rows_where_they_smooth_alike(scene, lag):
    replay, live = rows(scene, lag, live=False), rows(scene, lag, live=True)

    assert len(replay) > 150
    assert [(row.stamp.frame, row.track, row.box) for row in live] == [
        (row.stamp.frame, row.track, row.box) for row in replay
    ]
    assert [row.raw for row in live] == [row.raw for row in replay]
    assert [(row.smoothed, row.uncertainty) for row in live] == [(row.smoothed, row.uncertainty) for row in replay]
