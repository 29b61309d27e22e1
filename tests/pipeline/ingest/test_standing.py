import time

import pytest

from pipeline.errors import SourceLost
from pipeline.ingest.source import parse_source
from pipeline.ingest.standing import Phase, Standing


def test_a_source_that_is_read_no_more_has_ended_whatever_its_thread_finds_out() -> None:
    standing = Standing(parse_source("rtsp://door.local/live"))
    standing.live()
    assert standing.phase is Phase.LIVE
    standing.ended = True
    standing.waits(SourceLost("it broke off"), time.monotonic())
    assert standing.phase is Phase.ENDED


def test_how_long_a_source_was_away_counts_from_its_last_frame(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing(parse_source("rtsp://door.local/live"))
    last = time.monotonic() - 600
    standing.waits(SourceLost("it broke off"), last)
    standing.waits(SourceLost("it refuses the connection"), last + 300)
    standing.live()
    assert caplog.messages[-1].startswith("door-local-live: back after 60")
