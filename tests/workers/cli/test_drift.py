"""``affectstream drift``, as a user meets it."""

import json

import pytest

from tests.outputs import SHARES, write_output


@pytest.fixture(scope="module")
def outs(tmp_path_factory):
    root = tmp_path_factory.mktemp("outs")
    ref, new = root / "ref", root / "new"
    write_output(ref, 60, seed=1)
    write_output(ref, 20, seed=2, source="hall", run="h1")
    write_output(new, 60, seed=3, run="r2", shares=(0.2, 0.4, *SHARES[2:]), model="net@new")
    write_output(new, 20, seed=4, source="gate", run="g1", model="net@new")
    return ref, new


def test_the_help_says_how_shifts_are_called_and_when_it_fails(affectstream):
    ended = affectstream("drift", "--help")
    assert ended.code == 0
    for words in ("PSI", "Jensen-Shannon", "by chance", "--fail-on", "affectstream drift results-may results-june"):
        assert words in ended.out


def test_what_moved_is_said_in_words_in_a_table_and_as_json(affectstream, outs, tmp_path):
    ref, new = outs
    ended = affectstream("drift", ref, new, "--json", tmp_path / "drift.json")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"REF  {ref}: 2 sources, 80 tracks, ")
    assert lines[2].startswith("The networks differ (net@0123456789ab; net@new)")
    assert "Drift: 2 large" in ended.out or "Drift: 3 large" in ended.out
    assert "Happiness rose from 0.2" in ended.out
    assert "Neutral fell from 0." in ended.out
    assert "large shift." in ended.out
    assert "face size, px" in ended.out
    told = json.loads((tmp_path / "drift.json").read_text())
    assert told["ref"]["tracks"] == told["new"]["tracks"] == 80
    (found,) = told["comparisons"]
    assert found["source"] is None
    shifts = {shift["quantity"]: shift for shift in found["shifts"]}
    happiness = shifts["happiness"]
    assert happiness["size"] == "large"
    assert happiness["change"]["low"] > 0
    line = next(line for line in found["sentences"] if line.startswith("Happiness"))
    change = happiness["change"]
    assert f"({change['low']:.2f} to {change['high']:.2f} more)" in line
    assert shifts["dominant"]["ref"] is None
    assert sum(pair[0] for pair in found["dominant"].values()) == pytest.approx(1)


def test_it_fails_only_on_what_it_was_asked_to(affectstream, outs):
    ref, new = outs
    assert affectstream("drift", ref, new, "--fail-on", "large").code == 3
    assert affectstream("drift", ref, new, "--fail-on", "moderate").code == 3
    assert affectstream("drift", ref, ref, "--fail-on", "moderate").code == 0
    assert affectstream("drift", ref, new, "--fail-on", "small").code == 2


def test_an_output_beside_itself_has_not_moved(affectstream, outs):
    ended = affectstream("drift", outs[0], outs[0])
    assert ended.code == 0
    assert "No drift: all distributions are the same." in ended.out
    assert "80 tracks of 80 and 80 are in both." in ended.out


def test_where_nothing_differs_few_tracks_are_enough_to_say_so(affectstream, tmp_path):
    out = write_output(tmp_path, 5)
    ended = affectstream("drift", out, out, "--fail-on", "large")
    assert "No drift: all distributions are the same." in ended.out
    assert ended.code == 0


def test_sources_are_compared_apart(affectstream, outs, tmp_path):
    ended = affectstream("drift", *outs, "--by", "source", "--json", tmp_path / "drift.json")
    assert ended.code == 0, ended.err
    assert "door: Drift: " in ended.out
    assert [each["source"] for each in json.loads((tmp_path / "drift.json").read_text())["comparisons"]] == ["door"]
    other = write_output(tmp_path / "other", 20, source="attic")
    ended = affectstream("drift", outs[0], other, "--by", "source")
    assert ended.code == 2
    assert "no source in common" in ended.err


def test_sources_that_only_one_has_are_told_and_may_be_left_out(affectstream, outs):
    ended = affectstream("drift", *outs)
    assert "Only in REF: hall." in ended.out
    assert "Only in NEW: gate." in ended.out
    ended = affectstream("drift", *outs, "--source", "door")
    assert "Only in" not in ended.out
    assert "1 source, 60 tracks" in ended.out
    ended = affectstream("drift", *outs, "--source", "door", "--source", "haal")
    assert ended.code == 2
    assert "no source 'haal'" in ended.err
    assert "there are: door, gate, hall" in ended.err


def test_it_says_what_chance_was_reckoned_over(affectstream, outs, tmp_path):
    assert "Every track counts as another person's." in affectstream("drift", *outs).out
    ended = affectstream("drift", *outs, "--unit", "run", "--fail-on", "large")
    assert ended.code == 4
    assert "Too few runs to tell: REF has 2 and NEW 2, and each must have 10." in ended.out
    for run in range(10):
        write_output(tmp_path, 3, seed=run, run=f"r{run}", source=f"clip{run}")
    ended = affectstream("drift", tmp_path, tmp_path, "--unit", "run", "--json", tmp_path / "drift.json")
    (found,) = json.loads((tmp_path / "drift.json").read_text())["comparisons"]
    assert (found["unit"], found["units"]) == ("run", [10, 10])


def test_where_only_the_rate_of_tracks_moved_nothing_is_said_to_be_the_same(affectstream, tmp_path):
    ref = write_output(tmp_path / "ref", 40, seed=1, pause=10)
    new = write_output(tmp_path / "new", 40, seed=2, pause=60)
    ended = affectstream("drift", ref, new)
    assert "No drift" not in ended.out
    assert "Fewer tracks per hour; nothing else moved further than chance would move it." in ended.out
    assert "so perhaps the same" not in ended.out


def test_two_networks_on_the_same_faces_are_compared_face_by_face(affectstream, tmp_path):
    ref = write_output(tmp_path / "ref", 12, seed=1)
    new = write_output(tmp_path / "new", 12, seed=1, run="r2", model="net@new", biased=0.1)
    ended = affectstream("drift", ref, new, "--json", tmp_path / "drift.json")
    told = json.loads((tmp_path / "drift.json").read_text())["paired"]
    assert told["rows"] == [told["both"]] * 2
    assert f"the dominant label is the same in {told['agreement']:.1%};" in ended.out
    assert f"happiness {told['differences']['happiness']:.4f}" in ended.out


def test_replays_of_one_clip_have_too_few_tracks_but_their_settings_are_told(affectstream, scene, tmp_path):
    every, some = tmp_path / "every", tmp_path / "some"
    assert affectstream("replay", scene, "--out", every, "--redis", "none").code == 0
    assert affectstream("replay", scene, "--out", some, "--redis", "none", "--fps", 5).code == 0
    ended = affectstream("drift", every, some, "--fail-on", "moderate")
    assert ended.code == 4, ended.err
    assert affectstream("drift", every, some).code == 0
    assert "Too few tracks to tell: REF has 2 and NEW 2" in ended.out
    assert "frame rates or settings differ" in ended.out
    assert "PSI, 95 %" not in ended.out


def test_what_cannot_be_compared_or_written_is_named(affectstream, outs, tmp_path):
    ended = affectstream("drift", tmp_path / "nowhere", outs[1])
    assert ended.code == 2
    assert "no Parquet in" in ended.err
    assert "nowhere" in ended.err
    ended = affectstream("drift", *outs, "--json", tmp_path / "no" / "a.json")
    assert ended.code == 1
    assert "cannot write" in ended.err
