import time

import pytest

from pipeline.errors import SourceLost
from pipeline.ingest.connection_status import ConnectionStatus, Phase
from pipeline.ingest.source import parse_source


def test_a_source_that_is_read_no_more_has_ended_whatever_its_thread_finds_out() -> None:
    status = ConnectionStatus(parse_source("rtsp://door.local/live"))
    status.live()
    assert status.phase is Phase.LIVE
    status.ended = True
    status.waits(SourceLost("it broke off"), time.monotonic())
    assert status.phase is Phase.ENDED


def test_how_long_a_source_was_away_counts_from_its_last_frame(caplog: pytest.LogCaptureFixture) -> None:
    status = ConnectionStatus(parse_source("rtsp://door.local/live"))
    last = time.monotonic() - 600
    status.waits(SourceLost("it broke off"), last)
    status.waits(SourceLost("it refuses the connection"), last + 300)
    status.live()
    assert caplog.messages[-1].startswith("door-local-live: back after 60")
