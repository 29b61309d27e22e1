"""Messages as bytes: how large they are, and what writing and reading them costs.

    python -m pytest tests/benchmarks/test_codec.py --benchmark-only

Frames are brought to 720p and pass through the ingest's own conversion; the detector's image is 768x448.
"""

import time
from itertools import islice, pairwise

import av
import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.ingest.picture import Pictures
from pipeline.messages import Frame, Scores
from pipeline.settings import BusSettings, DetectorSettings
from pipeline.tally import Tally
from tests import messages
from workers.bus.codec import decode, encode
from workers.config import load_config
from workers.engine import Engine
from workers.scene import render

QUALITY = BusSettings().quality
FRAMES = 25


def clip(name, folder, request):
    if name == "demo":
        render(folder / "demo.mp4")
        return folder / "demo.mp4"
    return request.getfixturevalue("data") / "videos" / f"{name}.mp4"


def frames_720p(path):
    pictures = Pictures(DetectorSettings())
    with av.open(str(path)) as container:
        for number, decoded in enumerate(islice(container.decode(video=0), FRAMES)):
            picture = pictures.picture(decoded.reformat(1280, 720, "yuv420p"))
            yield Frame(
                messages.stamp(number),
                picture.width,
                picture.height,
                picture.luma,
                picture.full_range,
                picture.image,
                DetectorSettings().min_face,
            )


def took(function, *inputs):
    """Return what ``function`` makes of each input, and the least ms that one takes: others use the machine too."""
    outputs, times = [], []
    for value in inputs:
        begun = time.perf_counter()
        outputs.append(function(value))
        times.append(1000 * (time.perf_counter() - begun))
    return outputs, min(times)


def rows_of(frames):
    """Boxes and distributions that the shipped networks find, (12,) by track, of each frame."""
    engine = Engine.load(load_config(None, {}))
    found = engine.inference().process(engine.tracker(Tally()).process(frames))
    return [dict(zip(one.faces.tracks, np.hstack([one.faces.boxes, one.probabilities]), strict=True)) for one in found]


def apart(pairs):
    """Mean distance of boxes, px, and total variation of distributions, over the tracks that pairs of frames share."""
    rows = np.array([np.abs(one[track] - other[track]) for one, other in pairs for track in one.keys() & other.keys()])
    return rows[:, :4].mean(), rows[:, 4:].sum(1).mean() / 2


@pytest.mark.benchmark(group="codec")
@pytest.mark.parametrize("name", ["demo", "street_crowd_1080p"])
@pytest.mark.parametrize("quality", [None, QUALITY], ids=["raw", "jpeg"])
def test_frames(name, quality, benchmark, tmp_path, request, capsys):
    frames = list(frames_720p(clip(name, tmp_path, request)))
    encoded, writing = took(lambda frame: encode(frame, quality=quality), *frames)
    decoded, reading = took(decode, *encoded)
    size = float(np.mean([len(data) for data in encoded]))
    errors = [
        np.mean(
            [np.abs(getattr(frames[n], part).astype(int) - getattr(decoded[n], part)).mean() for n in range(FRAMES)]
        )
        for part in ("luma", "image")
    ]
    before, after = rows_of(frames), rows_of(decoded)
    faces = [sum(map(len, rows)) for rows in (before, after)]
    pixels, variation = apart(zip(before, after, strict=True))
    _, usual = apart(pairwise(before))
    benchmark.extra_info |= {"bytes": size, "encode ms": writing, "decode ms": reading}
    with capsys.disabled():
        print(
            f"\n{name}, {'raw' if quality is None else f'JPEG {quality}'}: {size / 1000:.0f} kB a frame, "
            f"encode {writing:.2f} ms, decode {reading:.2f} ms; mean error of luma {errors[0]:.2f}, of image "
            f"{errors[1]:.2f}; {faces[1]} faces for {faces[0]}, boxes {pixels:.2f} px apart, total variation of their "
            f"distributions {variation:.3f} (between frames {usual:.3f})"
        )
    benchmark(lambda: decode(encode(frames[-1], quality=quality)))


@pytest.mark.benchmark(group="codec")
@pytest.mark.parametrize("count", [0, 1, 10, 300])
@pytest.mark.parametrize("kind", ["faces", "scores"])
def test_faces(kind, count, benchmark, capsys):
    message = messages.faces(count)
    if kind == "scores":
        probabilities = np.full((count, 8), 1 / 8, np.float32)
        message = Scores(replace(message, crops=message.crops[:0]), probabilities, "emotion@0123456789ab")
    size = len(encode(message, quality=None))
    _, writing = took(lambda one: encode(one, quality=None), *[message] * 100)
    _, reading = took(decode, *[encode(message, quality=None)] * 100)
    benchmark.extra_info |= {"bytes": size, "encode ms": writing, "decode ms": reading}
    with capsys.disabled():
        print(f"\n{kind} of {count}: {size} bytes, encode {writing:.3f} ms, decode {reading:.3f} ms")
    benchmark(lambda: decode(encode(message, quality=None)))
