import tracemalloc

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from pipeline.errors import AffectError, MessageError, VersionError
from pipeline.inference.classifier import Classifier
from pipeline.inference.stage import InferenceStage
from pipeline.messages import Clock, End, Faces, Frame, Scores, Stamp
from pipeline.settings import EmotionSettings, RuntimeSettings, SmootherSettings, TrackerSettings
from pipeline.sink.stage import SinkStage
from pipeline.tally import Tally
from pipeline.tracker.detector import Detector
from pipeline.tracker.stage import TrackerStage
from tests import messages, networks
from tests.pipeline.tracker import yunet
from workers.bus.codec import VERSION, decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
STAMPS = st.builds(
    Stamp,
    source=TEXT,
    run=TEXT,
    frame=INTEGERS,
    pts=st.floats(allow_nan=False),
    time=INTEGERS,
    clock=st.sampled_from(Clock),
    arrived=INTEGERS,
)
ENDS = st.builds(End, source=TEXT, run=TEXT, complete=st.booleans())
VIEWS = {
    "as decoded": lambda plane: plane,
    "padded lines": lambda plane: np.pad(plane, ((0, 0), (0, 7), *[(0, 0)] * (plane.ndim - 2)))[:, :-7],
    "bottom up": lambda plane: plane[::-1],
    "mirrored": lambda plane: plane[:, ::-1],
    "turned left": lambda plane: plane.swapaxes(0, 1)[::-1],
    "turned right": lambda plane: plane.swapaxes(0, 1)[:, ::-1],
}


def bits(rng, *shape):
    """Floats of every kind: NaNs, infinities and denormals among them."""
    return rng.integers(0, 2**32, shape, np.uint32).view(np.float32)


@st.composite
def faces(draw, most=300):
    count, side = draw(st.integers(0, most)), draw(st.integers(1, 64))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Faces(
        draw(STAMPS),
        tracks=tuple(f"{draw(TEXT)}-{number}" for number in range(count)),
        boxes=bits(rng, count, 4),
        landmarks=bits(rng, count, 5, 2),
        scores=bits(rng, count),
        quality=bits(rng, count),
        pose=bits(rng, count, 3),
        crops=rng.integers(0, 256, (count, side, side), np.uint8),
        ended=tuple(draw(st.lists(TEXT, max_size=5))),
    )


