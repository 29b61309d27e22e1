"""A connection to Redis, and what its errors mean to the user."""

import re
import ssl
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import BrokerError, InputError
from pipeline.redaction import redact, split_url

TIMEOUT: Final = 5.0
"""s to wait for a connection, and for an answer."""

NAME: Final = "affectstream"
"""What connections call themselves in ``CLIENT LIST``."""

CHOICE: Final = "start it, check host and port, or use --redis none"
"""What to do about a server that does not answer, where one may do without."""

NEEDED: Final = "start it, or check host and port"
"""What to do about it where one may not."""

_ANY: Final = ("db", "username", "password", "client_name", "socket_timeout", "health_check_interval")
_TCP: Final = (*_ANY, "socket_connect_timeout", "socket_keepalive")
_TLS: Final = ("cert_reqs", "check_hostname", "ca_certs", "ca_path", "certfile", "keyfile", "password", "min_version")
OPTIONS: Final = {"redis": _TCP, "rediss": (*_TCP, *(f"ssl_{name}" for name in _TLS)), "unix": _ANY}
"""What may stand in the query of a URL, by its scheme; the client library's other arguments are no text."""

_PASSING: Final = re.compile(
    r"\b(OOM|READONLY|MISCONF|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|UNBLOCKED)\b"
)
"""Refusals that end without anybody changing what was asked."""

_DEMOTED: Final = re.compile(r"\b(READONLY|MASTERDOWN)\b")
"""What only a replica says."""

_CODES: Final[dict[type[redis.RedisError], str]] = {
    redis.OutOfMemoryError: "OOM",
    redis.ReadOnlyError: "READONLY",
    redis.BusyLoadingError: "LOADING",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.TryAgainError: "TRYAGAIN",
}
"""The server's own word for an error, which the client library takes off the message. Inside a script it stays."""

_WAYS_OUT: Final = {
    "WRONGPASS": "the name or password is wrong; give redis://NAME:PASSWORD@HOST:PORT, or set it in the environment",
    "NOAUTH": "it asks for a password; give redis://NAME:PASSWORD@HOST:PORT, or set it in the environment",
    "NOPERM": "this user may not do what is needed: client, set, eval, evalsha, script, xadd, xlen, xtrim, pexpire, "
    "hget, hset, hlen, hgetall, hdel and type on affect:*, and for workers apart all of ~affect:* +@read +@write "
    "+@scripting +@connection +time",
    "WRONGTYPE": "one of its affect:* keys holds something else; delete or rename that key, or take another database",
    "OOM": "it is out of memory (maxmemory); give it more, or shorten the streams with redis.length",
    "READONLY": "it is a read-only replica; name its master",
    "MISCONF": "it cannot save to its disk and takes no writes; free some space there",
    "LOADING": "it is still loading its data; try again in a while",
    "unknown command": "it lacks a command that is needed; Redis 6.2 or newer is",
}


def address(url: str) -> str:
    """Return ``host:port``, or the path of a socket, and nothing that could be secret.

    >>> address("rediss://me:secret@example.org/3")
    'example.org:6379'
    >>> address("unix:///tmp/redis.socket")
    '/tmp/redis.socket'
    """
    try:
        parts = split_url(url)
    except ValueError:
        return "the given URL"
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def lazy_client(url: str, advice: str = CHOICE) -> "redis.Redis":
    """Return a client that has asked nothing yet.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        advice: ``CHOICE`` where there might be no Redis instead.

    Raises:
        InputError: the URL cannot be used.
    """
    try:
        parts = split_url(url)
        if (known := OPTIONS.get(parts.scheme)) is None:
            instead = " (or be none for no Redis)" if advice == CHOICE else ""
            meant = f"; did you mean redis://{url}?" if re.fullmatch(r"[\w.-]+(:\d+)?", url) else ""
            raise InputError(f"the Redis URL must begin with redis://, rediss:// or unix://{instead}{meant}")
        options = parse_qsl(parts.query, keep_blank_values=True)
        for at, (name, value) in enumerate(options):
            if name not in known:
                # Without a value, or behind a password, it may be what an & cut off one.
                secret = not value or any("password" in before for before, _ in options[:at])
                raise InputError(
                    f"the Redis URL for {address(url)} has an unknown option{'' if secret else f' {name!r}'}; "
                    f"{parts.scheme}:// knows {', '.join(known)}"
                )
        client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            # Who retries must know that it does: see RedisWriter.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name=NAME,
        )
        client.connection_pool.connection_class = _leaving(client.connection_pool.connection_class)
    except ValueError:
        # The library's message may quote the URL, password included.
        raise InputError(
            "the Redis URL cannot be read; write redis://NAME:PASSWORD@HOST:PORT/DATABASE or unix:///PATH, and in name "
            "and password %40 for @, %2F for /, %3F for ?, %23 for # and %25 for %"
        ) from None
    return client


