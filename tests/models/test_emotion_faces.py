from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.emotion.faces import read_faces
from pipeline.errors import InputError

IMAGES = np.zeros((3, 48, 48), np.uint8)
VOTES = np.array([[8, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 5, 5, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 4, 0, 0, 0, 0, 6, 0]])


def save(folder: Path, **held: Any) -> Path:
    path = folder / "faces.npz"
    np.savez(path, **held)
    return path


def test_npz_fills_eight_votes_up_to_ten(tmp_path: Path) -> None:
    faces = read_faces(save(tmp_path, images=IMAGES, votes=VOTES[:, :8].astype(np.float32)))
    assert faces.votes.shape == (3, 10)
    assert faces.votes[:, :8].tolist() == VOTES[:, :8].tolist()
    assert not faces.votes[:, 8:].any()


NAN = np.where(VOTES == 5, np.nan, VOTES)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"images": IMAGES}, "no array votes"),
        ({"pictures": IMAGES}, "no array images and no array votes"),
        ({"images": IMAGES[:, :40], "votes": VOTES}, r"\(n, 48, 48\).*not \(3, 40, 48\)"),
        ({"images": IMAGES[:0], "votes": VOTES[:0]}, "n > 0"),
        ({"images": IMAGES.astype(np.float32), "votes": VOTES}, "uint8.*not float32"),
        ({"images": IMAGES, "votes": VOTES[:, :9]}, r"\(n, 8\) or \(n, 10\)"),
        ({"images": IMAGES, "votes": VOTES[:2]}, "3 images but 2 rows"),
        ({"images": IMAGES, "votes": VOTES.astype(str)}, "must be numbers"),
        ({"images": IMAGES, "votes": NAN}, "NaN.*row 1"),
        ({"images": IMAGES, "votes": VOTES - 1}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES / 3}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES * 0}, "no row has a vote"),
        ({"images": np.array([{}]), "votes": VOTES}, "not an .npz of plain numbers"),
    ],
)
def test_npz_says_what_is_wrong(tmp_path: Path, held: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_faces(save(tmp_path, **held))
    assert "faces.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_npz_refuses_what_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    with pytest.raises(InputError, match="No such file"):
        read_faces(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"not an \.npz"):
        read_faces(path)
    path.write_text("neutral,happiness\n")
    with pytest.raises(InputError, match=r"not an \.npz"):
        read_faces(path)
    whole = save(tmp_path, images=IMAGES, votes=VOTES).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"not an \.npz"):
        read_faces(path)
    np.save(tmp_path / "one.npy", IMAGES)
    with pytest.raises(InputError, match="single array"):
        read_faces(tmp_path / "one.npy")
