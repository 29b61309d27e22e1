import threading
import time
from itertools import islice

import pytest
from msgspec.structs import replace

from pipeline.channel import Channel
from pipeline.errors import OutputError, SourceError
from pipeline.ingest.file import FileReader
from pipeline.ingest.source import parse_source
from pipeline.messages import Clock, End, source_of
from pipeline.sink.writer import Frontier
from pipeline.tally import Count, Tally
from tests import video
from workers.config import load_config
from workers.engine import Engine
from workers.runner import Runner


class Notebook:
    """A writer that keeps what it is given, or fails when told to."""

    def __init__(self, fails=None):
        self.results = []
        self._fails = fails

    def write(self, results):
        if self._fails:
            raise self._fails
        self.results.append(results)

    def frontier(self, source, run):
        return Frontier()

    def tick(self):
        pass

    def close(self):
        pass

    @property
    def ends(self):
        return {end.source: end.complete for results in self.results for end in results.ends}


class Unreadable:
    """A reader whose source turns out to be none."""

    def __init__(self, path):
        self.source = parse_source(str(path), name="unreadable")
        self.run = "r0"

    def __iter__(self):
        return self

    def __next__(self):
        raise SourceError("unreadable holds no video")

    def stop(self):
        pass


@pytest.fixture(scope="module")
def engine():
    return Engine.load(load_config(None, {}))


@pytest.fixture
def clips(tmp_path):
    return [video.clip(tmp_path / f"{name}.mp4", frames=30) for name in ("one", "two", "three")]


def run(engine, readers, writer, tally, *, live=False):
    runner = Runner(engine, readers, [writer], tally, live=live)
    runner.start()
    try:
        assert runner.wait(60)
    finally:
        for thread in threading.enumerate():
            if thread.name.startswith(("ingest", "tracker", "inference", "sink")):
                thread.join(10)
                assert not thread.is_alive()
    return runner


def test_every_source_is_read_to_its_end(engine, clips):
    tally, writer = Tally(), Notebook()
    readers = [FileReader(parse_source(str(clip)), clip.stem, tally) for clip in clips]
    run(engine, readers, writer, tally)
    assert writer.ends == {"one": True, "two": True, "three": True}
    assert [tally.of(clip.stem)[Count.FRAMES] for clip in clips] == [30, 30, 30]


def test_a_source_that_fails_does_not_stop_the_others(engine, clips):
    tally, writer = Tally(), Notebook()
    readers = [Unreadable(clips[0]), FileReader(parse_source(str(clips[1])), "r1", tally)]
    runner = run(engine, readers, writer, tally)
    assert "holds no video" in str(runner.failures["unreadable"])
    assert writer.ends == {"unreadable": False, "two": True}


def test_a_writer_that_fails_ends_everything_with_its_reason(engine, clips):
    tally = Tally()
    reader = FileReader(parse_source(str(clips[0])), "r1", tally)
    with pytest.raises(OutputError, match="disk full"):
        run(engine, [reader], Notebook(OutputError("disk full")), tally)


class Broken:
    """A stage with a mistake in it."""

    def process(self, inputs):
        raise ZeroDivisionError("a mistake")


def test_an_error_is_known_before_the_last_worker_ends(engine, clips, monkeypatch):
    finish = Channel.finish

    def slowly(channel):
        finish(channel)
        time.sleep(0.5)  # as long as the operating system likes: the neighbours end meanwhile

    monkeypatch.setattr(Channel, "finish", slowly)
    monkeypatch.setattr(Engine, "tracker", lambda engine, tally: Broken())
    reader = FileReader(parse_source(str(clips[0])), "r0", Tally())
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        run(engine, [reader], Notebook(), Tally())


def test_stopping_ends_without_completing(engine, tmp_path):
    tally, writer = Tally(), Notebook()
    reader = FileReader(parse_source(str(video.clip(tmp_path / "long.mp4", frames=500))), "r1", tally)
    runner = Runner(engine, [reader], [writer], tally, live=False)
    runner.start()
    runner.stop()
    assert runner.wait(30)
    assert writer.ends == {"long": False}
    assert tally.of("long")[Count.FRAMES] < 500


class Camera:
    """The first 30 frames of a film, as if they could not be had again."""

    def __init__(self, path, name):
        self.source = parse_source(str(path), name=name)
        self.run = f"r-{name}"

    def __iter__(self):
        for frame in islice(FileReader(self.source, self.run, Tally()), 30):
            yield replace(frame, stamp=replace(frame.stamp, clock=Clock.ARRIVAL))
        yield End(self.source.id, self.run, complete=False)

    def stop(self):
        pass


class Stumbling:
    """A stage with a mistake in it, which shows once it has worked on some frames of one source."""

    def __init__(self, stage):
        self._stage = stage

    def process(self, inputs):
        for count, message in enumerate(inputs, 1):
            if source_of(message) == "door" and not isinstance(message, End):
                stamp = getattr(message, "faces", message).stamp
                if stamp.frame in {20, 25}:
                    self._stage.process(inputs[:count])
                    raise AssertionError("a mistake")
        return self._stage.process(inputs)


class Remembering(Stumbling):
    def state(self):
        return self._stage.state()

    def restore(self, state):
        self._stage.restore(state)


@pytest.mark.parametrize("name", ["tracker", "inference", "sink"])
def test_a_frame_that_a_stage_cannot_work_on_is_left_out_of_its_own_live_source(
    engine, scene, monkeypatch, caplog, name
):
    made, kind = getattr(Engine, name), Stumbling if name == "inference" else Remembering
    monkeypatch.setattr(Engine, name, lambda *args: kind(made(*args)))
    tally, writer = Tally(), Notebook()
    run(engine, [Camera(scene, "door"), Camera(scene, "gate")], writer, tally, live=True)
    rows = [row for results in writer.results for row in results.emotions]
    seen = {source: [row.stamp.frame for row in rows if row.stamp.source == source] for source in ("door", "gate")}
    assert len(seen["gate"]) > 25
    assert seen["door"] == [frame for frame in seen["gate"] if frame not in {20, 25}]
    assert {row.track for row in rows} == {"r-door-1", "r-gate-1"}
    assert sorted(track.track for results in writer.results for track in results.tracks) == ["r-door-1", "r-gate-1"]
    assert writer.ends == {"door": False, "gate": False}
    assert [tally.of(source)[Count.POISON] for source in ("door", "gate")] == [2, 0]
    assert [tally.of(source)[Count.TRACKS] for source in ("door", "gate")] == [1, 1]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("door: an error that was not foreseen\nTraceback")
    assert "a mistake" in told[0]
