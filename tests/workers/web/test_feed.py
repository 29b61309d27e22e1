import asyncio
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redis_server import Server, newest
from workers.web import feed as feeds
from workers.web.feed import client, feed, number

EMOTIONS, EVENTS = "affect:emotions:door", "affect:events:door"


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, newest()) as running:
        yield running


def told(chunk):
    """Return what a message says."""
    text = chunk.decode()
    assert text.startswith("data: ")
    assert text.endswith("\n\n")
    return json.loads(text.removeprefix("data: "))


def follow(server, steps, *, source="door"):
    """Follow a feed: before each message but the first, do the next of ``steps``; give what the messages said."""

    async def following():
        left = list(steps)
        reader = client(server.url)
        said = []
        async for chunk in feed(reader, source, lambda: False):
            said.append(told(chunk))
            if not left:
                break
            left.pop(0)()
        await reader.aclose()
        return said

    return asyncio.run(following())


def test_news_come_as_numbers_and_text_and_nothing_twice(server):
    with server.client() as redis:
        redis.xadd(EMOTIONS, {"frame": 1})  # of before
        redis.xadd(EVENTS, {"event": "begin", "track": "r-1"})
        said = follow(
            server,
            [
                lambda: redis.xadd(EMOTIONS, {"frame": 2, "s_fear": "0.25", "track": "r-1", "time": "2026-05-01"}),
                lambda: redis.xadd(EVENTS, {"event": "end", "track": "r-1"}),
            ],
        )
    assert said == [
        {"records": [], "events": [{"event": "begin", "track": "r-1"}]},
        {"records": [{"frame": 2, "s_fear": 0.25, "track": "r-1", "time": "2026-05-01"}], "events": []},
        {"records": [], "events": [{"event": "end", "track": "r-1"}]},
    ]


def test_the_latest_events_of_before_come_first_the_oldest_of_them_first(server):
    with server.client() as redis:
        for frame in range(50):
            redis.xadd(EVENTS, {"frame": frame})
    (first,) = follow(server, [])
    assert [event["frame"] for event in first["events"]] == list(range(50 - feeds.RECENT, 50))


def test_a_source_that_is_not_yet_there_is_waited_for_with_signs_of_life(server, monkeypatch):
    monkeypatch.setattr(feeds, "BLOCK", 0.05)
    with server.client() as redis:
        said = follow(server, [lambda: None, lambda: redis.xadd(EMOTIONS, {"frame": 0})])
    assert said == [{"records": [], "events": []}, {}, {"records": [{"frame": 0}], "events": []}]


def test_who_falls_behind_goes_on_with_what_is_new(server, monkeypatch):
    monkeypatch.setattr(feeds, "MOST", 5)
    with server.client() as redis:

        def burst():
            for frame in range(20):
                redis.xadd(EMOTIONS, {"frame": frame})

        said = follow(server, [burst, lambda: redis.xadd(EMOTIONS, {"frame": 20})])
    assert [[record["frame"] for record in each["records"]] for each in said] == [[], [0, 1, 2, 3, 4], [20]]


def test_it_ends_where_redis_dies_and_where_it_is_closed(server):
    async def reading(closing):
        reader = client(server.url)
        said = [told(chunk) async for chunk in feed(reader, "door", closing)]
        await reader.aclose()
        return said

    assert len(asyncio.run(reading(lambda: True))) == 1
    server.kill()
    assert asyncio.run(reading(lambda: False)) == []


def test_a_time_out_in_the_url_and_bytes_that_are_no_text_end_nothing(server):
    server.url += "?socket_timeout=0.5"
    with server.client() as redis:
        said = follow(server, [lambda: None, lambda: redis.xadd(EVENTS, {"track": b"\xff"})])
    assert said[1:] == [{}, {"records": [], "events": [{"track": "\ufffd"}]}]


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_a_number_is_finite_or_none(text):
    value = number(text)
    assert value is None or math.isfinite(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_one_that_was_written(value):
    assert number(repr(value)) == value
