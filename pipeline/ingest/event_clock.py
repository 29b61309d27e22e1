"""Event time of live sources: when frames were taken, by the best clock there is."""

from collections import deque
from datetime import timedelta
from typing import Final

from pipeline.messages import Clock

SKEW: Final = 10.0
"""s between a camera's clock and ours from which on the user is told: more than any frame takes to arrive."""


def skew_in_words(skew: float) -> str | None:
    """Say how far a camera's clock is ahead, s; None where that is not worth a word.

    >>> skew_in_words(7200.3), skew_in_words(-90_000), skew_in_words(-2.0)
    ('2:00:00 ahead of', '1 day, 1:00:00 behind', None)
    """
    if abs(skew) < SKEW:
        return None
    return f"{timedelta(seconds=round(abs(skew)))} {'ahead of' if skew > 0 else 'behind'}"


class WallClock:
    """UTC by this machine's clock, where it may be set at any time.

    It is read once per connection, lest event time jump whenever it is set; unless it is set by more than ``SET``, as
    on a machine that learns the time of day after its start, or that was asleep. A clock that is set forward is
    followed at once. A clock that is set back may be wrong itself (no NTP yet), so it is followed, in one step, only
    once it has stayed there for ``BACK``.
    """

    SET: Final = 1.0
    """s by which the clock must have been set to be followed."""
    BACK: Final = 30.0
    """s for which a clock that was set back must have stayed so."""

    def __init__(self) -> None:
        self.epoch = 0.0
        """UTC when the monotonic clock showed 0, s since 1970."""
        self._taken = False
        """Whether it was read for this connection."""
        self._latest = 0.0
        """``epoch`` by the latest reading alone."""
        self._set_back: float | None = None
        """Monotonic time since when the clock has been behind ``epoch``, s."""

    def resume(self) -> None:
        """Read it anew at the next frame: the source was opened again."""
        self._taken = False

    def follow(self, arrived: float, now: int, least: int) -> bool:
        """Take a reading; return whether UTC steps back with it.

        Args:
            arrived: reading of the monotonic clock, s.
            now: UTC by this machine's clock at the same moment, µs.
            least: UTC, µs, that a new connection begins with at least.
        """
        epoch = now / 1e6 - arrived
        if not self._taken:
            self.epoch = max(epoch, least / 1e6 - arrived, self.epoch)
            self._taken = True
        # At two frames in a row: the process may have slept between its readings of the two clocks.
        elif min(epoch, self._latest) > self.epoch + self.SET:
            self.epoch = min(epoch, self._latest)
        self._latest = epoch
        if epoch >= self.epoch - self.SET:
            self._set_back = None
        elif self._set_back is None:
            self._set_back = arrived
        elif arrived - self._set_back >= self.BACK:
            self.epoch, self._set_back = epoch, None
            return True
        return False


class ArrivalClock:
    """Event time of a live source that does not tell when it captures: first arrival plus media time.

    Frames may come late but never early, so the least late of the last ``WINDOW`` s shows the true offset between
    media time and this machine's monotonic clock. The event time approaches it by ``SLEW`` at most, except where
    it would lie in the future (at once) or has fallen ``LATE`` behind (forward, at once). It never decreases, save
    where the wall clock was set back for good; see ``WallClock``.
    """

    WINDOW: Final = 10.0
    """s of arrivals that are looked at."""
    SLEW: Final = 0.005
    """s that event time may gain on media time per second."""
    LATE: Final = 1.0
    """s of constant lateness that can only mean that the source paused without saying so."""

    def __init__(self, time: int = 0) -> None:
        """``time``: event time to go on from, UTC, µs."""
        self.late = 0.0
        """s by which the latest frame came later than the least late of the ``WINDOW`` s before it."""
        self._wall = WallClock()
        self._offset: float | None = None
        self._delays: deque[tuple[float, float]] = deque()
        """(monotonic time, delay), with delays ascending: the first is the least of the window."""
        self._pts = 0.0
        self._time = time

    def resume(self) -> None:
        """Take a new offset from the next frame: the source was opened again."""
        self._wall.resume()
        self._offset = None
        self._delays.clear()

    def event_time(self, pts: float, arrived: float, now: int) -> int:
        """Return the event time, UTC, µs, of the frame at media time ``pts``.

        Args:
            pts: s.
            arrived: reading of the monotonic clock at arrival, s.
            now: UTC at arrival, µs.
        """
        if self._wall.follow(arrived, now, least=self._time):
            self._time = 0
        delay = arrived - pts
        if self._offset is None:
            self._offset = delay
        self.late = max(0.0, delay - self._delays[0][1]) if self._delays else 0.0
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((arrived, delay))
        while self._delays[0][0] < arrived - self.WINDOW:
            self._delays.popleft()
        error = self._delays[0][1] - self._offset
        if error < 0 or error > self.LATE:
            self._offset += error
        else:
            self._offset += min(error, self.SLEW * max(0.0, pts - self._pts))
        self._pts = pts
        self._time = max(self._time, round((self._wall.epoch + self._offset + pts) * 1e6))
        return self._time


