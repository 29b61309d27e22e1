"""``affectstream demo``: everything once, on a clip that is rendered on the spot."""

import typer

from workers.cli import options, terminal


def demo(out: options.Out = None, redis: options.Redis = None) -> None:
    """Run everything on a bundled clip and show what came out, where it is, and how to read it.

    Needs no camera, no server and no download: the clip is rendered from a public-domain portrait.

    Example:

      affectstream demo --out results
    """
    from pipeline.ingest.source import parse_source
    from workers.cli.reading import how_to_read
    from workers.cli.screen import Screen, banner, strips
    from workers.config import load_config
    from workers.engine import Engine
    from workers.outputs import redis_server
    from workers.replay.file import replay
    from workers.scene import render
    from workers.signals import stoppable

    settings = load_config(None, options.settings(out=out, redis=redis))
    engine = Engine.load(settings)
    clip = settings.out / "demo.mp4"
    console = terminal.console()
    with stoppable() as stopped, redis_server(settings) as url:
        banner(engine, url)
        if not clip.exists():
            with console.status("rendering the clip"):
                render(clip)
        source = parse_source(str(clip), ingest=settings.ingest, detector=settings.detector)
        with Screen([source], settings.out) as screen:
            for outcome in replay([source], engine, url, screen.report, stopped.is_set):
                screen.finish(outcome)
        screen.summary()
        if code := screen.code(stopped=stopped.is_set()):
            raise typer.Exit(code)
        strips(console, settings.out, outcome)
        how_to_read(console, settings.out, source.id, url, embedded=settings.redis.url is None)
