"""``affectstream replay``: recorded videos."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import options, terminal

if TYPE_CHECKING:
    from workers.replay.executor import Executor


class Engines(StrEnum):
    """Where a replay is worked on."""

    LOCAL = "local"
    RAY = "ray"


def replay(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Video files, folders, or globs in quotes.")],
    out: options.Out = None,
    redis: options.Redis = None,
    fps: options.Fps = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=4096,
            help="Files, or parts of a long file, to work on side by side (default: 1; with Ray its CPUs).",
        ),
    ] = None,
    engine: Annotated[
        Engines, typer.Option("--engine", help="Where to work: in processes of this machine, or on a Ray cluster.")
    ] = Engines.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="ADDRESS",
            help="Ray cluster to join (default: $RAY_ADDRESS, else one is started on this machine).",
        ),
    ] = None,
    config: options.ConfigFile = None,
    detector: options.Detector = None,
    emotion: options.EmotionNetwork = None,
    min_face: options.MinFace = None,
    detect_every: options.DetectEvery = None,
    provider: options.Provider = None,
) -> None:
    """Replay recorded videos: every frame, no drops, the same rows every time.

    Files that are complete in --out are left alone, interrupted ones are completed. Ctrl-C ends cleanly.

    Examples:

      affectstream replay interview.mp4 --out results

      affectstream replay archive/ 'extra/*.mkv' --out results --fps 5 --jobs 4

      affectstream replay /shared/archive --out /shared/results --redis none --engine ray --ray-address auto
    """
    from contextlib import ExitStack

    from pipeline.errors import InputError
    from pipeline.ingest.source import expand
    from workers.cli.pace import warn_of_gaps
    from workers.cli.screen import Screen, banner
    from workers.config import load_config
    from workers.engine import Engine
    from workers.outputs import check_redis, redis_server
    from workers.replay.archive import replay_side_by_side
    from workers.replay.file import replay as one_by_one
    from workers.replay.processes import Processes
    from workers.replay.ray_cluster import RayCluster, everywhere
    from workers.replay.source_ids import as_known
    from workers.signals import stoppable

    if ray_address is not None and engine is not Engines.RAY:
        raise InputError(f"--ray-address {ray_address!r} is for --engine ray, which was not asked for")
    settings = load_config(
        config,
        options.settings(
            out=out,
            redis=redis,
            fps=fps,
            detector=detector,
            emotion=emotion,
            min_face=min_face,
            detect_every=detect_every,
            provider=provider,
        ),
    )
    if engine is Engines.RAY:
        settings = everywhere(settings)
    if settings.out.exists() and not settings.out.is_dir():  # or each of --jobs would find out for itself
        raise InputError(f"cannot write to {settings.out}: it is a file; choose another folder with --out")
    sources = expand(paths, ingest=settings.ingest, detector=settings.detector)
    warn_of_gaps(settings, [settings.ingest.fps])
    check_redis(settings)
    networks = Engine.load(settings)
    with terminal.console(stderr=True).status("looking for what is done"):  # may read all of new files
        sources = as_known(sources, settings.out, networks.run_of)
    screen = Screen(sources, settings.out)
    with ExitStack() as stack:
        stack.callback(screen.summary)  # last, and whatever happens
        stopped = stack.enter_context(stoppable())
        url = stack.enter_context(redis_server(settings))
        executor: Executor | None = None
        if engine is Engines.RAY:
            executor = stack.enter_context(RayCluster(ray_address, jobs))
        elif jobs is not None and jobs > 1:
            executor = stack.enter_context(Processes(jobs))
        banner(networks, url)
        stack.enter_context(screen)
        outcomes = (
            one_by_one(sources, networks, url, screen.report, stopped.is_set)
            if executor is None
            else replay_side_by_side(executor, networks, url, sources, screen.report, stopped.is_set)
        )
        for outcome in outcomes:
            screen.finish(outcome)
    if code := screen.code(stopped=stopped.is_set()):
        raise typer.Exit(code)
