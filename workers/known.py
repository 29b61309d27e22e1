"""Files that a folder of results knows already, under an id that they would not get today."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from pipeline.errors import SourceError
from pipeline.ingest.source import Source
from pipeline.sink.parts import parts

log = logging.getLogger(__name__)


def as_known(sources: Sequence[Source], out: Path, run_of: Callable[[Source], str]) -> list[Source]:
    """Give each file the id under which its run is in the folder, if no file has that id today.

    An id is as long as telling a file from those named with it takes, so that one of Monday's becomes another when
    Tuesday's joins it; so does a file that is moved or renamed. Its rows must not be written anew for that.

    Args:
        sources: files.
        out: the folder.
        run_of: gives the id of the run that reads a file; reads all of it, and is therefore asked only where there is
            a doubt.
    """
    taken = {source.id for source in sources}
    there: set[str] = set()
    left: dict[str, str] = {}
    for folder in sorted(out.glob("emotions/source=*")):
        for part in parts(folder):
            there.add(part.source)
            if part.source not in taken:
                left.setdefault(part.run, part.source)
    known = []
    for source in sources:
        run = ""
        if left and source.id not in there:
            with suppress(SourceError):  # what cannot be read is told when its turn comes
                run = run_of(source)
        if run in left:
            name = left.pop(run)
            log.warning("%s is known to %s as %r, and stays so", source.safe_url, out, name)
            known.append(replace(source, id=name))
        else:
            known.append(source)
    return known
