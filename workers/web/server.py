"""Serves the application to browsers and monitors, from a thread of its own."""

import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, NamedTuple, Self

import uvicorn

from pipeline.errors import InputError
from workers.web.app import Board, build

log = logging.getLogger(__name__)

LEAVING: Final = 5
"""s for which to wait for open connections when it ends."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    """0 for any that is free."""

    @property
    def private(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Understand ``HOST:PORT``, or ``PORT`` alone for this machine only.

    Raises:
        InputError: it is neither.

    >>> parse_address("8080")
    Address(host='127.0.0.1', port=8080)
    >>> str(parse_address("[::1]:8080"))
    '[::1]:8080'
    """
    match = re.fullmatch(r"(?:(?P<host>[^\s:\[\]/]+|\[[0-9a-fA-F:.]+\]):)?(?P<port>\d{1,5})", text)
    if match is None or int(match["port"]) > 65535:
        raise InputError(
            f"cannot listen on {text!r}; give HOST:PORT, as 127.0.0.1:8080, or 0.0.0.0:8080 for every network, or PORT"
        )
    return Address((match["host"] or "127.0.0.1").strip("[]"), int(match["port"]))


class WebServer:
    """Listens from the beginning, so that an address that is taken is told at once; answers while ``serving``.

    Args:
        address: where to listen.
        names: other names under which it may be asked for, as a proxy before it passes them on.

    Attributes:
        url: of the page.

    Raises:
        InputError: it cannot listen there.
    """

    def __init__(self, address: Address, names: Sequence[str] = ()) -> None:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            self._socket = socket.create_server((address.host, address.port), family=family)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"cannot listen on {address}: {why}; give another address") from None
        self._address = Address(address.host, self._socket.getsockname()[1])
        own = (address.host, f"[{address.host}]", "localhost")
        self._hosts = (*names, *own) if address.private or names else ("*",)
        self.url = f"http://{self._address}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @contextmanager
    def serving(self, board: Board, redis: str | None) -> Iterator[None]:
        """Answer, from a thread of its own.

        Args:
            board: what is told of sources.
            redis: URL of the server that records are read from; None where nothing is published.
        """
        if not self._address.private:
            log.warning(
                "%s asks for no password: whoever reaches this port reads what is told of people; have a reverse proxy "
                "ask for one",
                self.url,
            )
        settings = uvicorn.Config(
            build(board, redis, self._hosts, lambda: server.should_exit),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LEAVING,
            # More connections at once than this are nobody looking at a page.
            limit_concurrency=200,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([self._socket],), name="web", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(LEAVING + 1)
