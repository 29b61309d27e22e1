from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.messages import stamp
from workers.latency import BOUNDS, WINDOW, Latency

NOW = 1_800_000_000.0
"""What the clock says, s since 1970."""


def noted(seconds):
    """Return a record of frames that were committed so many s after they had come."""
    latency = Latency()
    with patch("workers.latency.time.time_ns", return_value=round(NOW * 1e9)):
        for each in seconds:
            latency.note(replace(stamp(), arrived=round((NOW - each) * 1e6)))
    return latency


def test_nothing_is_known_before_the_first_frame():
    assert noted([0.1]).of("gate") is None


def test_the_median_and_the_worst_are_of_the_last_frames_and_the_sum_of_all():
    delay = noted([100.0, 2.0, *[0.15] * (WINDOW - 1)]).of("door")
    assert (round(delay.median, 6), round(delay.worst, 6)) == (0.15, 2.0)
    assert round(delay.total, 3) == 102 + 0.15 * (WINDOW - 1)
    assert sum(delay.buckets) == WINDOW + 1
    assert delay.buckets[-1] == 1  # beyond the last bound


def test_a_clock_that_was_set_back_makes_no_negative_latency():
    assert noted([-5.0]).of("door")[:3] == (0.0, 0.0, 0.0)


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=50))
def test_each_frame_is_in_the_first_bucket_that_holds_it(milliseconds):
    buckets = noted([each / 1000 for each in milliseconds]).of("door").buckets
    held = [sum(buckets[: index + 1]) for index in range(len(BOUNDS))]
    # A time in s since 1970 has no more digits than for tenths of µs: what lies on a bound may fall beside it.
    least, most = ([sum(each / 1000 < bound + by for each in milliseconds) for bound in BOUNDS] for by in (-1e-6, 1e-6))
    assert all(low <= count <= high for low, count, high in zip(least, held, most, strict=True))
