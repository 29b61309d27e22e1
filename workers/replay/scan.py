"""Scans one part of a file, without knowing what came before it.

Most of the work on a frame is done anywhere and in any order: decoding, finding faces, and, given where they are, crops
and their distributions. Positions depend on all earlier frames, though; the influence fades over about a second. So a
part is followed as if the file began there, and all of it is kept: what was found, where that put the faces, and their
distributions there. The ``joiner``, which follows from the file's first frame on, sees which faces were in the right
place to the last bit (after about a second, nearly all of them) and has the other frames scanned again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from pipeline.inference.stage import FullBatch
from pipeline.ingest.part import Part, PartReader
from pipeline.ingest.source import Source
from pipeline.messages import Faces, Scores
from pipeline.tracker.finder import Sighting
from pipeline.tracker.tracker import Seen
from workers.engine import Engine
from workers.replay.outcome import Progress

Key = TypeVar("Key")

Watch = Callable[[Progress], bool]
"""Told how far a part has come, once per frame; returns whether to stop."""


class ScannedFrame(NamedTuple):
    """One frame."""

    sighting: Sighting
    seen: Seen
    """Where the faces are if the file began with this part."""
    scores: Scores
    """Of all faces in ``seen``, in that order; tracks and endings are still to be named."""


class Scan(NamedTuple):
    """One part."""

    frames: list[ScannedFrame]
    """Those wanted, numbered from 0."""
    decoded: int
    """How many there are with those not wanted."""
    last: int | None
    """Time stamp of the last frame; see ``Part``."""


def scan(engine: Engine, source: Source, run: str, part: Part, number: int, watch: Watch) -> Scan | None:
    """Scan a part, the ``number``-th of its file; return None if it was stopped.

    Raises:
        SourceError: the file cannot be read.
        Undivided: this part cannot be read by itself.
    """
    find, describe, follower = engine.finder(), engine.describer(), engine.follower()
    reader = PartReader(source, run, part)
    faces = 0
    stopped = False

    def described() -> Iterator[tuple[tuple[Sighting, Seen], Faces]]:
        nonlocal faces, stopped
        for frame in reader:
            stopped = watch(Progress(source.id, reader.frames, faces, reader.share, number))
            if stopped:
                return
            sighting = find(frame)
            seen = follower.follow(sighting)
            faces += len(seen.numbers)
            yield (sighting, seen), describe(frame, seen)

    frames = [ScannedFrame(sighting, seen, scores) for (sighting, seen), scores in _scored(engine, described())]
    return None if stopped else Scan(frames, reader.frames, reader.last)


def rescan(
    engine: Engine,
    source: Source,
    run: str,
    part: Part,
    first: int,
    places: Mapping[int, Seen],
    stop: Callable[[], bool],
) -> dict[int, Scores] | None:
    """Describe some frames of a part, given where the faces are; return None if it was stopped.

    Args:
        engine: the networks.
        source: the file.
        run: id of the run.
        part: of the file.
        first: number of the part's first frame.
        places: where the faces are, by number of frame.
        stop: asked once per frame.
    """
    describe = engine.describer()
    last = max(places, default=-1)
    stopped = False

    def described() -> Iterator[tuple[int, Faces]]:
        nonlocal stopped
        for frame in PartReader(source, run, part, first, places):
            number = frame.stamp.frame
            stopped = stop()
            if stopped:
                return
            yield number, describe(frame, places[number])
            if number == last:
                return

    scores = dict(_scored(engine, described()))
    return None if stopped else scores


def _scored(engine: Engine, described: Iterable[tuple[Key, Faces]]) -> Iterator[tuple[Key, Scores]]:
    """Run the expression network in full batches."""
    stage, enough = engine.inference(), FullBatch(engine.config.emotion.batch)
    keys: list[Key] = []
    batch: list[Faces] = []

    def scored() -> Iterator[tuple[Key, Scores]]:
        outputs = [scores for scores in stage.process(batch) if isinstance(scores, Scores)]
        yield from zip(keys, outputs, strict=True)
        keys.clear()
        batch.clear()

    for key, faces in described:
        keys.append(key)
        batch.append(faces)
        if enough(batch):
            yield from scored()
    yield from scored()