@st.composite
def scores(draw, most=300):
    seen = draw(faces(most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Scores(replace(seen, crops=seen.crops[:0]), bits(rng, len(seen.tracks), 8), draw(TEXT))


def plane(rng, rows, columns, *channels):
    """A gradient with a little noise, as video has, within the studio range."""
    down, across = np.meshgrid(np.linspace(-0.5, 0.5, rows), np.linspace(-0.5, 0.5, columns), indexing="ij")
    steep = rng.uniform(-80, 80, (2, *channels))
    smooth = np.multiply.outer(down, steep[0]) + np.multiply.outer(across, steep[1])
    return np.clip(125 + smooth + rng.normal(0, 3, smooth.shape), 16, 235).astype(np.uint8)


@st.composite
def frames(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns = draw(st.integers(1, 100)), draw(st.integers(1, 100))
    turn = VIEWS[draw(st.sampled_from(sorted(VIEWS)))]
    return Frame(
        draw(STAMPS),
        width=draw(st.integers(1, 100_000)),
        height=draw(st.integers(1, 100_000)),
        luma=turn(plane(rng, rows, columns)),
        full_range=draw(st.booleans()),
        image=turn(plane(rng, 32 * draw(st.integers(1, 3)), 32 * draw(st.integers(1, 3)), 3)),
        min_face=draw(st.floats(8, 2000)),
    )


def flat(message):
    """All of a message in a form whose equality is that of every bit."""
    if isinstance(message, np.ndarray):
        return message.dtype.str, message.shape, message.tobytes()
    if isinstance(message, msgspec.Struct):
        return type(message), *map(flat, astuple(message))
    if isinstance(message, tuple):
        return tuple(map(flat, message))
    return type(message), message


def there_and_back(message, quality=None):
    return decode(encode(message, quality=quality))


@settings(max_examples=60)
@given(faces() | scores() | ENDS, st.sampled_from([None, 1, 90]))
def test_all_but_frames_come_back_to_the_bit(message, quality):
    assert flat(there_and_back(message, quality)) == flat(message)


@given(frames())
def test_a_raw_frame_comes_back_to_the_bit(frame):
    assert flat(there_and_back(frame)) == flat(frame)


@given(frames())
def test_a_compressed_frame_comes_back_nearly(frame):
    back = there_and_back(frame, 90)
    for one, other in ((frame.luma, back.luma), (frame.image, back.image)):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        difference = one.astype(int) - other
        assert np.abs(difference).mean() < 3
        # Were luma taken for another range its levels would move by up to 16.
        assert abs(difference.mean()) < 1
    pictureless = {"luma": np.empty(0, np.uint8), "image": np.empty(0, np.uint8)}
    assert flat(replace(frame, **pictureless)) == flat(replace(back, **pictureless))


def a_frame(rows=48, columns=64):
    rng = np.random.default_rng(0)
    return Frame(
        messages.stamp(),
        columns,
        rows,
        luma=plane(rng, rows, columns),
        full_range=False,
        image=plane(rng, 32, 64, 3),
        min_face=20.0,
    )


def test_no_faces_keep_the_shapes_of_faces():
    back = there_and_back(messages.faces(0, size=40))
    assert [array.shape for array in (back.boxes, back.landmarks, back.scores, back.pose, back.crops)] == [
        (0, 4),
        (0, 5, 2),
        (0,),
        (0, 3),
        (0, 40, 40),
    ]


def test_colour_keeps_its_resolution():
    # Stripes of one px, alike in luma as in chroma: with subsampled chroma all would be one colour.
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2] = (255, 0, 128)
    image[:, 1::2] = (0, 0, 128)
    frame = replace(a_frame(), image=image)
    back = there_and_back(frame, 90).image.astype(int)
    assert (back[:, ::2, 0] - back[:, 1::2, 0]).min() > 200


def test_better_quality_takes_more_bytes():
    sizes = [len(encode(a_frame(), quality=quality)) for quality in (30, 60, 90, 100)]
    assert sizes == sorted(set(sizes))


def test_messages_are_as_small_as_their_numbers():
    """What the arrays do not need is little more than names and times."""
    for count in (1, 10):
        seen = messages.faces(count)
        raw = Scores(replace(seen, crops=seen.crops[:0]), np.zeros((count, 8), np.float32), "emotion@0123456789ab")
        assert len(encode(raw, quality=None)) < count * (4 * (19 + 8) + 6) + 100
        assert len(encode(seen, quality=None)) < count * (4 * 19 + 6 + 48 * 48) + 100


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(EmotionSettings(model=networks.classifier(tmp_path)), RuntimeSettings())


@pytest.mark.parametrize("sides", [("height", "width"), (96, 128), (128, 160)])
def test_no_stage_can_tell_where_its_messages_come_from(sides, classifier):
    """Read-only views are as good as the arrays of the stage before."""

    def run(passed_on):
        tally = Tally()
        stages = [
            TrackerStage(
                Detector(yunet.network(sides=sides, strides=[8]), low=0.3, overlap=0.45),
                TrackerSettings(),
                threshold=0.6,
                template=np.array(networks.TEMPLATE, np.float32),
                size=48,
                tally=tally,
            ),
            InferenceStage(classifier),
            SinkStage(SmootherSettings(), 0.2, tally),
        ]
        found = []
        for number in range(30):
            rng = np.random.default_rng(number)
            luma = rng.integers(16, 236, (192, 256), np.uint8)[::-1]
            cells = [(5, 5 + number // 10, 255), *[(12, 8, 255)] * (number < 20)]
            image = yunet.picture(96, 128, *cells)
            batch = [Frame(messages.stamp(number), 256, 192, luma, number % 2 == 0, image, 20.0)]
            if number == 29:
                batch.append(End("door", "r1", complete=True))
            for stage in stages:
                batch = stage.process([passed_on(message) for message in batch])
            found += batch
        return found

    direct, carried = run(lambda message: message), run(there_and_back)
    assert direct == carried
    assert sum(len(results.emotions) for results in direct) >= 40


def test_version_1_stays_as_it_is():
    """Bytes that a program out there may have written: if these differ, the version must."""
    stamp = Stamp("door", "r1", 7, 0.28, 1_700_000_000_280_000, Clock.RTCP, 1_700_000_000_300_000)
    one = np.ones((1, 1, 1), np.uint8)
    floats = [np.zeros((0, *shape), np.float32) for shape in ((4,), (5, 2), (), (), (3,), (8,))]
    faces = Faces(stamp, (), *floats[:5], one[:0], ended=("a",))
    written = {
        "end": End("door", "r1", complete=True),
        "frame": Frame(stamp, 1, 1, one[0], full_range=True, image=one.repeat(3, 2), min_face=20.0),
        "faces": faces,
        "scores": Scores(faces, floats[5], "m"),
    }
    stamped = "97a4646f6f72a2723107cb3fd1eb851eb851eccf00060a24182285c0a472746370cf00060a241822d3e0"
    of_faces = f"9a{stamped}9091a161c400c400c400c400c40001c400"
    expected = {
        "end": "9301a3656e6493a4646f6f72a27231c3",
        "frame": f"9301a56672616d6598{stamped}0101c3cb4034000000000000c2930101c40101930101c403010101",
        "faces": f"9301a56661636573{of_faces}",
        "scores": f"9301a673636f72657393{of_faces}c400a16d",
    }
    assert {kind: encode(message, quality=None).hex() for kind, message in written.items()} == expected


def written(version=VERSION, kind="end", body=("door", "r1", True)):
    return msgspec.msgpack.encode((version, kind, body))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (written(9), "written by schema version 9, this program reads 1; update this program"),
        (written(0), "written by schema version 0, this program reads 1; update the program that wrote it"),
        (msgspec.msgpack.encode([9, {"kind": 3}, "whatever", 4]), "schema version 9"),
    ],
)
def test_another_version_is_told_from_damage(data, words):
    with pytest.raises(VersionError, match=words):
        decode(data)


def with_body(message, change, quality=None):
    """A message's bytes after ``change`` to the list of its fields."""
    version, kind, body = msgspec.msgpack.decode(encode(message, quality=quality))
    change(body)
    return written(version, kind, body)


def assign(*path, value):
    def change(body):
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    return change


def jpeg(*shape):
    return cv2.imencode(".jpg", np.zeros(shape, np.uint8))[1].tobytes()


def forged_jpeg(rows, columns):
    """A small JPEG whose header claims another size."""
    data = bytearray(jpeg(8, 8))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    return bytes(data)


def png(*shape):
    return cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes()


BAD = {
    "nothing": (b"", "truncated"),
    "no array": (b"\x01", "Expected `array`, got `int`"),
    "text": (b"hello", "message cannot be read"),
    "cut": (written()[:-1], "truncated"),
    "more behind": (written() + b"\x00", "trailing"),
    "deep": (b"\x91" * 100_000, "Expected `int`, got `array`"),
    "deep behind a version": (b"\x93\x01\xa3end" + b"\x91" * 100_000, "recursion"),
    "not UTF-8": (b"\x93\x01\xa2\xff\xff\xc0", "utf-8"),
    "boasting of length": (b"\x93\x01\xa3end\xdd\xff\xff\xff\xff", "truncated"),
    "kind": (written(kind="pickle"), "unknown kind 'pickle', not frame, faces, scores, end"),
    "field too many": (written(body=("door", "r1", True, 4)), "at most length 3, got 4"),
    "field too few": (written(body=("door", "r1")), "at least length 3, got 2"),
    "clock": (with_body(messages.faces(1), assign(0, 5, value="sundial")), "Invalid enum value 'sundial'"),
    "long-winded clock": (with_body(messages.faces(1), assign(0, 5, value="sun\n" * 999)), "Invalid enum value 'sun"),
    "boxes": (with_body(messages.faces(2), assign(3, value=b"\0" * 31)), r"boxes: 31 bytes instead of 32 for \(2, 4\)"),
    "boxes of float64": (
        with_body(messages.faces(2), assign(3, value=b"\0" * 64)),
        r"boxes: 64 bytes instead of 32 for \(2, 4\)",
    ),
    "tracks": (with_body(messages.faces(2), assign(1, value=["a"])), "boxes: 32 bytes instead of 16"),
    "side": (with_body(messages.faces(2), assign(8, value=65_000)), r"crops: 4608 bytes instead of 8450000000"),
    "no side": (with_body(messages.faces(2), assign(8, value=0)), ">= 1"),
    "crops": (with_body(messages.faces(0), assign(9, value=b"\0" * 48 * 48)), "crops: 2304 bytes instead of 0"),
    "raw shape": (with_body(a_frame(), assign(6, 0, value=65_500)), "luma: 3072 bytes instead of 4192000"),
    "rows": (with_body(a_frame(), assign(6, 0, value=-1)), ">= 1"),
    "rows beyond": (with_body(a_frame(), assign(6, 0, value=2**40)), "<= 65500"),
    "image": (with_body(a_frame(), assign(7, 2, value=b"\0" * 5)), "image: 5 bytes instead of 6144"),
    "no JPEG": (with_body(a_frame(), assign(6, 2, value=b"\0" * 99), quality=90), "luma: no baseline JPEG"),
    "empty JPEG": (with_body(a_frame(), assign(6, 2, value=b""), quality=90), "luma: no baseline JPEG"),
    "no JPEG but a PNG": (with_body(a_frame(), assign(6, 2, value=png(48, 64)), quality=90), "luma: no baseline JPEG"),
    "JPEG of another size": (
        with_body(a_frame(), assign(6, 2, value=jpeg(64, 48)), quality=90),
        r"luma: a JPEG of rows, columns, components \(64, 48, 1\) instead of \(48, 64\)",
    ),
    "gray JPEG for colour": (
        with_body(a_frame(), assign(7, 2, value=jpeg(32, 64)), quality=90),
        r"image: a JPEG of rows, columns, components \(32, 64, 1\) instead of \(32, 64, 3\)",
    ),
    "JPEG larger than OpenCV reads": (
        with_body(
            a_frame(), assign(6, value=[33_000, 33_000, forged_jpeg(33_000, 33_000) + bytes(5_000_000)]), quality=90
        ),
        r"luma: the JPEG of \(33000, 33000\) does not decode",
    ),
    "JPEG's header alone": (
        with_body(a_frame(), assign(6, 2, value=jpeg(48, 64)[:200]), quality=90),
        r"luma: the JPEG of \(48, 64\) does not decode",
    ),
}


@pytest.mark.parametrize(("data", "words"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named_in_one_line(data, words):
    with pytest.raises(MessageError, match=words) as caught:
        decode(data)
    assert not isinstance(caught.value, VersionError)
    assert isinstance(caught.value, AffectError)
    assert caught.value.exit_code == 1
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


NO_FACES = encode(messages.faces(0), quality=None)


@pytest.mark.parametrize(
    "data",
    [
        with_body(a_frame(), assign(6, value=[65_500, 65_500, b"\0" * 100])),
        with_body(a_frame(), assign(6, value=[30_000, 30_000, forged_jpeg(30_000, 30_000)]), quality=90),
        with_body(a_frame(), assign(6, value=[48, 64, forged_jpeg(30_000, 30_000)]), quality=90),
        with_body(a_frame(), assign(6, value=[30_000, 30_000, jpeg(8, 8)]), quality=90),
        with_body(messages.faces(1), assign(8, value=65_500)),
        NO_FACES[: NO_FACES.index(b"\x90\x90")] + b"\xdd\x0f\xff\xff\xff",
    ],
    ids=["raw", "JPEG", "JPEG but not its frame", "frame but not its JPEG", "crops", "tracks"],
)
def test_a_forged_size_takes_no_memory(data):
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def sound_or_refused(data):
    """Decode; what comes out, if anything does, is a message like any other."""
    try:
        message = decode(data)
    except MessageError:
        return
    assert flat(there_and_back(message)) == flat(message)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    sound_or_refused(data)
    sound_or_refused(b"\x93\x01" + data)
    for kind in ("frame", "faces", "scores", "end"):
        sound_or_refused(b"\x93\x01" + msgspec.msgpack.encode(kind) + data)


REAL = [
    encode(message, quality=quality)
    for message, quality in [
        (End("door", "r1", complete=True), None),
        (messages.faces(0), None),
        (messages.faces(3, size=8), None),
        (
            Scores(replace(messages.faces(2), crops=np.zeros((0, 48, 48), np.uint8)), np.ones((2, 8), np.float32), "m"),
            None,
        ),
        (a_frame(), None),
        (a_frame(), 90),
    ]
]


@settings(max_examples=300)
@given(st.sampled_from(REAL), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1))
def test_flipped_bits_are_refused_or_give_a_sound_message(data, flips):
    damaged = bytearray(data)
    for place, bit in flips:
        damaged[int(place * len(data))] ^= 1 << bit
    sound_or_refused(bytes(damaged))


@settings(max_examples=300)
@given(st.sampled_from(REAL), st.binary(min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_pieces_replaced_are_refused_or_give_a_sound_message(data, piece, begin, end):
    first, last = sorted((int(begin * len(data)), int(end * len(data))))
    sound_or_refused(data[:first] + piece + data[last:])


def test_every_damage_to_the_head_of_a_message_is_refused_or_gives_a_sound_message():
    for data in REAL:
        for place in range(min(len(data), 150)):
            for value in (0x00, 0x01, 0x7F, 0x80, 0x90, 0xC1, 0xC6, 0xCB, 0xDB, 0xDD, 0xDF, 0xFF):
                sound_or_refused(data[:place] + bytes([value]) + data[place + 1 :])


@given(st.sampled_from(REAL), st.floats(0, 1, exclude_max=True))
def test_what_is_cut_short_is_refused(data, share):
    with pytest.raises(MessageError, match="truncated"):
        decode(data[: int(share * len(data))])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (replace(messages.faces(2), boxes=np.zeros((2, 4))), r"boxes: float64 \(2, 4\) instead of float32 \(2, 4\)"),
        (
            replace(messages.faces(2), pose=np.zeros((1, 3), np.float32)),
            r"pose: float32 \(1, 3\) instead of float32 \(2",
        ),
        (replace(messages.faces(2), crops=np.zeros((2, 4, 5), np.uint8)), r"crops: uint8 \(2, 4, 5\) instead of"),
        (replace(messages.faces(0), crops=np.zeros((0, 0, 0), np.uint8)), "sides of 1 to 65500"),
        (
            Scores(messages.faces(2), np.ones((2, 8), np.float32), "m"),
            r"crops: uint8 \(2, 48, 48\) instead of uint8 \(0",
        ),
        (replace(a_frame(), luma=np.zeros((4, 4, 3), np.uint8)), r"luma: uint8 .* instead of"),
        (replace(a_frame(), luma=np.zeros((4, 65_501), np.uint8)), "luma: sides of 1 to 65500"),
        (replace(a_frame(), image=np.zeros((32, 32, 3))), "image: float64"),
        (End("door", np.int64(3), complete=True), "end message cannot be written"),
        (replace(a_frame(), width=2**70), "frame message cannot be written"),
    ],
)
@pytest.mark.parametrize("quality", [None, 90])
def test_what_breaks_the_contract_is_not_written(message, words, quality):
    with pytest.raises(MessageError, match=words):
        encode(message, quality=quality)
