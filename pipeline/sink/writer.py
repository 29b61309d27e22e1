"""What the sink's results are handed to."""

from typing import NamedTuple, Protocol

from pipeline.messages import Results


class Frontier(NamedTuple):
    """How far a run has durably come."""

    frame: int = -1
    """Last frame whose rows are written; -1 if none is."""
    complete: bool = False
    """Whether the run was written to its end."""


class Writer(Protocol):
    """Writes results once each, however often a run is repeated.

    After ``close`` nothing is written any more, by whichever thread: ``write`` raises ``Closed``, and ``tick`` and
    ``close`` do nothing.
    """

    def write(self, results: Results) -> None:
        """Take one frame's results; what an earlier process has durably written is passed over.

        Raises:
            Closed: the writer is closed.
            OutputError: a file cannot be written.
            BrokerError: Redis refuses for good.
        """
        ...

    def frontier(self, source: str, run: str) -> Frontier:
        """Return how far a run has durably come."""
        ...

    def tick(self) -> None:
        """Make durable what has waited for long enough; called about once a second, from any thread."""
        ...

    def close(self) -> None:
        """Make durable what can be, and let go of files and connections."""
        ...


def position(results: Results) -> int:
    """Return the number of the frame to which results belong; -1 for those of an end alone."""
    if results.emotions:
        return results.emotions[-1].stamp.frame
    if results.tracks:
        return results.tracks[-1].settled
    return -1
