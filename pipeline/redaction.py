"""Keeps passwords out of what people read: ids, logs and errors show ``***`` in their place."""

import re
from typing import Final
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

_Rules = tuple[tuple[re.Pattern[str], str], ...]
"""What is replaced by what, in this order."""

# Some cameras take their password in the path: /user=admin_password=secret_channel=1.sdp
_NAMES: Final = r"(?:user(?:name)?|login|pass(?:word|wd)?|pwd|token|secret|api_?key|auth|sig(?:nature)?)="
_FIELD: Final = rf"(?i)({_NAMES})" + r"[^{ends}]*?(?=_[a-z]+=|[{ends}]|\Z)"
_FIELD_OF_URL: Final = re.compile(_FIELD.format(ends="&;/"))

# An @ behind a ?, a # or such a name may be one of a password that holds them, or of what they begin: all may be
# secret. Otherwise a login goes up to the last @, for what may not stand in a password is hidden too where it does.
_URL: Final[_Rules] = (
    (re.compile(rf"(?i)(?<=://).*?(?:[?#]|{_NAMES}).*@.*", re.DOTALL), "***"),
    (re.compile(r"(?<=://).*@", re.DOTALL), "***@"),
    (re.compile(r"(://[^?#]*)[?#].*", re.DOTALL), r"\1?***"),
    (_FIELD_OF_URL, r"\1***"),
)
"""For a URL that is all there is."""

_TEXT: Final[_Rules] = (
    (re.compile(rf"(?i)(?<=://)\S*?(?:[?#]|{_NAMES})\S*@\S*"), "***"),
    (re.compile(r"(?<=://)\S*@"), "***@"),
    (re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*"), r"\1?***"),
    (re.compile(_FIELD.format(ends=r"\s&;/?'\"")), r"\1***"),
)
"""For URLs somewhere in a text: they end at a blank, and behind the login at a quotation mark."""


def split_url(url: str) -> SplitResult:
    """Take a URL apart; raises ``ValueError`` where it is none, or what is its host cannot be told.

    A ``/``, ``?`` or ``#`` in a password ends what ought to hold the host, and the ``@`` comes behind. The error may
    quote the password.
    """
    parts = urlsplit(url)
    parts.port  # noqa: B018 (raises where the port is not a number)
    host = parts.netloc.rpartition("@")[2]
    # A socket has no host, and its path may hold anything.
    if host if parts.scheme == "unix" else "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("not a URL")
    return parts


def shown(url: str) -> str:
    """Return a URL, sound or not, with ``***`` in the place of its login, its query and what may be a password.

    The number of a webcam and the path of a file have neither login nor query.

    >>> shown("redis://me:sec/ret@example.org/3?password=secret")
    'redis://***@example.org/3?***'
    >>> shown("rtsp://10.0.0.2/user=admin_password=pw_channel=1.sdp")
    'rtsp://10.0.0.2/user=***_password=***_channel=1.sdp'
    """
    return _replaced(url, _URL)


def bare(url: str) -> str:
    """Return the host and the path of a sound URL without what ``shown`` hides.

    >>> bare("rtsp://me:pw@10.0.0.2/user=admin_password=pw_channel=1.sdp?a=b")
    '10.0.0.2//_/_channel=1.sdp'
    """
    parts = split_url(url)
    return _FIELD_OF_URL.sub("/", parts.netloc.rpartition("@")[2] + parts.path)


def redact(text: str, url: str = "", safe_url: str | None = None) -> str:
    """Return a text with ``***`` in the place of logins, queries and what may be a password in every URL in it.

    Args:
        text: what somebody else wrote.
        url: a sound one, or the path of a file. Its passwords are hidden wherever else they stand as words of their
            own, as they are written there and as they are meant: within a longer word or number they tell nothing.
        safe_url: what that URL is shown as; None: as ``shown`` does.

    >>> redact("cannot open rtsp://me:pw@door.local/live?token=1: refused")
    'cannot open rtsp://***@door.local/live?*** refused'
    >>> redact("AUTH p/w was refused", "redis://:p%2Fw@example.org")
    'AUTH *** was refused'
    """
    if "://" in url:
        written = re.compile("|".join(re.escape(each) for each in (repr(url)[1:-1], url)))
        others = written.split(text)
        if secrets := sorted(_passwords(url), key=len, reverse=True):
            password = re.compile("|".join(_as_word(secret) for secret in secrets))
            others = [password.sub("***", other) for other in others]
        text = (shown(url) if safe_url is None else safe_url).join(others)
    return _replaced(text, _TEXT)


def _as_word(secret: str) -> str:
    """Return a pattern of what is not a piece of a longer word."""
    begin, end = ("(?<![^\\W_])" if secret[0].isalnum() else "", "(?![^\\W_])" if secret[-1].isalnum() else "")
    return begin + re.escape(secret) + end


def _replaced(text: str, rules: _Rules) -> str:
    for pattern, mark in rules:
        text = pattern.sub(mark, text)
    return text


def _passwords(url: str) -> set[str]:
    parts = urlsplit(url)
    # A name without a password may be a password without its colon.
    written = [parts.password or parts.username or ""]
    for option in parts.query.split("&"):
        name, _, value = option.partition("=")
        if "password" in unquote_plus(name):
            written.append(value)
    return {secret for each in written for secret in (each, unquote(each), unquote_plus(each)) if secret}
