"""Why a source cannot be read, in words: lasting reasons told apart from passing ones."""

import logging
import socket
import traceback
from typing import Final
from urllib.parse import urlsplit

import av
import av.error

from pipeline.errors import AffectError, SourceError, SourceLost
from pipeline.ingest.source import Source
from pipeline.redaction import redact

logger = logging.getLogger(__name__)

_Reasons = tuple[tuple[type[Exception], str], ...]

_LASTING: Final[_Reasons] = (
    (av.error.HTTPUnauthorizedError, "asks for a user name and password (401); write //USER:PASSWORD@HOST in the URL"),
    (av.error.HTTPForbiddenError, "refuses access (403); check the user's rights"),
    (av.error.HTTPNotFoundError, "does not exist on that host (404); check the path"),
    (av.error.HTTPBadRequestError, "is not understood by that host (400); check the path"),
    (av.error.DecoderNotFoundError, "is in a format this FFmpeg cannot decode; convert it to H.264"),
    (av.error.ProtocolNotFoundError, "needs a protocol that this FFmpeg lacks"),
    (av.error.DemuxerNotFoundError, "needs a container format that this FFmpeg lacks"),
    (PermissionError, "may not be read: no permission"),
    (FileNotFoundError, "is not there"),
    (IsADirectoryError, "is a folder"),
)
_PASSING: Final[_Reasons] = (
    (av.error.ExitError, "does not answer in time"),
    (TimeoutError, "does not answer in time"),
    (ConnectionRefusedError, "refuses the connection: nothing listens there"),
    (ConnectionError, "broke the connection"),
    (av.error.EOFError, "ended"),
    (av.error.HTTPError, "answers with an error of its own"),
)


def explain(error: Exception, source: Source) -> SourceError:
    """Turn what FFmpeg or the system says into a lasting or a passing error without secrets."""
    shown = source.safe_url
    if reason := _reason(error, _LASTING):
        if isinstance(error, av.error.HTTPUnauthorizedError) and urlsplit(source.url).username is not None:
            reason = "refuses that user name or password (401); write @ : / # ? in them as %40 %3A %2F %23 %3F"
        return SourceError(f"{shown} {reason}")
    if not source.live:
        if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
            return SourceError(f"{shown} is not a video, or was cut off before its index; try to copy it again")
        return SourceError(f"{shown} cannot be read: {_words(error, source)}")
    if isinstance(error, av.error.InvalidDataError):
        return SourceError(f"{shown} is not a video stream; check the URL")
    host = urlsplit(source.url).hostname if "://" in source.url else None
    reason = _reason(error, _PASSING)
    if reason is None and host is not None and not _resolves(host):
        named = f"host {host!r}" if host in shown.lower() else "such host"  # what the environment holds is not told
        reason = f"cannot be reached: there is no {named}"
    return SourceLost(f"{shown} {reason or 'cannot be read: ' + _words(error, source)}")


def unexpected(error: Exception, source: Source) -> SourceError:
    """Turn an error that nobody foresaw into a lasting one of its source, lest it end all others; log its traceback."""
    logger.debug("%s: %s", source.id, traced(error, source))
    words = redact(f"{type(error).__name__}: {error}", source.url, source.safe_url).splitlines()[0]
    return SourceError(f"{source.safe_url} failed in a way that was not foreseen ({words}); please report it")


def traced(error: Exception, source: Source) -> str:
    """Return an error's traceback without secrets."""
    return redact("".join(traceback.format_exception(error)).rstrip(), source.url, source.safe_url)


class Unforeseen:
    """Tells the errors of one source that nobody foresaw in full, once for each place that they come from.

    Those made on purpose say themselves what is to be done, without a traceback.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._told: set[tuple[str, int | None]] = set()
        """File and line."""

    def tell(self, error: Exception) -> None:
        """Log an error with its traceback, unless one from the same place was."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        if (place.filename, place.lineno) not in self._told:
            self._told.add((place.filename, place.lineno))
            known = isinstance(error, AffectError)
            words = str(error) if known else f"an error that was not foreseen\n{traced(error, self._source)}"
            logger.error("%s: %s", self._source.id, words)


def _reason(error: Exception, reasons: _Reasons) -> str | None:
    return next((reason for kind, reason in reasons if isinstance(error, kind)), None)


def _words(error: Exception, source: Source) -> str:
    return redact(getattr(error, "strerror", None) or str(error), source.url, source.safe_url).strip().rstrip(".")


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
