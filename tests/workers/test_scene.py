import av
import numpy as np
import pytest

from workers.scene import CAST, FACE, FPS, HEIGHT, WIDTH, expression, frame, portrait


def test_the_clip_is_what_it_says(scene):
    with av.open(str(scene)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (WIDTH, HEIGHT, FPS)
        assert sum(1 for _ in container.decode(stream)) == 6 * FPS
        assert container.metadata["creation_time"].startswith("2024-01-01T12:00:00")


def test_faces_come_and_go_as_told():
    one, two = CAST
    assert one.box(0) is not None
    assert two.box(2.9) is None
    x, y, w, h = two.box(3.0)
    assert x >= 0
    assert y >= 0
    assert x + w <= WIDTH
    assert y + h <= HEIGHT


@pytest.mark.parametrize("time", [1.0, 5.0])
def test_the_true_box_holds_the_portraits_face(time):
    image = portrait()
    marked = image.copy()
    left, top, width, height = (round(value) for value in FACE)
    marked[top : top + height, left : left + width] = 0
    changed = np.argwhere(np.abs(frame(image, time).astype(int) - frame(marked, time)).sum(axis=2) > 60)
    for who in CAST:
        box = who.box(time)
        if box is not None:
            x, y, w, h = box
            here = changed[(changed[:, 1] > x - 20) & (changed[:, 1] < x + w + 20)]
            np.testing.assert_allclose(here.min(axis=0), (y, x), atol=6)
            np.testing.assert_allclose(here.max(axis=0), (y + h, x + w), atol=6)


def test_only_the_face_changes_with_its_expression():
    image = portrait()
    assert (expression(image, 0.0) == image).all()
    changed = np.argwhere((expression(image, 1.0) != image).any(axis=2))
    left, top, width, height = FACE
    assert len(changed) > 100
    assert (changed.min(axis=0) >= (top, left)).all()
    assert (changed.max(axis=0) < (top + height, left + width)).all()
