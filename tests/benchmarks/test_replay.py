"""Replay against the bare kernels: what everything that is not a kernel costs.

    python -m pytest tests/benchmarks --benchmark-only

The bare loop decodes, makes the detector's image, and calls both networks as often as the pipeline does, in one
thread and with nothing between: no tracking, no crops, no smoothing, no files.
"""

import time

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation, VideoReformatter

from pipeline.card import shipped
from pipeline.ingest.file import FileReader
from pipeline.ingest.picture import detection_size
from pipeline.ingest.source import parse_source
from pipeline.onnx import open_session
from pipeline.settings import PipelineSettings, RuntimeSettings
from pipeline.sink.parquet import ParquetWriter
from pipeline.tally import Count, Tally
from workers.config import load_config
from workers.engine import Engine
from workers.runner import Runner
from workers.scene import render

ROUNDS = 5


@pytest.fixture(scope="module")
def engine():
    return Engine.load(load_config(None, {}))


def through_the_pipeline(engine, clip, out, run):
    tally = Tally()
    writer = ParquetWriter(out, engine.config.parquet)
    reader = FileReader(parse_source(str(clip)), run, tally)
    runner = Runner(engine, [reader], [writer], tally, live=False)
    runner.start()
    assert runner.wait(300)
    writer.close()
    return tally.of(reader.source.id)


def bare_kernels(clip, faces_per_frame):
    """Call the kernels alone, as often as the pipeline does; return the number of frames."""
    detector = open_session(shipped("detector"), RuntimeSettings())
    network = open_session(shipped("emotion"), RuntimeSettings())
    crops = np.zeros((32, 1, 48, 48), np.uint8)
    resize, waiting, frames = VideoReformatter(), 0.0, 0
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        size = detection_size(stream.width, stream.height, PipelineSettings().detector)
        for frame in container.decode(stream):
            small = resize.reformat(frame, *size, format="bgr24", interpolation=Interpolation.AREA)
            image = small.to_ndarray().transpose(2, 0, 1)[None].astype(np.float32)
            detector.run(None, {detector.get_inputs()[0].name: image})
            waiting += faces_per_frame
            while waiting >= len(crops):
                network.run(None, {"faces": crops})
                waiting -= len(crops)
            frames += 1
    return frames


@pytest.mark.benchmark(group="replay")
@pytest.mark.parametrize("name", ["demo", "street_crowd_1080p"])
def test_replay_against_its_kernels(name, benchmark, engine, tmp_path, request, capsys):
    if name == "demo":
        clip = tmp_path / "demo.mp4"
        render(clip)
    else:
        clip = request.getfixturevalue("data") / "videos" / f"{name}.mp4"
    counts = through_the_pipeline(engine, clip, tmp_path / "warm", "r0")
    frames, faces = counts[Count.FRAMES], counts[Count.FACES]

    pairs = []
    for number in range(ROUNDS):  # in turns, so that a noisy neighbour disturbs both alike
        begun = time.perf_counter()
        bare_kernels(clip, faces / frames)
        between = time.perf_counter()
        through_the_pipeline(engine, clip, tmp_path / str(number), f"r{number}")
        pairs.append((between - begun, time.perf_counter() - between))
    bare, piped = np.median(pairs, axis=0)
    ratio = float(np.median([one / other for one, other in pairs]))
    benchmark.extra_info |= {"pipeline fps": frames / piped, "kernels fps": frames / bare, "ratio": ratio}
    with capsys.disabled():
        print(
            f"\n{name}: {frames} frames, {faces} faces: pipeline {frames / piped:.0f} frames/s, "
            f"kernels alone {frames / bare:.0f} frames/s, ratio {ratio:.2f}"
        )
    benchmark.pedantic(through_the_pipeline, (engine, clip, tmp_path / "last", "r"), rounds=1)
