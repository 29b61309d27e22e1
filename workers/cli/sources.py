"""``affectstream sources``: what workers read, changed while they run."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from workers.cli import options, terminal

log = logging.getLogger(__name__)

app = typer.Typer(no_args_is_help=True, help="List, add, change and take out the sources of running workers.")


@app.command("list")
def show(redis: options.SharedRedis = None) -> None:
    """Show every source of the workers, which stages work on it or why they cannot, and what was counted.

    What `affectstream run` watches is not among them.

    Example:

      affectstream sources list --redis redis://broker
    """
    from rich.markup import escape
    from rich.table import Table

    from workers.cluster.overview import overviews

    with _redis(redis) as client:
        found = overviews(client)
    if not found:
        terminal.console(stderr=True).print(
            "no sources; add one: affectstream sources add URL --name NAME (those of `run` are not listed)",
            soft_wrap=True,
        )
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("source", "from", "worked on by", "counted"):
        table.add_column(column, overflow="fold")
    for source in found:
        told = ", ".join(f"{number:,} {what}" for what, number in source.counts.items())
        works = "; ".join(text for text in (source.state, source.status.reason) if text)
        table.add_row(*(escape(text) for text in (source.source, source.read_from, works, told)))
    terminal.console().print(table)


@app.command("add")
def add(
    source: Annotated[
        str,
        typer.Argument(
            help="URL of a camera, or a file or webcam that the ingest workers have; NAME=URL is short for --name."
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Id of the source (default: made from it).")] = None,
    fps: options.Fps = None,
    min_face: options.MinFace = None,
    redis: options.SharedRedis = None,
) -> None:
    """Add a source, or change one: a run of another configuration ends and a new one begins.

    The id that is made from a source leaves out what follows a ? in its URL; where another source has it already, give
    a --name. A file that only the workers have is named by its whole path.

    Write ${CAMERA_NAME} where a secret belongs, and give CAMERA_NAME to the ingest workers' environment (a name that
    does not begin with CAMERA_ is refused); or the URL as it is, which whoever may read that Redis can then read too.

    Examples:

      affectstream sources add 'rtsp://${CAMERA_DOOR_USER}:${CAMERA_DOOR_PASSWORD}@10.0.0.8/h264' --name door --fps 10
    """
    from pydantic import SecretStr

    from pipeline.errors import InputError
    from workers.bus import keys
    from workers.cli.pace import warn_of_gaps
    from workers.cluster.registry import check_id, check_variables, is_of, stored
    from workers.config import SourceConfig, load_config, own_settings, typed

    given = typed(source)
    if name is not None and given.name not in (None, name):
        raise InputError(f"the source has two names, {given.name!r} and {name!r}; give it one")
    name = name or given.name
    url, made = _located(given.url.get_secret_value(), name)
    check_id(made)
    check_variables(made, url)
    settings: dict[str, Any] = {"ingest": {} if fps is None else {"fps": fps}}
    if min_face is not None:
        settings["detector"] = {"min_face": min_face}
    configured = SourceConfig(url=SecretStr(url), **settings)
    # What cannot be read is told here rather than in a worker's log.
    config = load_config(None, {})
    ingest, _ = own_settings(configured.model_copy(update={"name": made}), config)
    warn_of_gaps(config, [ingest.fps])
    text = stored(configured)
    with _redis(redis) as client:
        if name is None and not client.hsetnx(keys.SOURCES, made, text):
            there = client.hget(keys.SOURCES, made)
            if there is not None and not is_of(there.decode(errors="replace"), url):
                raise InputError(f"there is another source {made!r} already; give this one a --name")
        client.hset(keys.SOURCES, made, text)
    terminal.echo(made)


@app.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Ids, as `list` shows them.")],
    forget: Annotated[
        bool, typer.Option("--forget", help="Drop what is under way too, as when it is of another version.")
    ] = False,
    redis: options.SharedRedis = None,
) -> None:
    """Take sources out: what they showed so far is still written, then they are forgotten.

    With --forget they are forgotten at once, rows that are not in Parquet yet included, and may be added again to begin
    anew: the way on where workers refuse what is stored of a source.

    Example:

      affectstream sources remove door --redis redis://broker
    """
    from pipeline.errors import InputError
    from workers.bus import keys
    from workers.cluster import registry

    with _redis(redis) as client:
        for name in names:
            if not registry.is_known(client, name, under_way=forget):
                known = ", ".join(sorted(one.decode(errors="replace") for one in client.hkeys(keys.SOURCES))) or "none"
                raise InputError(f"there is no source {name!r}; there are: {known}")
        for name in names:
            (registry.forget if forget else registry.remove)(client, name)
            terminal.echo(name)


def _located(source: str, name: str | None) -> tuple[str, str]:
    """Return what is kept of a source as it is typed, and its name, or else the id that is made from it.

    Raises:
        InputError: no worker could read it.
    """
    from pathlib import Path

    from pipeline.errors import InputError
    from pipeline.ingest.source import name_id, parse_source
    from workers.config import variables, written_id

    if variables(source):
        return source, name or written_id(source)
    try:
        found = parse_source(source)
    except InputError as error:
        if "://" in source or os.path.isdir(source):  # noqa: PTH112 (that of a path fails where nobody may look)
            raise
        if not Path(source).is_absolute():
            raise InputError(f"{error}; name one that only the ingest workers have by its whole path") from None
        log.warning("%s on this machine; the ingest workers must have it", error)
        return source, name or name_id(Path(source).stem)
    if found.url.startswith("/dev/") and not Path(found.url).exists():
        log.warning("there is no webcam %s on this machine; the ingest workers must have it", found.url)
    return source if found.live else found.url, name or found.id


@contextmanager
def _redis(url: str | None) -> Iterator[Any]:
    """Give a client; what goes wrong with it is told in one line."""
    import redis

    from pipeline.connection import NEEDED, lazy_client, refusal

    url = options.shared_redis(url)
    # A full server can be read, and taken out of; whether it takes more is for what is asked to find.
    with lazy_client(url, NEEDED) as client:
        try:
            yield client
        except (redis.RedisError, OSError) as error:
            raise refusal(url, error, NEEDED) from None
