import numpy as np
import pytest

from pipeline.tracker.association import GROWTH, LIMIT, REACH, STRAY, assign, costs, strayed


def faces(*boxes: tuple[float, float, float]) -> np.ndarray:
    """Return measurements of faces given as centre x, centre y, height."""
    return np.array([[x, y, np.log(0.8 * h), np.log(h)] for x, y, h in boxes])


def spread(tracks: np.ndarray, share: float) -> np.ndarray:
    """Return variances of ``share`` face heights and as much in the logarithms."""
    heights = np.exp(tracks[:, 3:])
    return (share * np.hstack([heights, heights, np.ones_like(heights), np.ones_like(heights)])) ** 2


def pairs(tracks, share, detections):
    rows, columns = assign(costs(tracks, spread(tracks, share), detections))
    return dict(zip(rows.tolist(), columns.tolist(), strict=True))


def test_each_gets_its_own():
    tracks = faces((100, 100, 40), (300, 100, 40), (500, 100, 80))
    assert pairs(tracks, 0.1, tracks[[2, 0, 1]]) == {0: 1, 1: 2, 2: 0}


def test_the_likeliest_whole_wins_over_the_nearest_pair():
    tracks = faces((100, 100, 40), (120, 100, 40))
    assert pairs(tracks, 0.2, faces((119, 100, 40), (138, 100, 40))) == {0: 0, 1: 1}


def test_a_small_fast_face_is_found_where_boxes_no_longer_overlap():
    assert pairs(faces((100, 100, 20)), 0.3, faces((130, 100, 20))) == {0: 0}


@pytest.mark.parametrize(
    "detection",
    [
        pytest.param((100 + 41 * REACH, 100, 40), id="too far"),
        pytest.param((100, 100, 41 * np.exp(GROWTH[0] + GROWTH[1] * 0.2)), id="too large"),
        pytest.param((100, 100, 39 * np.exp(-GROWTH[0] - GROWTH[1] * 0.2)), id="too small"),
    ],
)
def test_out_of_reach(detection):
    assert pairs(faces((100, 100, 40)), 0.2, faces(detection)) == {}


@pytest.mark.parametrize("side", [2, 3], ids=["width", "height"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_neither_side_may_grow_or_shrink_out_of_reach(side, sign):
    track = faces((100, 100, 40))
    farthest = GROWTH[0] + GROWTH[1] * 0.05
    for grown, matched in ((0.9 * farthest, {0: 0}), (1.1 * farthest, {})):
        detection = track.copy()
        detection[0, side] += sign * grown
        assert pairs(track, 0.05, detection) == matched


def test_no_pair_costs_more_than_the_limit():
    track = faces((100, 100, 40))
    far = faces(*((100 + x * REACH * 40, 100, 40) for x in (0.2, 0.5, 0.99, 2)))
    cost = costs(track, spread(track, 0.01), far)
    assert (cost <= LIMIT).all()
    assert cost[0, -1] == LIMIT


def test_a_track_keeps_its_own_detection_though_a_hidden_one_would_like_it():
    tracks = faces((100, 100, 40), (140, 110, 40))
    variances = np.vstack([spread(tracks[:1], 0.06), spread(tracks[1:], 0.8)])
    rows, columns = assign(costs(tracks, variances, faces((101, 100, 40), (115, 80, 40))))
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True))[0] == 0


def test_scale_of_the_picture_does_not_matter():
    tracks, detections = faces((100, 100, 40), (150, 90, 55)), faces((110, 105, 42), (160, 90, 50))
    larger = np.array([3, 3, 1, 1]), np.array([0, 0, np.log(3), np.log(3)])
    np.testing.assert_allclose(
        costs(tracks, spread(tracks, 0.1), detections),
        costs(
            tracks * larger[0] + larger[1],
            spread(tracks * larger[0] + larger[1], 0.1),
            detections * larger[0] + larger[1],
        ),
    )


def test_nobody_to_match():
    cost = costs(faces((100, 100, 40)), spread(faces((100, 100, 40)), 0.1), np.empty((0, 4)))
    assert cost.shape == (1, 0)
    assert [len(part) for part in assign(cost)] == [0, 0]
    assert [len(part) for part in assign(np.full((2, 3), LIMIT))] == [0, 0]


def test_a_hidden_face_may_have_stayed_or_walked_on():
    place, pace = np.array([[100.0, 100.0, np.log(50)]]), np.array([[200.0, 0.0]])
    stayed, walked, between, sideways, resized = [100, 100], [300, 100], [200, 100], [200, 175], [200, 100]
    seen = np.array([[*at, np.log(40), np.log(50)] for at in (stayed, walked, between, sideways, resized)], float)
    seen[-1, 3] = np.log(100)
    off = strayed(place, pace, np.array([1.0]), seen)[0]
    np.testing.assert_allclose(off, [0, 0, 0, 1.5 / (STRAY[0] + STRAY[1]), np.inf], atol=1e-9)


def test_the_way_of_a_hidden_face_has_two_ends():
    seen = np.array([[x, 100, np.log(40), np.log(50)] for x in (50, 400)], float)
    off = strayed(np.array([[100.0, 100.0, np.log(50)]]), np.array([[200.0, 0.0]]), np.array([1.0]), seen)
    np.testing.assert_allclose(off, np.array([[1, 2]]) / (STRAY[0] + STRAY[1]))


def test_a_face_that_was_long_hidden_may_not_be_anywhere():
    seen = np.array([[100.0 + 50 * STRAY[2], 100.0, np.log(40), np.log(50)]])
    off = strayed(np.array([[100.0, 100.0, np.log(50)]]), np.zeros((1, 2)), np.array([60.0]), seen)
    np.testing.assert_allclose(off, [[1]])


def test_a_face_at_rest_has_a_place_and_no_way():
    seen = np.array([[100.0, 130.0, np.log(40), np.log(50)]])
    off = strayed(np.array([[100.0, 100.0, np.log(50)]]), np.zeros((1, 2)), np.zeros(1), seen)
    np.testing.assert_allclose(off, [[0.6 / STRAY[0]]])
