from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.ingest.failures import traced, unexpected
from pipeline.ingest.source import parse_source, source_id
from pipeline.redaction import redact, shown

PIECES = ["hunter2", *"/?#@:%&=_'\"[]\\+; ä\t", "***", "%2F", "_a="]
SECRETS = st.lists(st.sampled_from(PIECES), max_size=6).map(lambda some: "".join([*some[:3], "hunter2", *some[3:]]))
"""Passwords with whatever is special in a URL or in a text."""


@pytest.mark.parametrize("login", ["", "me:", ":12/", ":p@", ":p@ss/", "me:p%2F", ":[", ":/@/", ":p\n"])
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "rtsp"])
def test_what_is_shown_of_a_url_is_the_same_whatever_the_login(scheme: str, login: str) -> None:
    assert shown(f"{scheme}://{login}hunter2@broker:7000/2") == f"{scheme}://***@broker:7000/2"


@pytest.mark.parametrize(
    "url", ["rtsp://me:p?hunter2@door/live", "rtsp://door/live?token=p@hunter2", "rtsp://door#@hunter2"]
)
def test_nothing_is_shown_where_an_at_may_be_of_the_password_or_of_the_query(url: str) -> None:
    assert shown(url) == "rtsp://***"
    assert redact(f"{url} is away") == "rtsp://*** is away"


@given(
    SECRETS,
    st.sampled_from(["{}@h/0", "me:{}@h/0", ":{}@h/0", "h/0?{}", "h/0?password={}", "h/0?db=1&password={}", "h/0#{}"]),
    st.sampled_from(["redis", "http"]),
    st.booleans(),
)
def test_no_place_of_a_url_shows_a_secret(secret: str, place: str, scheme: str, escaped: bool) -> None:
    assert "hunter2" not in shown(f"{scheme}://" + place.format(quote(secret, safe="") if escaped else secret))


@given(
    SECRETS,
    st.sampled_from(["me:{}@h/live", "h/live?token={}", "h/live#{}", "h/user=me_password={}_channel=1.sdp"]),
    st.booleans(),
)
def test_no_place_of_a_camera_s_url_is_told(secret: str, place: str, escaped: bool) -> None:
    in_path = "_password" in place  # where it ends there, only its escapes tell
    escapes = quote(secret, safe="" if escaped else "?#@:%'\"[]\\+ ä\t" if in_path else "".join(PIECES))
    url = "rtsp://" + place.format(escapes.replace("_", "%5F") if in_path else escapes)
    try:
        source = parse_source(url)
    except InputError as error:
        told = str(error)
    else:
        why = ValueError(f"{url!r} and {url}")
        told = f"{source!r} {source_id(url)} {unexpected(why, source)} {traced(why, source)}"
    assert "hunter2" not in told


def test_what_is_said_of_a_file_stays() -> None:
    assert redact("what? /a/b#1.mp4 is cut", "/a/b#1.mp4") == "what? /a/b#1.mp4 is cut"
    assert shown("/a/b#1.mp4") == "/a/b#1.mp4"


@pytest.mark.parametrize(
    ("url", "shows"),
    [
        ("rtsp://admin:1@10.0.0.11/", "rtsp://***@10.0.0.11/"),
        ("rtsp://live@10.0.0.11/live", "rtsp://***@10.0.0.11/live"),
        ("http://10.0.0.11/1?password=1", "http://10.0.0.11/1?***"),
    ],
)
def test_a_short_password_or_a_name_alone_leaves_the_rest_of_a_text_as_it_is(url: str, shows: str) -> None:
    text = "{} and {!r}: timed out after 10 s in /opt/delivery/v11.py"
    assert redact(text.format(url, url), url) == text.format(shows, shows)


@pytest.mark.parametrize("said", ["AUTH {}", "{} was refused", "'{}'", "a={}&b", "pass_{}_x", "({}).", "/{}/"])
@pytest.mark.parametrize("password", ["1", "hunter2", "%2Fhunter2", "a b", "=1"])
def test_a_password_that_is_a_word_is_hidden_wherever_it_stands(password: str, said: str) -> None:
    for written in (password, unquote(password)):
        assert redact(said.format(written), f"redis://:{password}@h") == said.format("***")


def test_a_password_that_begins_with_another_is_hidden_whole() -> None:
    assert redact("AUTH door-hunter2 or door", "redis://:door@h?password=door-hunter2") == "AUTH *** or ***"


def test_what_is_shown_of_a_url_may_be_chosen() -> None:
    url = "rtsp://10.0.0.1/hunter2/live"
    assert redact(f"{url}, {url!r}", url, "rtsp://10.0.0.1/${TOKEN}/live") == (
        "rtsp://10.0.0.1/${TOKEN}/live, 'rtsp://10.0.0.1/${TOKEN}/live'"
    )
