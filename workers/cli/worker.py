"""``affectstream worker``: some of the stages, joined to the other processes by Redis Streams."""

from typing import Annotated

import typer

from workers.cli import options, terminal


def worker(
    stages: Annotated[
        str,
        typer.Argument(
            metavar="STAGES", help="ingest, tracker, inference, sink, or neighbours joined by +, as in ingest+tracker."
        ),
    ],
    redis: options.SharedRedis = None,
    out: options.Out = None,
    sources: Annotated[
        int | None,
        typer.Option("--sources", min=1, help="Sources that this process owns at most (default: its share)."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Say by the exit code, and if not why, whether all such workers of this user here are well."
        ),
    ] = False,
    config: options.ConfigFile = None,
    detector: options.Detector = None,
    emotion: options.EmotionNetwork = None,
    provider: options.Provider = None,
) -> None:
    """Run some of the stages; what comes before and after runs in other processes, on this machine or others.

    All share one Redis, and a list of sources kept there (see `affectstream sources`). Start as many of each as you
    like: inference shares the work face by face; ingest, tracker and sink share the sources among them, and when one
    dies another goes on where it was. Frames cross the network only between ingest and tracker, so keep these together.

    Examples:

      affectstream sources add rtsp://user:password@camera/stream --name door --redis redis://broker

      affectstream worker ingest+tracker --redis redis://broker

      affectstream worker inference --redis redis://broker

      affectstream worker sink --redis redis://broker --out results
    """
    import logging

    from rich.markup import escape

    from workers.cluster.pulse import Pulse, ailment
    from workers.config import load_config

    settings = load_config(
        config, options.settings(out=out, redis=redis, detector=detector, emotion=emotion, provider=provider)
    )
    if check:  # before the imports below, which cost more than a check every few seconds should
        why = ailment(stages, 3 * settings.bus.lease)
        if why:
            terminal.console(stderr=True).print(escape(why), soft_wrap=True)
        raise typer.Exit(1 if why else 0)

    from pipeline.connection import NEEDED, address, check_url
    from pipeline.errors import InputError
    from workers.cli.pace import warn_of_gaps
    from workers.cluster.layout import parse_layout
    from workers.cluster.node import Node
    from workers.engine import Engine
    from workers.outputs import OFF
    from workers.signals import stoppable

    layout = parse_layout(stages)
    url = settings.redis.url
    if url is None or url == OFF:
        raise InputError("workers meet in a Redis server; name it with --redis redis://HOST:PORT")
    check_url(url, NEEDED)
    logging.getLogger().setLevel(min(logging.getLogger().level, logging.INFO))
    warn_of_gaps(settings, [settings.ingest.fps])
    with stoppable() as stopped:
        node = Node(layout, url, Engine.load(settings), most=sources, pulse=Pulse(stages))
        terminal.console(stderr=True).print(
            f"{' + '.join(layout.stages)}, joined to the others by Redis at {address(url)}. Apparent expressions of "
            "those filmed are inferred; tell them. Ctrl-C ends after the step in hand.",
            soft_wrap=True,
        )
        node.run(stopped)