def check_url(url: str, advice: str = CHOICE) -> None:
    """Raise what ``lazy_client`` does."""
    lazy_client(url, advice).close()


def connect(url: str, *, patient: bool = False, advice: str = CHOICE) -> "redis.Redis":
    """Return a client that answers, and may write.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        patient: whether it is left to the caller to wait for a server that is not there or takes no writes for now.
        advice: what to do where nothing answers.

    Raises:
        InputError: the URL cannot be used.
        BrokerError: nothing answers there, or it is not a Redis, or does not let us write.
    """
    client = lazy_client(url, advice)
    try:
        # A replica and a full server answer a ping, but take no writes.
        client.set("affect:probe", 1, px=1)
    except (redis.RedisError, OSError) as error:
        if not patient or not is_passing(error) or _is_another_protocol(url, error):
            client.close()
            raise refusal(url, error, advice) from None
    return client


def _leaving(kind: Any) -> Any:
    """Return a class of connections like ``kind`` that end where a master became a replica.

    Its address may lead to the new master by now; a connection that stays would be told READONLY for ever.
    """

    class Leaving(kind):  # type: ignore[misc]
        def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                answer = super().read_response(*args, **options)
            except redis.ResponseError as error:
                if _DEMOTED.search(_text(error)) is None:
                    raise
                self.disconnect()
                # Not the answer to one request alone: whoever waits for those of others must not read on.
                raise redis.ConnectionError(_text(error)) from None
            within = answer if isinstance(answer, list) else ()  # a transaction
            if any(isinstance(one, redis.ResponseError) and _DEMOTED.search(_text(one)) for one in within):
                self.disconnect()
            return answer

    return Leaving


def is_passing(error: Exception) -> bool:
    """Return whether the same request may succeed later though nothing but the server changes."""
    if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError | redis.DataError):
        return False
    if isinstance(error, redis.ResponseError):
        return _PASSING.search(_text(error)) is not None
    return True


def _is_another_protocol(url: str, error: Exception) -> bool:
    """Return whether something answers that does not speak as the URL says: with or without TLS, or not a Redis."""
    strange = isinstance(error, redis.exceptions.InvalidResponse) or "Protocol Error" in str(error)
    # A Redis without TLS takes a greeting with TLS for the beginning of a line, and waits for its end.
    silent = urlsplit(url).scheme == "rediss" and isinstance(error, redis.TimeoutError)
    return strange or silent or any(isinstance(cause, ssl.SSLError) for cause in _chain(error))


def refusal(url: str, error: Exception, advice: str = CHOICE) -> BrokerError:
    """Return the error that tells what is wrong with the server at ``url``, and the way out; see ``explain``."""
    return BrokerError(f"Redis at {address(url)}: {explain(url, error, advice)}")


def explain(url: str, error: Exception, advice: str = CHOICE) -> str:
    """Return one line, without secrets, that says what an error of the client means.

    ``advice``: what to do where nothing answers; empty where that is not the user's to do.
    """
    lines = redact(_text(error), url).strip().splitlines() or ["no reason given"]
    text = lines[0].strip().rstrip(".")
    for word, way_out in _WAYS_OUT.items():
        if word in text:
            return f"{text}: {way_out}" if word in {"WRONGTYPE", "NOPERM", "unknown command"} else way_out
    if isinstance(error, redis.AuthenticationError):
        return _WAYS_OUT["NOAUTH" if "Authentication required" in text else "WRONGPASS"]
    if any(isinstance(cause, ssl.SSLError) for cause in _chain(error)):
        text = f"TLS failed ({text}); check its certificate, or take redis:// if it speaks without TLS"
    elif isinstance(error, redis.exceptions.InvalidResponse) or "Protocol Error" in text:
        text = "what answers there is not a Redis; check host and port"
    elif isinstance(error, redis.TimeoutError | TimeoutError):
        text = f"no answer within {TIMEOUT:.0f} s"
        if advice:
            text += "; check host and port, and that it is not stopped"
        if urlsplit(url).scheme == "rediss":
            text += " (or take redis:// if it speaks without TLS)"
    elif isinstance(error, redis.ConnectionError | OSError):
        text = f"cannot connect ({text})"
        if advice:
            text += f"; {advice}"
    return text


def _text(error: Exception) -> str:
    code = _CODES.get(type(error)) if isinstance(error, redis.RedisError) else None
    # Of a command that it does not know a server quotes the beginning: passwords, maybe cut short, and any words.
    text = str(error).partition(", with args beginning with")[0]
    return f"{code} {text}" if code else text


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
