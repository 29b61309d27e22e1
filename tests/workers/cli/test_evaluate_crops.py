import numpy as np
import pytest


@pytest.fixture
def nobody(tmp_path):
    """Faces in which the detector sees none."""
    path = tmp_path / "nobody.npz"
    votes = np.zeros((3, 8), np.uint8)
    votes[:, 1] = 9
    np.savez(path, images=np.full((3, 48, 48), 120, np.uint8), votes=votes)
    return path


@pytest.mark.parametrize("command", ["alignment", "quality"])
def test_faces_that_are_not_found_are_counted_and_nothing_else(affectstream, nobody, command):
    ended = affectstream("evaluate", command, nobody, "--faces", 2)
    assert ended.code == 0, ended.err
    assert "(2 faces)" in ended.out


@pytest.mark.parametrize("command", ["alignment", "quality"])
def test_a_file_that_is_missing_is_named(affectstream, command):
    ended = affectstream("evaluate", command, "gone.npz")
    assert ended.code == 2
    assert "gone.npz" in ended.err


def test_a_folder_of_photos_that_is_missing_is_named(affectstream, tmp_path):
    ended = affectstream("evaluate", "jitter", "--photos", tmp_path / "nowhere")
    assert ended.code == 2
    assert "nowhere" in ended.err
