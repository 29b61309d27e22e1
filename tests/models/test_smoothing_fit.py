import numpy as np
import pandas as pd
import pytest

from models.smoothing.fit import concentrated, fit, thin
from models.smoothing.series import Track, log_ratios, softmax
from models.smoothing.tracks import read_tracks
from pipeline import messages
from pipeline.errors import InputError
from pipeline.labels import LABELS
from pipeline.messages import Clock, End, Results, Stamp
from pipeline.settings import ParquetSettings
from pipeline.sink.parquet import ParquetWriter
from tests.outputs import write_output


def walk(seed, *, ratio, exponent, scale, count=600):
    """A track of the very model that is fitted."""
    rng = np.random.default_rng(seed)
    pts = np.cumsum(rng.uniform(0.03, 0.05, count))
    quality = rng.uniform(0.2, 1.0, count)
    path = np.cumsum(rng.normal(0, 0.2 * np.sqrt(scale * ratio), (count, 8)), axis=0)
    seen = softmax(path + rng.normal(0, 1, path.shape) * np.sqrt(scale * quality[:, None] ** -exponent))
    return Track(pts, seen, quality)


def test_the_fit_finds_the_parameters_that_made_the_tracks():
    scales = np.array([0.003, 0.01, 0.03])
    # A walk of 0.2 σ sqrt(ratio) a step is ratio a second at 25 fps.
    tracks = [walk(seed, ratio=3.0, exponent=0.7, scale=scale) for seed, scale in enumerate(scales)]

    found = fit(tracks)

    assert found.ratio == pytest.approx(3.0, rel=0.25)
    assert found.exponent == pytest.approx(0.7, abs=0.15)
    assert found.scales == pytest.approx(scales, rel=0.25)


def test_the_likelihood_is_that_of_the_joint_normal_distribution():
    track = walk(0, ratio=2.0, exponent=1.0, scale=0.02, count=40)
    (part,) = thin(track, 0.0)
    pts, ratios, quality = part
    ratio = 1.7
    # Given the first observation, with whose variance the filter begins: a walk from there, plus noise.
    begun = 1 / quality[0] + ratio * np.minimum.outer(pts[1:] - pts[0], pts[1:] - pts[0])
    covariance = begun + np.diag(1 / quality[1:])
    off = ratios[1:] - ratios[0]
    squares = np.sum(off * np.linalg.solve(covariance, off))
    count = 7 * len(off)
    expected = -(7 * np.linalg.slogdet(covariance)[1] + count * np.log(squares / count + 1e-6) + count) / 2

    likelihood, scale = concentrated([part], ratio, 1.0)

    assert likelihood == pytest.approx(expected)
    assert scale == pytest.approx(squares / count)


def test_thinned_tracks_use_every_frame_once():
    track = walk(0, ratio=1.0, exponent=1.0, scale=0.02, count=100)

    parts = thin(track, 0.3)

    assert len(parts) in {7, 8}
    assert sorted(np.concatenate([pts for pts, _, _ in parts])) == track.pts.tolist()
    assert parts[0][1] == pytest.approx(log_ratios(track.seen)[:: len(parts)])


def test_tracks_are_read_in_order_and_short_ones_left_out(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.dirichlet(np.ones(8), 70), columns=[f"p_{label}" for label in LABELS])
    rows["track"] = ["long"] * 60 + ["short"] * 10
    rows["source"] = "door"
    rows["quality"] = 0.5
    rows["pts"] = np.arange(70)[::-1] / 25
    rows.to_parquet(tmp_path / "rows.parquet")

    (track,) = read_tracks(tmp_path)

    assert (np.diff(track.pts) > 0).all()
    assert track.seen == pytest.approx(rows.iloc[59::-1, :8].to_numpy())


def test_an_output_is_read_without_its_table_of_tracks(tmp_path):
    out = write_output(tmp_path, 3, length=60)
    # In a run of its own, since the first is complete.
    first, last = (Stamp("door", "r2", frame, frame / 25, 0, Clock.FILE, 0) for frame in (0, 40))
    summary = messages.Track("door", "r2", "r1-0", first, last, 90, 41, 1.6, (0.125,) * 8, "neutral", 1.0, 0, "net@0")
    writer = ParquetWriter(out, ParquetSettings())
    writer.write(Results(tracks=(summary,), ends=(End("door", "r2", complete=True),)))
    writer.close()
    assert len(pd.read_parquet(out / "tracks")) == 1
    tracks, same = read_tracks(out), read_tracks(out / "emotions")
    assert sum(len(track.pts) for track in tracks) == len(pd.read_parquet(out / "emotions"))
    for track, other in zip(tracks, same, strict=True):
        np.testing.assert_array_equal(track.pts, other.pts)
        np.testing.assert_array_equal(track.seen, other.seen)
        assert np.isfinite(track.seen).all()


def test_an_output_without_rows_is_named(tmp_path):
    writer = ParquetWriter(tmp_path, ParquetSettings())
    writer.write(Results(ends=(End("door", "r1", complete=True),)))
    writer.close()
    with pytest.raises(InputError, match="no rows in") as caught:
        read_tracks(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_folders_without_tracks_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_tracks(tmp_path / "nowhere")
