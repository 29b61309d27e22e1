from prometheus_client.parser import text_string_to_metric_families

from pipeline.tally import Count
from workers.latency import BOUNDS, Delay
from workers.status import SourceStatus
from workers.web.metrics import exposition

DOOR = SourceStatus(
    "door",
    "live",
    up=True,
    counts=dict(zip(Count, range(1, len(Count) + 1), strict=True)),
    delay=Delay(0.1, 0.4, 12.5, tuple(range(len(BOUNDS) + 1))),
)
GATE = SourceStatus('ga"te\\', "waiting", up=False, reason="no route to the host")


def samples(*statuses):
    """Return the values of a scrape, by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition(statuses).decode())
        for sample in family.samples
    }


def test_every_count_is_told_under_a_name_of_its_own():
    told = samples(DOOR)
    values = [value for (name, *labels), value in told.items() if ("source", "door") in labels and "_total" in name]
    assert sorted(values) == sorted(DOOR.counts.values())
    assert told["affectstream_frames_decoded_total", ("source", "door")] == DOOR.counts[Count.FRAMES]
    assert told["affectstream_dropped_total", ("cause", "stale"), ("source", "door")] == DOOR.counts[Count.STALE]


def test_what_was_never_counted_is_zero_so_that_its_rate_is_known_from_the_first_one_on():
    told = samples(GATE)
    assert told["affectstream_faces_total", ("source", GATE.source)] == 0
    assert told["affectstream_dropped_total", ("cause", "corrupt"), ("source", GATE.source)] == 0


def test_who_is_up():
    told = samples(DOOR, GATE)
    assert told["affectstream_source_up", ("source", "door")] == 1
    assert told["affectstream_source_up", ("source", GATE.source)] == 0


def test_the_histogram_adds_up():
    told = samples(DOOR, GATE)
    buckets = [told["affectstream_latency_seconds_bucket", ("le", f"{bound}"), ("source", "door")] for bound in BOUNDS]
    assert buckets == [sum(range(index + 1)) for index in range(len(BOUNDS))]
    everything = sum(range(len(BOUNDS) + 1))
    assert told["affectstream_latency_seconds_bucket", ("le", "+Inf"), ("source", "door")] == everything
    assert told["affectstream_latency_seconds_count", ("source", "door")] == everything
    assert told["affectstream_latency_seconds_sum", ("source", "door")] == 12.5
    assert ("affectstream_latency_seconds_sum", ("source", GATE.source)) not in told


def test_this_process_is_told_of_too():
    assert samples()["process_resident_memory_bytes",] > 1e7
