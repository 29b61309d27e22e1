"""Files that a folder of results knows already, under an id that they would not get today."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from pipeline.errors import OutputError, SourceError
from pipeline.ingest.source import Source, longer_id
from pipeline.sink.parts import READ_FROM, metadata, parts

log = logging.getLogger(__name__)


def as_known(sources: Sequence[Source], out: Path, run_of: Callable[[Source], str]) -> list[Source]:
    """Give each file the id under which the folder has it, and a longer one where its own is another file's there.

    An id is as long as telling a file from those named with it takes, so that one of Monday's becomes another when
    Tuesday's joins it; so does a file that is moved or renamed. Its rows must not be written anew for that. Nor must
    those of files that are named one by one and called the same become one source.

    Args:
        sources: files.
        out: the folder.
        run_of: gives the id of the run that reads a file; reads all of it, and is therefore asked only where there is
            a doubt.
    """
    there = _There(out)
    taken = {source.id for source in sources}
    known = []
    for source in sources:
        name = there.name(source, taken, run_of)
        if name is None and source.id in there.runs:
            name = longer_id(source.path, taken | there.runs.keys())
            log.warning("%s is called %r, because %s has %r of another file", source.safe_url, name, out, source.id)
        elif name is not None and name != source.id:
            log.warning("%s is known to %s as %r, and stays so", source.safe_url, out, name)
        taken.add(name or source.id)
        known.append(replace(source, id=name or source.id))
    return known


class _There:
    """What a folder of results has.

    Attributes:
        runs: the ids of the runs of each source, each with one of its parts.
    """

    def __init__(self, out: Path) -> None:
        self.runs: dict[str, dict[str, Path]] = defaultdict(dict)
        for folder in sorted(out.glob("emotions/source=*")):
            for part in parts(folder):
                self.runs[part.source][part.run] = part.path
        self._files: dict[str, set[str]] = {}

    def name(self, source: Source, taken: set[str], run_of: Callable[[Source], str]) -> str | None:
        """Return the id under which a file is there, its own rather than one that is not taken; None if it is not."""
        names = [name for name in self.runs if name == source.id or name not in taken]
        names.sort(key=lambda name: name != source.id)
        for name in names:
            # Who wrote it may not have told; then its name is all there is to go by.
            if source.url in self._read(name) or (name == source.id and "" in self._read(name)):
                return name
        if names:
            with suppress(SourceError):  # what cannot be read is told when its turn comes
                run = run_of(source)
                return next((name for name in names if run in self.runs[name]), None)
        return None

    def _read(self, name: str) -> set[str]:
        """Return the paths of the files that a source's runs have read; "" for one that does not say."""
        if name not in self._files:
            self._files[name] = {_read_from(part) for part in self.runs[name].values()}
        return self._files[name]


def _read_from(part: Path) -> str:
    try:
        return metadata(part).get(READ_FROM, "")
    except OutputError:  # that it is damaged is told by who goes on writing there
        return ""
