"""What a follower remembers, as it is stored."""

import msgspec

from pipeline.tracker.follower import LAYOUT, FollowerMemory
from pipeline.tracker.kalman import Motion
from pipeline.tracker.track import ActiveTrack
from pipeline.tracker.tracker import TrackerMemory

LAYOUTS = {
    4: (
        (FollowerMemory, "following given last unsearched"),
        (TrackerMemory, "tracks pts confirmed searched searches"),
        (
            ActiveTrack,
            "motion landmarks variance first last place pace score search appearance sightings number",
        ),
        (Motion, "x P"),
    )
}
"""Fields of all that is stored, by version: those of another version must be another number's."""


def test_what_is_stored_is_what_its_version_says():
    for struct, names in LAYOUTS[LAYOUT]:
        assert [field.encode_name for field in msgspec.structs.fields(struct)] == names.split()
