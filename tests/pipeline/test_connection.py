from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from pipeline.connection import address, check_url, explain, is_passing, refusal
from pipeline.errors import InputError
from tests.pipeline.test_redaction import SECRETS


@pytest.mark.parametrize("login", ["", "me:", ":12/", ":p@", ":p@ss/", ":p?", ":p#", "me:p%2F", ":[", ":/@/"])
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
def test_addresses_hold_no_login(scheme: str, login: str) -> None:
    assert "hunter2" not in address(f"{scheme}://{login}hunter2@broker:7000/2")


def test_addresses_are_host_and_port() -> None:
    assert address("redis://:secret@[::1]:7000/2") == "::1:7000"
    assert address("redis://me:secret@broker") == "broker:6379"
    assert "secret" not in address("redis://me:secret/@broker:1")


PLACES = [
    "redis://me:{}@h/0",
    "redis://:{}@h/0",
    "redis://{}@h/0",
    "unix://:{}@/run/redis.socket?db=1",
    "redis://h/0?password={}",
    "redis://h/0?db=1&password={}&client_name=x",
    "rediss://h/0?ssl_password={}",
    "unix:///run/redis.socket?username=me&password={}",
    "redis://h/0?password=a&{}",
    "redis://h/0#{}",
]


@given(SECRETS, st.sampled_from(PLACES), st.booleans())
def test_no_place_of_a_url_is_told_in_an_error(secret: str, place: str, escaped: bool) -> None:
    url = place.format(quote(secret, safe="") if escaped else secret)
    assert "hunter2" not in address(url)
    try:
        check_url(url)
    except InputError as error:
        told = [str(error)]
    else:
        options = parse_url(url)
        sent = options.get("password") or options.get("ssl_password") or options.get("username", "")
        texts = (
            f"unknown command 'AUTH', with args beginning with: 'bob' '{sent[:-1]}",  # as Redis, cut short
            f"what is AUTH {sent}?",
            f"{sent} is no password",
            f"cannot open {url}: {url!r}",
        )
        kinds = (redis.ResponseError, redis.ConnectionError)
        told = [str(refusal(url, kind(text))) for kind in kinds for text in texts]
    assert "hunter2" not in "".join(told)


def test_what_a_server_quotes_of_a_command_decides_nothing() -> None:
    error = redis.ResponseError("unknown command 'AUTH', with args beginning with: 'LOADING' 'hunter2'")
    assert explain("redis://h", error).startswith("unknown command 'AUTH': it lacks a command")
    assert not is_passing(error)


def test_an_unknown_option_is_named_unless_it_may_be_a_piece_of_a_password() -> None:
    with pytest.raises(InputError, match="unknown option 'foo'; redis:// knows db,"):
        check_url("redis://h?foo=1&password=secret")
    with pytest.raises(InputError, match="unknown option; redis:// knows db,"):
        check_url("redis://h?password=a&hunter2=")
