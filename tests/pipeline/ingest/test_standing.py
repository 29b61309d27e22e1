from pipeline.errors import SourceLost
from pipeline.ingest.source import parse_source
from pipeline.ingest.standing import Phase, Standing


def test_a_source_that_is_read_no_more_has_ended_whatever_its_thread_finds_out() -> None:
    standing = Standing(parse_source("rtsp://door.local/live"))
    standing.live()
    assert standing.phase is Phase.LIVE
    standing.ended = True
    standing.waits(SourceLost("it broke off"))
    assert standing.phase is Phase.ENDED
