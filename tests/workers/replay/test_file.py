import json
import logging
import os
import shutil

import av
import pandas as pd
import pytest
from av.sidedata.sidedata import Type as SideDataType

from pipeline.card import shipped
from pipeline.errors import SourceError
from pipeline.ingest.source import expand, parse_source
from tests import networks, video
from workers.config import load_config
from workers.engine import Engine
from workers.replay import tasks
from workers.replay.file import replay
from workers.replay.outcome import Status


@pytest.fixture
def config(tmp_path):
    return load_config(None, {"out": tmp_path / "out", "redis": {"url": "none"}})


def test_a_file_that_is_gone_when_its_turn_comes_fails_alone(config, tmp_path):
    gone, there = (video.clip(tmp_path / name, frames=5) for name in ("a.mp4", "b.mp4"))
    sources = expand([str(gone), str(there)])
    gone.unlink()
    failed, done = replay(sources, Engine.load(config), None, lambda _: None, lambda: False)
    assert (failed.status, done.status) == (Status.FAILED, Status.DONE)
    assert failed.note == f"{gone} is not there"


def test_a_file_that_is_gone_is_named_wherever_its_run_is_asked_for(config, tmp_path):
    source = parse_source(str(video.clip(tmp_path / "a.mp4", frames=5)))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(SourceError, match=r"a\.mp4 is not there"):
        tasks.identify(config, source)


def test_rows_are_new_once_a_card_was_corrected(config, scene, tmp_path):
    network = shutil.copy2(shipped("emotion"), tmp_path / "faces.onnx")
    card = json.loads(shipped("emotion").with_suffix(".json").read_text())
    config = config.model_copy(update={"emotion": config.emotion.model_copy(update={"model": network})})
    sources = expand([str(scene)], ingest=config.ingest.model_copy(update={"fps": 2.0}))

    def outcome(labels):
        network.with_suffix(".json").write_text(json.dumps(card | {"labels": labels}))
        (one,) = replay(sources, Engine.load(config), None, lambda _: None, lambda: False)
        return one

    neutral, happiness, *others = card["labels"]
    wrong, corrected = outcome([happiness, neutral, *others]), outcome(card["labels"])
    assert (wrong.status, corrected.status) == (Status.DONE, Status.DONE)
    assert outcome(card["labels"]).status is Status.ALREADY
    rows = pd.read_parquet(config.out / "emotions").set_index("run")
    before, after = rows.loc[wrong.run], rows.loc[corrected.run]
    assert (len(before), before["p_happiness"].tolist()) == (len(after), after["p_neutral"].tolist())


def test_what_was_skipped_is_told_of_a_file_that_was_stopped_too(config, tmp_path):
    source = parse_source(str(video.damage(video.clip(tmp_path / "a.mp4", frames=1500), [10, 20])))
    frames = 0

    def report(progress):
        nonlocal frames
        frames = progress.frames

    (outcome,) = replay([source], Engine.load(config), None, report, lambda: frames > 50)
    assert outcome.status is Status.STOPPED
    assert outcome.note == "run again to complete it; 2 corrupt packets skipped"


def test_an_interrupted_file_that_was_touched_keeps_its_event_times(config, scene, tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(scene)) as recorded, av.open(str(path), "w") as out:  # without when it was recorded
        stream = recorded.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for again in range(2):
            for packet in recorded.demux(stream):
                if packet.size:
                    packet.pts, packet.dts = packet.pts + again * stream.duration, packet.dts + again * stream.duration
                    packet.stream = copy
                    out.mux(packet)
            recorded.seek(0)
    frames = 0

    def report(progress):
        nonlocal frames
        frames = progress.frames

    engine = Engine.load(config)
    (stopped,) = replay([parse_source(str(path))], engine, None, report, lambda: frames > 90)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    (done,) = replay([parse_source(str(path))], engine, None, report, lambda: False)
    assert (stopped.status, done.status, stopped.run) == (Status.STOPPED, Status.DONE, done.run)
    rows = pd.read_parquet(config.out / "emotions")
    assert set(rows["frame"]) == set(range(300))
    begun = rows["time"] - pd.to_timedelta((rows["pts"] * 1e6).round(), unit="us")
    assert begun.nunique() == 1
    assert begun.iloc[0].year > 2020


def test_what_nobody_foresaw_fails_one_file_alone(config, tmp_path, monkeypatch, caplog):
    # As PyAV is without what makes it read the orientation of a JPEG.
    monkeypatch.delattr(SideDataType, "_missing_")
    odd, plain = video.photos(tmp_path / "a.avi", 1), video.clip(tmp_path / "b.mp4", frames=5)
    caplog.set_level(logging.DEBUG, "pipeline.ingest.failures")
    sources = expand([str(odd), str(plain)])
    failed, done = replay(sources, Engine.load(config), None, lambda _: None, lambda: False)
    assert (failed.status, done.status) == (Status.FAILED, Status.DONE)
    assert failed.note == (
        f"{odd} failed in a way that was not foreseen (ValueError: 31 is not a valid Type); please report it"
    )
    assert "Traceback" in caplog.text


def test_what_nobody_foresaw_behind_the_decoder_fails_one_file_alone(config, tmp_path, monkeypatch):
    sources = expand([str(video.clip(tmp_path / name, frames=5)) for name in ("a.mp4", "b.mp4")])
    opened = Engine.sink

    def sink(engine, tally):
        monkeypatch.setattr(Engine, "sink", opened)
        raise ZeroDivisionError("of one file")

    monkeypatch.setattr(Engine, "sink", sink)
    failed, done = replay(sources, Engine.load(config), None, lambda _: None, lambda: False)
    assert (failed.status, done.status) == (Status.FAILED, Status.DONE)
    assert "(ZeroDivisionError: of one file)" in failed.note


def test_a_network_that_gives_nonsense_fails_the_file_that_it_does_so_for(config, scene, tmp_path):
    network = networks.classifier(tmp_path, least=122.0)  # the face of the scene has 116
    config = config.model_copy(update={"emotion": config.emotion.model_copy(update={"model": network})})
    before, after = (video.clip(tmp_path / name, frames=5) for name in ("a.mp4", "z.mp4"))
    sources = expand([str(before), str(scene), str(after)])
    outcomes = {one.source: one for one in replay(sources, Engine.load(config), None, lambda _: None, lambda: False)}
    assert {name: one.status for name, one in outcomes.items()} == {
        "a": Status.DONE, "scene": Status.FAILED, "z": Status.DONE
    }  # fmt: skip
    assert outcomes["scene"].note == "the network 'tiny' gave values that are not finite; use another --emotion"
