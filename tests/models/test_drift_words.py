from dataclasses import replace
from pathlib import Path

from models.drift.tracks import read_samples
from models.drift.words import notes
from tests.outputs import write_output


def test_sources_that_only_one_has_are_named_unless_they_are_many(tmp_path: Path) -> None:
    out = write_output(tmp_path, 15)
    ref, new = read_samples(out, out)
    many = replace(new, keys=[(f"cam{number:02}", track) for number, (_, track) in enumerate(new.keys)])

    assert notes(ref, many) == [
        "Only in REF: door.",
        "Only in NEW: cam00, cam01, cam02, cam03, cam04, cam05, cam06, cam07, cam08, cam09 and 5 more.",
    ]
