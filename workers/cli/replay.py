"""``affectstream replay``: recorded videos."""

from typing import Annotated

import typer

from workers.cli import options


def replay(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Video files, folders, or globs in quotes.")],
    out: options.Out = None,
    redis: options.Redis = None,
    fps: options.Fps = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Files to read side by side.")] = 1,
    config: options.ConfigFile = None,
    detector: options.Detector = None,
    emotion: options.EmotionNetwork = None,
    min_face: options.MinFace = None,
    provider: options.Provider = None,
) -> None:
    """Replay recorded videos: every frame, no drops, the same rows every time.

    Files that are complete in --out are left alone, interrupted ones are completed. Ctrl-C ends cleanly.

    Examples:

      affectstream replay interview.mp4 --out results

      affectstream replay archive/ 'extra/*.mkv' --out results --fps 5 --jobs 4
    """
    from pipeline.ingest.source import expand
    from workers.cli.screen import Screen, banner
    from workers.config import load_config
    from workers.engine import Engine
    from workers.outputs import redis_server
    from workers.replay import Status, replay_side_by_side
    from workers.replay import replay as one_by_one
    from workers.signals import stoppable

    settings = load_config(
        config,
        options.settings(
            out=out, redis=redis, fps=fps, detector=detector, emotion=emotion, min_face=min_face, provider=provider
        ),
    )
    sources = expand(paths, ingest=settings.ingest, detector=settings.detector)
    engine = Engine.load(settings)
    with stoppable() as stopped, redis_server(settings) as url:
        banner(engine, settings, url)
        with Screen(sources, settings.out) as screen:
            outcomes = (
                one_by_one(sources, engine, settings, url, screen.report, stopped.is_set)
                if jobs == 1
                else replay_side_by_side(sources, settings, url, jobs, screen.report, stopped.is_set)
            )
            for outcome in outcomes:
                screen.finish(outcome)
        screen.summary()
    if stopped.is_set():
        raise typer.Exit(130)
    if any(outcome.status is Status.FAILED for outcome in screen.outcomes):
        raise typer.Exit(1)
