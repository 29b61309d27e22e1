import itertools
import logging

import pytest
import redis

from pipeline.connection import NEEDED
from pipeline.outage import Outage

URL = "redis://:hunter2@h:1"
ERROR = redis.ConnectionError("no AUTH hunter2")


def test_it_is_said_once_that_a_server_is_away_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(URL, NEEDED)
    for _ in range(2):  # times
        outage.begin(ERROR)
        outage.begin(ERROR, "keeping what comes")
        outage.end()
        outage.begin(ERROR)
        outage.end("; nothing was lost")
        outage.end("; all is well")
    assert [record.getMessage() for record in caplog.records] == [
        f"Redis at h:1: cannot connect (no AUTH ***); {NEEDED}; waiting for it",
        "Redis at h:1 is back; all is well",
    ] * 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_who_gives_up_does_not_say_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(URL, "")
    outage.begin(ERROR, "keeping what comes")
    outage.end(None)
    assert caplog.messages == ["Redis at h:1: cannot connect (no AUTH ***); keeping what comes"]


def test_waits_grow_to_a_limit_and_begin_anew_with_each_outage() -> None:
    outage = Outage(URL, NEEDED)
    for _ in range(2):
        assert list(itertools.islice(outage.begin(ERROR), 7)) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3, 3])
        outage.end()
