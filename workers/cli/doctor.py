"""``affectstream doctor``: what this machine has, and what a source is."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import options, terminal

if TYPE_CHECKING:
    from pipeline.errors import InputError
    from pipeline.ingest.source import Source
    from workers.config import SourceConfig

CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mjpeg", "mpeg1video", "prores")
"""Decoders that cameras and archives ask for."""


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE", help="A file, URL or webcam to look at as well (default: the sources of --config)."
        ),
    ] = None,
    out: options.Out = None,
    redis: options.Redis = None,
    config: options.ConfigFile = None,
) -> None:
    """Say in plain words what this machine has, and what a source is.

    Looks at codecs, execution providers, Redis, the networks with their hashes, and the folder for Parquet; of a source
    at codec, size, real frame rate, rotation and time stamps. Ends with 1 if anything is broken.

    Examples:

      affectstream doctor rtsp://user:password@camera/stream

      affectstream doctor --config site.yaml --out results
    """
    from rich.markup import escape

    from pipeline.errors import AffectError, InputError
    from workers.config import configured, load_config
    from workers.live import live_source

    console = terminal.console()
    settings = load_config(config, options.settings(out=out, redis=redis))
    found: list[Source] = []
    looks: list[tuple[str, Callable[[], Iterable[str]]]] = []
    if source is not None:
        one = configured(source, settings)
        looks.append((one.safe_url, partial(_source, one)))
    for each in () if source is not None else settings.sources:
        try:
            one = live_source(each, settings)
        except InputError as error:  # the rest is told all the same
            looks.append((_title(each), partial(_unusable, error)))
        else:
            found.append(one)
            looks.append((f"{one.id}: {one.safe_url}", partial(_source, one)))
    console.print("[bold]This machine[/bold]")

    def told(check: Callable[[], Iterable[str]]) -> bool:
        try:
            for line in check():
                console.print(f"  {escape(line)}", soft_wrap=True)
        except AffectError as error:
            console.print(f"  [red]broken:[/red] {escape(str(error))}", soft_wrap=True)
            return False
        return True

    checks = (
        _software,
        _codecs,
        _providers,
        _networks,
        partial(_redis, settings.redis.url),
        partial(_out, settings.out),
        partial(_ids, found),
    )
    whole = [told(check) for check in checks]
    for title, look in looks:
        console.print(f"\n[bold]{escape(title)}[/bold]")
        with console.status("looking"):
            whole.append(told(look))
    if not all(whole):
        raise typer.Exit(1)


def _software() -> Iterator[str]:
    import os
    import platform
    from importlib.metadata import version

    yield f"affectstream {version('affectstream')}, Python {platform.python_version()}, {platform.platform()}"
    yield f"{os.cpu_count()} cores"


def _codecs() -> Iterator[str]:
    import av

    have = [name for name in CODECS if name in av.codecs_available]
    missing = sorted(set(CODECS) - set(have))
    lacks = f"; not: {', '.join(missing)}" if missing else ""
    yield f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info} decodes {', '.join(have)}{lacks}"


def _providers() -> Iterator[str]:
    import onnxruntime

    yield f"ONNX Runtime {onnxruntime.__version__} runs on {', '.join(onnxruntime.get_available_providers())}"


def _networks() -> Iterator[str]:
    from pipeline.card import all_shipped, read_card
    from pipeline.errors import ModelError
    from pipeline.onnx import file_hash, open_session
    from pipeline.settings import RuntimeSettings

    for path in all_shipped():
        open_session(path, RuntimeSettings())
        card, digest = read_card(path), file_hash(path)
        if digest != card.sha256:
            raise ModelError(f"{path.name} is not the file that its card describes; install affectstream again")
        yield f"{card.name} {card.version} opens, and its SHA-256 {digest[:12]}… is that of its card"


def _redis(url: str | None) -> Iterator[str]:
    import tempfile

    from pipeline.connection import address, connect
    from workers.embedded import EmbeddedRedis
    from workers.outputs import OFF

    if url == OFF:
        yield "Redis is turned off"
    elif url is not None:
        with connect(url) as client:
            yield f"{_version(client)} answers at {address(url)}"
    else:
        with (
            tempfile.TemporaryDirectory() as folder,
            EmbeddedRedis(Path(folder)) as server,
            connect(server.url) as client,
        ):
            yield f"{_version(client)} starts as an embedded server"


def _out(out: Path) -> Iterator[str]:
    import shutil
    import tempfile

    from pipeline.durable import unusable

    try:
        there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        raise unusable(out, error) from error
    yield f"Parquet can be written to {out}, where {free / 1e9:,.1f} GB are free"


def _ids(sources: "list[Source]") -> list[str]:
    from workers.live import check_ids

    check_ids(sources)
    return []


def _title(source: "SourceConfig | str") -> str:
    """Return what tells a source that cannot be used from others."""
    from pipeline.redaction import shown
    from workers.config import typed

    described = typed(source) if isinstance(source, str) else source
    url = shown(described.url.get_secret_value())
    return url if described.name is None else f"{described.name}: {url}"


def _unusable(error: "InputError") -> list[str]:
    raise error


def _source(source: "Source") -> list[str]:
    from pipeline.ingest.probe import probe

    return probe(source).sentences()


def _version(client: Any) -> str:
    from redis.exceptions import NoPermissionError

    try:
        return f"Redis {client.info('server')['redis_version']}"
    except NoPermissionError:  # nothing else asks for it
        return "Redis"
