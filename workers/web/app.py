"""What can be asked for: the page, the sources, the live records of one, metrics, health."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import AffectError
from pipeline.labels import LABELS
from workers.status import SourceStatus
from workers.web import metrics
from workers.web.address import Names
from workers.web.feed import client, feed

STATIC: Final = Path(__file__).with_name("static")

HEADERS: Final = {
    # Nothing of the page comes from elsewhere, and nobody may frame it.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # What is told of people is kept by no cache.
    "Cache-Control": "no-store",
}


class Board(Protocol):
    """Knows how sources are doing."""

    def statuses(self) -> Sequence[SourceStatus]:
        """Return the status of every source; may wait for a server.

        Raises:
            AffectError: it cannot be had.
        """
        ...

    def ailment(self) -> str:
        """Say what is wrong with what is watched, beside what ails a source; empty where nothing is."""
        ...


class _Headers:
    """Adds ``HEADERS`` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


class _Asked:
    """Answers only who asks for a name of this server."""

    def __init__(self, app: ASGIApp, names: Names) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and not self._names.allow(host := Headers(scope=scope).get("host", "")):
            why = f"not known as {host!r} here; give that name: web.names in the configuration, or serve --name\n"
            app = PlainTextResponse(why, status_code=400)
        await app(scope, receive, send)


def build(board: Board, redis: str | None, names: Names, closing: Callable[[], bool]) -> Starlette:
    """Make the application.

    Args:
        board: what is told of sources.
        redis: URL of the server that records are read from; None where nothing is published.
        names: under which it may be asked for.
        closing: whether feeds shall end.
    """
    reader: Any = None if redis is None else client(redis)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if reader is not None:
            await reader.aclose()

    async def statuses() -> Sequence[SourceStatus]:
        return await run_in_threadpool(board.statuses)

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def sources(_: Request) -> Response:
        told = [_described(status) for status in await statuses()]
        return JSONResponse({"labels": LABELS, "published": redis is not None, "sources": told})

    async def live(request: Request) -> Response:
        if reader is None:
            return JSONResponse({"error": "nothing is published: Redis is turned off"}, status_code=404)
        return StreamingResponse(
            feed(reader, request.path_params["source"], closing),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},  # else nginx gathers messages before it passes them on
        )

    async def exposed(_: Request) -> Response:
        return Response(metrics.exposition(await statuses()), media_type=metrics.CONTENT_TYPE)

    async def health(_: Request) -> Response:
        why = await run_in_threadpool(board.ailment)
        return PlainTextResponse(f"{why or 'well'}\n", status_code=503 if why else 200)

    async def away(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=503)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/sources", sources),
            Route("/api/live/{source}", live),
            Route("/metrics", exposed),
            Route("/healthz", health),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(_Headers), Middleware(_Asked, names)],
        exception_handlers={AffectError: away},
        lifespan=lifespan,
    )


def _described(status: SourceStatus) -> dict[str, Any]:
    delay = status.delay
    return {
        "source": status.source,
        "state": status.state,
        "up": status.up,
        "reason": status.reason,
        "from": status.read_from,
        "fps": status.fps,
        "counts": {count.value: number for count, number in status.counts.items()},
        "latency": None if delay is None else {"median": delay.median, "worst": delay.worst},
    }
