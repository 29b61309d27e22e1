"""Serves the application to browsers and monitors, from a thread of its own."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.errors import InputError
from workers.web.address import Address, Names
from workers.web.app import Board, build

log = logging.getLogger(__name__)

MOST: Final = 200
"""Connections at once; a page has one, and now and then another."""
LEAVING: Final = 5
"""s for which to wait for open connections when it ends."""


class _Limited(H11Protocol):
    """Closes what connects beyond ``MOST``: files that the pipeline needs must not go to whoever only connects."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.close()


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
        self._names = Names((address.host, *names))
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
            build(board, redis, self._names, lambda: server.should_exit),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LEAVING,
            http=_Limited,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([self._socket],), name="web", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(LEAVING + 1)