class CameraClock:
    """Event time by the camera's own clock, by which its sender reports date every frame.

    Where a server begins its time stamps anew, as some do for all viewers when another one comes, the last report dates
    frames wrongly until the next. Hence a step of more than ``HOLD`` is believed once it has stood for ``STOOD``; until
    then event time goes on with media time. It never decreases, save where the camera's clock was set back.
    """

    HOLD: Final = 1_000_000
    """µs by which the camera's clock may go back while event time just waits; after a larger step, it was set."""
    STOOD: Final = 10.0
    """s for which a step must have stood; the next report comes within 6.2 s (RFC 3550, 6.2 and 6.3.1)."""

    def __init__(self, time: int = 0) -> None:
        """``time``: event time to go on from, UTC, µs."""
        self._time = time
        self._offset: int | None = None
        """UTC at media time 0 by the camera's clock, µs."""
        self._since: float | None = None
        """Monotonic time since when the reports have told another, s; None while they agree."""

    def resume(self) -> None:
        """Believe what the next frame tells: the source was opened again."""
        self._offset = self._since = None

    def event_time(self, pts: float, captured: int, arrived: float) -> int:
        """Return the event time, UTC, µs, of the frame at media time ``pts``.

        Args:
            pts: s.
            captured: when it was taken, as the latest report has it, UTC, µs.
            arrived: reading of the monotonic clock at arrival, s.
        """
        media = round(pts * 1e6)
        offset = captured - media
        if self._offset is None or abs(offset - self._offset) <= self.HOLD:
            self._offset, self._since = offset, None
        elif self._since is None:
            self._since = arrived
        elif arrived - self._since >= self.STOOD:
            self._offset, self._since = offset, None
        time = self._offset + media
        self._time = self._time if 0 < self._time - time <= self.HOLD else time
        return self._time


class LiveClock:
    """Event time of a live source from the best clock at hand: the camera's own, else arrival."""

    ABSURD: Final = 86_400e6
    """µs between a camera's clock and ours from which on the camera's must be one that nobody has set."""

    def __init__(self, time: int = 0, clock: Clock = Clock.ARRIVAL) -> None:
        """``time``: event time to go on from, UTC, µs, by that ``clock``."""
        self._arrival = ArrivalClock(time if clock is Clock.ARRIVAL else 0)
        self._camera = CameraClock(time if clock is Clock.RTCP else 0)

    @property
    def late(self) -> float:
        """s by which the latest frame came later than it was due by those before it."""
        return self._arrival.late

    def resume(self) -> None:
        """Prepare for a source that was opened again."""
        self._arrival.resume()
        self._camera.resume()

    def event_time(self, pts: float, captured: int | None, arrived: float, now: int) -> tuple[int, Clock]:
        """Return event time, UTC, µs, and where it comes from.

        Within one clock it never decreases, save where that clock was set back; where sender reports begin to tell the
        camera's time, it may step either way.

        Args:
            pts: media time, s.
            captured: when it was taken by the camera's clock, as the latest report has it, UTC, µs; None without one.
            arrived: reading of the monotonic clock at arrival, s.
            now: UTC at arrival, µs.
        """
        time = self._arrival.event_time(pts, arrived, now)
        if captured is None or abs(captured - now) > self.ABSURD:
            return time, Clock.ARRIVAL
        return self._camera.event_time(pts, captured, arrived), Clock.RTCP
