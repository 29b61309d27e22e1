"""``affectstream run``: live sources, until stopped."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import options, terminal

if TYPE_CHECKING:
    from pipeline.ingest.source import Source
    from workers.config import Config
    from workers.web.server import WebServer


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]SOURCE",
            help="rtsp(s):// or http(s):// URL, webcam number, or /dev/video0; NAME: its id (default: made from it).",
        ),
    ] = None,
    out: options.Out = None,
    redis: options.Redis = None,
    listen: options.Listen = None,
    fps: options.Fps = None,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0, help="Seconds after which to stop (default: never).")
    ] = None,
    config: options.ConfigFile = None,
    detector: options.Detector = None,
    emotion: options.EmotionNetwork = None,
    min_face: options.MinFace = None,
    detect_every: options.DetectEvery = None,
    provider: options.Provider = None,
) -> None:
    """Watch live sources until Ctrl-C: never behind by more than half a second, back again whenever one breaks off.

    Frames that would come too late are dropped and counted. Without SOURCE, the sources of --config are watched. Each
    ${NAME} in a URL is looked up in the environment. Ends with 1 if a source failed, or none ever gave a frame.

    Examples:

      affectstream run door=rtsp://user:password@camera/stream --out results

      affectstream run 0 http://10.0.0.7/video.mjpg --fps 10 --redis redis://localhost

      affectstream run --config site.yaml

      affectstream run 0 --listen 8080    # and look at http://127.0.0.1:8080
    """
    import math
    import time

    from workers.cli.pace import warn_of_gaps
    from workers.cli.screen import banner
    from workers.cli.watch import Watch
    from workers.config import load_config
    from workers.engine import Engine
    from workers.live import Session, live_sources
    from workers.outputs import check_redis, redis_server
    from workers.signals import stoppable

    settings = load_config(
        config,
        options.settings(
            out=out,
            redis=redis,
            listen=listen,
            fps=fps,
            detector=detector,
            emotion=emotion,
            min_face=min_face,
            detect_every=detect_every,
            provider=provider,
        ),
    )
    chosen = live_sources(sources or [], settings)
    warn_of_gaps(settings, [source.settings.fps for source in chosen])
    check_redis(settings)
    engine = Engine.load(settings)
    with (
        _listening(settings) as web,
        stoppable() as stopped,
        _kept_if_used(settings.out),
        redis_server(settings) as url,
    ):
        banner(engine, url)
        _announce(chosen, settings.out, url, web)
        deadline = math.inf if duration is None else time.monotonic() + duration

        def over() -> bool:
            return stopped.is_set() or time.monotonic() >= deadline

        with (
            Session(chosen, engine, url, over) as session,
            web.serving(session, url) if web else nullcontext(),
            Watch(session) as watch,
        ):
            while not session.wait(0.2):
                if over():
                    session.runner.stop()
                watch.refresh()
        watch.summary()
    if session.runner.failures or not session.seen:
        raise typer.Exit(1)


@contextmanager
def _kept_if_used(out: Path) -> Iterator[None]:
    """Take the folder away again, and those above that were made with it, where nothing lies in it at the end."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # from the first on that holds something, such as what Redis has left
            for folder in made:
                folder.rmdir()


@contextmanager
def _listening(settings: "Config") -> "Iterator[WebServer | None]":
    """Listen where the page, metrics and health are to be had; None for nowhere."""
    if settings.web.listen is None:
        yield None
        return
    from workers.web.address import parse_address
    from workers.web.server import WebServer

    with WebServer(parse_address(settings.web.listen), settings.web.names) as web:
        yield web


def _announce(sources: "list[Source]", out: Path, redis: str | None, web: "WebServer | None") -> None:
    """Say under which id each source can be found, and where the page is."""
    from rich.markup import escape

    from pipeline.sink import keys

    console = terminal.console(stderr=True)
    for source in sources:
        found = f"{out}/emotions/source={source.id}" if redis is None else keys.emotions(source.id)
        console.print(
            f"[bold]{source.id}[/bold] -> {escape(found)} [dim]from {escape(source.safe_url)}[/dim]", soft_wrap=True
        )
    if web is not None:
        console.print(f"live page: {web.url}, metrics: {web.url}/metrics", soft_wrap=True)
