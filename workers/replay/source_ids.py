"""Files that a folder of results knows already, under an id that they would not get today."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
    there = _There(out, run_of)
    there.look_for_heirs(sources)
    taken = {source.id for source in sources}
    known = []
    for source in sources:
        name = there.name(source, taken)
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

    def __init__(self, out: Path, run_of: Callable[[Source], str]) -> None:
        self.runs: dict[str, dict[str, Path]] = defaultdict(dict)
        for folder in sorted(out.glob("emotions/source=*")):
            for part in parts(folder):
                self.runs[part.source][part.run] = part.path
        self._files: dict[str, set[str]] = {}
        self._run_of = run_of
        self._asked: dict[str, str | None] = {}
        self._heirs: dict[str, str] = {}

    def look_for_heirs(self, sources: Sequence[Source]) -> None:
        """Find files that were given new names, and whose old ones other files have now, as logs are rotated.

        There is a doubt only where a file is given that has changed since rows were written of one of its name, beside
        one of a path that is not known.
        """
        given = {source.url: source for source in sources}
        unknown = [source for source in sources if not self._knows(source)]
        for name, runs in self.runs.items() if unknown else ():
            owner = next((given[url] for url in self._read(name) if url in given), None)
            if owner is None or not _changed(owner.path, runs.values()):
                continue
            heir = next((source for source in unknown if self._run(source) in runs), None)
            if heir is not None and self._run(owner) not in runs:
                self._heirs.setdefault(heir.url, name)

    def name(self, source: Source, taken: set[str]) -> str | None:
        """Return the id under which a file is there, its own rather than one that is not taken; None if it is not."""
        if source.url in self._heirs:
            return self._heirs[source.url]
        gone = set(self._heirs.values())
        names = [name for name in self.runs if (name == source.id or name not in taken) and name not in gone]
        names.sort(key=lambda name: name != source.id)
        # Who wrote it may not have told; then its name is all there is to go by.
        told = [
            name for name in names if source.url in self._read(name) or (name == source.id and "" in self._read(name))
        ]
        if len(told) == 1:
            return told[0]
        if names:
            run = self._run(source)
            found = next((name for name in told or names if run in self.runs[name]), None)
            # Several files had this path, and it is read in another way than they were: it is the last of them.
            return found or max(told, key=lambda name: _written(self.runs[name].values()), default=None)
        return None

    def _knows(self, source: Source) -> bool:
        """Return whether a file of this path was read, or may have been."""
        return any(source.url in self._read(name) for name in self.runs) or (
            source.id in self.runs and "" in self._read(source.id)
        )

    def _run(self, source: Source) -> str | None:
        """Return the id of the run that reads a file; None if it cannot be read, which is told when its turn comes."""
        if source.url not in self._asked:
            self._asked[source.url] = None
            with suppress(SourceError):
                self._asked[source.url] = self._run_of(source)
        return self._asked[source.url]

    def _read(self, name: str) -> set[str]:
        """Return the paths of the files that a source's runs have read; "" for one that does not say."""
        if name not in self._files:
            self._files[name] = {_read_from(part) for part in self.runs[name].values()}
        return self._files[name]


def _changed(path: Path, parts: Iterable[Path]) -> bool:
    """Return whether a file has changed, or another has taken its name, since the first of some parts was written."""
    try:
        return path.stat().st_ctime >= min(part.stat().st_mtime for part in parts)
    except OSError:
        return False


def _written(parts: Iterable[Path]) -> float:
    """Return when the last of some parts was written, s since 1970."""
    return max(part.stat().st_mtime for part in parts)


def _read_from(part: Path) -> str:
    try:
        return metadata(part).get(READ_FROM, "")
    except OutputError:  # that it is damaged is told by who goes on writing there
        return ""
