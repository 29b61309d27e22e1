"""Counts and states of sources in the text format of Prometheus."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.tally import Count
from workers.latency import BOUNDS
from workers.status import SourceStatus

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

TOTALS: Final = {
    Count.FRAMES: ("affectstream_frames_decoded", "Frames decoded."),
    Count.SAMPLED: ("affectstream_frames_analysed", "Frames passed on to the tracker."),
    Count.FACES: ("affectstream_faces", "Faces seen, summed over frames."),
    Count.TRACKS: ("affectstream_tracks", "Tracks ended."),
    Count.RECONNECTS: ("affectstream_reconnects", "Times the source was opened anew."),
    Count.UNPUBLISHED: ("affectstream_records_unpublished", "Records never published because Redis was away."),
}
"""Name and meaning of the counters that have the source as their only label."""

CAUSES: Final = {Count.STALE: "stale", Count.CORRUPT: "corrupt", Count.POISON: "poison"}
"""Values of the label ``cause`` of what is dropped before it becomes rows."""


class _Sources(Collector):
    """Gives the statuses of one moment."""

    def __init__(self, statuses: Sequence[SourceStatus]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("affectstream_info", "Always 1; tells the version.", labels=["version"])
        info.add_metric([version("affectstream")], 1)
        yield info
        meaning = "1 while frames come, 0 while none come or nobody works on it; missing where that cannot be told."
        up = GaugeMetricFamily("affectstream_source_up", meaning, labels=["source"])
        for status in self._statuses:
            if status.up is not None:
                up.add_metric([status.source], float(status.up))
        yield up
        for count, (name, meaning) in TOTALS.items():
            total = CounterMetricFamily(name, meaning, labels=["source"])
            for status in self._statuses:
                total.add_metric([status.source], status.counts.get(count, 0))
            yield total
        dropped = CounterMetricFamily(
            "affectstream_dropped", "Frames or messages that never became rows.", labels=["source", "cause"]
        )
        for status in self._statuses:
            for count, cause in CAUSES.items():
                dropped.add_metric([status.source, cause], status.counts.get(count, 0))
        yield dropped
        yield _latency(self._statuses)


def _latency(statuses: Sequence[SourceStatus]) -> Metric:
    """Histogram of the time from decoded frames to their committed rows, where it is known."""
    family = HistogramMetricFamily(
        "affectstream_latency_seconds", "From the decoded frame to its committed rows.", labels=["source"]
    )
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    for status in statuses:
        if status.delay is not None:
            buckets = list(zip(bounds, accumulate(status.delay.buckets), strict=True))
            family.add_metric([status.source], buckets, status.delay.total)
    return family


def exposition(statuses: Sequence[SourceStatus]) -> bytes:
    """Return all metrics, those of this process (memory, processor time, open files) among them."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Sources(statuses))
    return generate_latest(registry)
