import numpy as np
import pandas as pd
import pytest

from models.smoothing.fit import concentrated, fit, thin
from models.smoothing.series import Track, log_ratios, softmax
from models.smoothing.tracks import read_tracks
from pipeline.errors import InputError
from pipeline.labels import LABELS


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


def test_folders_without_tracks_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_tracks(tmp_path / "nowhere")
