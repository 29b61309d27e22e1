"""``affectstream serve``: a page, metrics and health of what a Redis knows."""

from typing import Annotated

import typer

from workers.cli import options, terminal


def serve(
    redis: options.SharedRedis = None,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="[HOST:]PORT", help="Where to; PORT alone: to this machine only."),
    ] = "127.0.0.1:8080",
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name under which a proxy asks for it, where it passes that on; may be repeated."),
    ] = None,
) -> None:
    """Serve a live page for browsers, metrics for Prometheus (/metrics) and health (/healthz) of what a Redis knows.

    Sources are those of `affectstream worker`, and what `affectstream run` publishes (`run --listen` serves its own).
    It only reads: stop and start it at any time.

    Examples:

      affectstream serve --redis redis://broker

      affectstream serve --redis redis://broker --listen 0.0.0.0:8080
    """
    from workers.signals import stoppable
    from workers.web.address import parse_address
    from workers.web.board import RedisBoard
    from workers.web.server import WebServer

    url = options.shared_redis(redis)
    with (
        WebServer(parse_address(listen), name or ()) as web,
        stoppable() as stopped,
        web.serving(RedisBoard(url), url),
    ):
        terminal.console(stderr=True).print(
            f"live page: {web.url}, metrics: {web.url}/metrics; Ctrl-C ends", soft_wrap=True
        )
        stopped.wait()
