from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.source import parse_source
from pipeline.ingest.stamper import Stamper
from pipeline.messages import Clock, Stamp
from pipeline.settings import IngestSettings

DAY = 1_790_000_000_000_000
MILLISECOND = Fraction(1, 1000)


class Camera:
    """Hands a stamper frames, at times of the monotonic clock, s, of a day that began when that showed 0."""

    def __init__(self, **settings: object) -> None:
        ingest = IngestSettings.model_validate(settings)
        self.stamper = Stamper(parse_source("rtsp://host/live", name="door", ingest=ingest), "run")
        self.stamper.opened(0.04)

    def frame(self, ticks: int, arrived: float, ahead: float | None = None) -> Stamp | None:
        """Give the frame of a time stamp, ms, which a camera whose clock is ``ahead``, s, took when it arrived."""
        now = DAY + round(arrived * 1e6)
        self.stamper.media_time(ticks, MILLISECOND, arrived)
        return self.stamper.stamp(None if ahead is None else now + round(ahead * 1e6), arrived, now)


def test_frames_that_are_not_sampled_are_numbered_too() -> None:
    camera = Camera(fps=5)
    stamps = [camera.frame(40 * n, 50 + 0.04 * n) for n in range(20)]
    assert [stamp.frame for stamp in stamps if stamp is not None] == [0, 5, 10, 15]
    assert camera.stamper.number == 20


@given(st.floats(1, 60), st.floats(0, 30))
def test_no_time_is_lost_to_a_frame_that_comes_out_only_after_a_time_out(hung: float, away: float) -> None:
    """A camera hangs; what FFmpeg had buffered comes ``hung`` s late; ``away`` s later the camera is back."""
    camera = Camera()
    for n in range(25):
        camera.frame(40 * n, 50 + 0.04 * n)
    camera.frame(1000, 51 + hung)
    assert camera.stamper.due == pytest.approx(51)
    camera.stamper.opened(0.04)
    stamp = camera.frame(0, 51 + hung + away)
    assert stamp is not None
    assert (stamp.frame, stamp.pts) == (26, pytest.approx(1 + hung + away))
    assert abs(stamp.time - stamp.arrived) <= 2  # media time is rounded to µs


def test_a_new_connection_is_not_measured_by_the_one_before() -> None:
    """Ten seconds later, with time stamps that seem to go on, from a camera whose clock was set meanwhile."""
    camera = Camera()
    for n in range(25):
        camera.frame(40 * n, 50 + 0.04 * n, ahead=0.0)
    camera.stamper.opened(0.04)
    stamp = camera.frame(1000, 60.96, ahead=20.0)
    assert stamp is not None
    assert stamp.pts == pytest.approx(10.96)
    assert stamp.time - stamp.arrived == 20_000_000


def test_a_camera_that_no_longer_tells_the_time_is_not_ahead() -> None:
    camera = Camera()
    camera.frame(0, 50.0, ahead=3.0)
    assert camera.stamper.skew == pytest.approx(3.0)
    camera.frame(40, 50.04)
    assert camera.stamper.skew is None


@pytest.mark.parametrize(
    ("believed", "ahead", "clock", "told"),
    [
        (True, 7200.0, Clock.RTCP, 7200.0),
        (True, -1e8, Clock.ARRIVAL, -1e8),  # never set: not believed, but told
        (True, None, Clock.ARRIVAL, None),
        (False, 7200.0, Clock.ARRIVAL, None),
    ],
)
def test_how_far_a_cameras_clock_is_ahead(
    believed: bool, ahead: float | None, clock: Clock, told: float | None
) -> None:
    camera = Camera(camera_clock=believed)
    stamp = camera.frame(0, 50.0, ahead)
    assert stamp is not None
    assert stamp.clock is clock
    assert stamp.time == DAY + 50_000_000 + (7_200_000_000 if clock is Clock.RTCP else 0)
    assert camera.stamper.skew == (told if told is None else pytest.approx(told))
