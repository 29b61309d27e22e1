"""Every form of labelled faces, read back from files made here; and the real ones where they are at hand."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion.faces import LabelledFaces, read_faces
from models.emotion.faces.labelled import COLUMNS
from models.emotion.faces.names import SYNONYMS, column
from models.emotion.metrics import truth
from pipeline.errors import InputError
from pipeline.labels import LABELS

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 48, 48), np.uint8)
VOTES = np.array([[8, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 5, 5, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 4, 0, 0, 0, 0, 6, 0]])
FERPLUS = ("Usage", "Image name", *LABELS, "unknown", "NF")


def save(folder: Path, **held: Any) -> Path:
    path = folder / "faces.npz"
    np.savez(path, **held)
    return path


def write(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def picture(path: Path, image: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def pixels(image: np.ndarray[Any, Any]) -> str:
    return " ".join(map(str, image.ravel().tolist()))


def fails(message: str, path: Path, votes: Path | None = None, **options: Any) -> None:
    """Asserts that reading ends in one line that matches and names the file."""
    with pytest.raises(InputError, match=message) as caught:
        read_faces(path, votes, **options)
    assert path.name in str(caught.value) or (votes is not None and votes.name in str(caught.value))
    assert "\n" not in str(caught.value)


# An npz of votes


def test_npz_fills_eight_votes_up_to_ten(tmp_path: Path) -> None:
    faces = read_faces(save(tmp_path, images=IMAGES, votes=VOTES[:, :8].astype(np.float32)))
    assert faces.votes.shape == (3, 10)
    assert faces.votes[:, :8].tolist() == VOTES[:, :8].tolist()
    assert not faces.votes[:, 8:].any()
    assert (faces.images == IMAGES).all()
    assert (faces.labels, faces.people, faces.part, faces.name) == (LABELS, None, None, "faces")
    assert faces.description.startswith("3 faces, votes for neutral, happiness, ")


def test_taking_rows_takes_their_votes_and_people(tmp_path: Path) -> None:
    faces = read_faces(save(tmp_path, images=IMAGES, votes=VOTES, subjects=np.array([7, 9, 7])))
    part = faces.take(faces.people == "7") if faces.people is not None else faces
    assert len(part) == 2
    assert part.people is not None
    assert (part.people.tolist(), part.votes.tolist()) == (["7", "7"], VOTES[[0, 2]].tolist())
    assert (part.images == IMAGES[[0, 2]]).all()
    assert part.labels == faces.labels


def test_votes_of_one_for_each_face_are_single_labels(tmp_path: Path) -> None:
    faces = read_faces(save(tmp_path, images=IMAGES, votes=np.eye(8, dtype=int)[[3, 1, 3]]))
    assert truth(faces.votes).kept.all()
    assert truth(faces.votes).majority.tolist() == [3, 1, 3]
    assert faces.description.startswith("3 faces, one label each of ")


NAN = np.where(VOTES == 5, np.nan, VOTES)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"images": IMAGES}, "no array votes"),
        ({"pictures": IMAGES}, "no array images and no array votes"),
        ({"images": IMAGES[:, :40], "votes": VOTES}, r"\(n, 48, 48\).*not \(3, 40, 48\)"),
        ({"images": IMAGES[:0], "votes": VOTES[:0]}, "n > 0"),
        ({"images": np.stack([IMAGES] * 3, -1), "votes": VOTES}, r"\(n, 48, 48\).*not \(3, 48, 48, 3\)"),
        ({"images": IMAGES.astype(np.float32), "votes": VOTES}, "uint8.*not float32"),
        ({"images": IMAGES.astype(np.uint16), "votes": VOTES}, "uint8.*not uint16"),
        ({"images": IMAGES, "votes": VOTES[:, :9]}, r"\(n, 8\) or \(n, 10\)"),
        ({"images": IMAGES, "votes": VOTES[:2]}, "3 images but 2 rows"),
        ({"images": IMAGES, "votes": VOTES.astype(str)}, "must be numbers"),
        ({"images": IMAGES, "votes": NAN}, "NaN.*row 1"),
        ({"images": IMAGES, "votes": VOTES - 1}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES / 3}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES * 1e300}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES * 0}, "no row has a vote"),
        ({"images": IMAGES, "votes": VOTES, "subjects": np.array(["A"])}, r"subjects.*\(3,\), not"),
        ({"images": np.array([{}]), "votes": VOTES}, "not an .npz of plain numbers"),
        ({"images": IMAGES, "labels": [0, 1, 0]}, "no array names"),
        ({"images": IMAGES, "labels": [0, 1, 2], "names": ["happy", "sad"]}, "label 2 of row 2 has none of the 2"),
        ({"images": IMAGES, "labels": [0, -1, 1], "names": ["happy", "sad"]}, "label -1 of row 1"),
        ({"images": IMAGES, "labels": [0.0, 1, 0], "names": ["happy", "sad"]}, "whole numbers.*float64"),
        ({"images": IMAGES, "labels": [0, 1], "names": ["happy", "sad"]}, r"whole numbers \(3,\), not .*\(2,\)"),
        ({"images": IMAGES, "labels": [0, 1, 0], "names": [1, 2]}, "names must be text"),
        ({"images": IMAGES, "labels": [0, 1, 0], "names": ["happy", "bored"]}, "'bored'.*known: neutral, .*happiness"),
    ],
)
def test_npz_says_what_is_wrong(tmp_path: Path, held: dict[str, Any], message: str) -> None:
    fails(message, save(tmp_path, **held))


def test_npz_refuses_what_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    fails("No such file", path)
    path.write_bytes(b"")
    fails(r"not an \.npz", path)
    path.write_text("neutral,happiness\n")
    fails(r"not an \.npz", path)
    whole = save(tmp_path, images=IMAGES, votes=VOTES).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    fails(r"not an \.npz", path)
    np.save(tmp_path / "one.npy", IMAGES)
    fails("single array", tmp_path / "one.npy")


def test_npz_has_no_parts_and_takes_no_other_votes(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES, votes=VOTES)
    fails("no parts; leave 'Training' out", path, part="Training")
    fails("go with FER2013's csv", path, tmp_path / "fer2013new.csv")


# An npz of labels


def test_labels_with_names_become_votes_that_the_protocol_keeps(tmp_path: Path) -> None:
    held = {"names": ["angry", "Happy", "surprised"], "labels": np.array([2, 0, 1], np.uint8), "subjects": list("abb")}
    faces = read_faces(save(tmp_path, images=IMAGES, **held))
    said = truth(faces.votes)
    assert said.kept.all()
    assert [LABELS[index] for index in said.majority] == ["surprise", "anger", "happiness"]
    assert said.weight.tolist() == [1, 1, 1]
    assert faces.labels == ("happiness", "surprise", "anger")
    assert faces.people is not None
    assert faces.people.tolist() == ["a", "b", "b"]
    assert faces.description == "3 faces, one label each of happiness, surprise, anger, 2 people"


def test_every_name_is_known_in_any_writing() -> None:
    for index, name in enumerate(COLUMNS):
        for known in (name, *SYNONYMS[name]):
            assert column(known) == column(known.upper()) == column(f" {known.replace('-', '_')} ") == index
    assert column("bored") is None
    assert column("") is None


# FER2013


def fer2013(folder: Path, usages: Sequence[str] = ("Training", "PublicTest", "Training")) -> Path:
    rows = [(emotion, pixels(image), usage) for emotion, image, usage in zip((6, 3, 0), IMAGES, usages, strict=True)]
    return write(folder / "fer2013.csv", [("emotion", "pixels", "Usage"), *rows])


def ferplus(folder: Path, names: Sequence[str] = ("fer0.png", "fer1.png", "")) -> Path:
    usages = ("Training", "PublicTest", "Training")
    rows = [(usage, name, *votes) for usage, name, votes in zip(usages, names, VOTES, strict=True)]
    return write(folder / "fer2013new.csv", [FERPLUS, *rows])


def test_fer2013_has_one_label_for_each_face(tmp_path: Path) -> None:
    faces = read_faces(fer2013(tmp_path))
    assert (faces.images == IMAGES).all()
    assert faces.images.dtype == np.uint8
    assert [LABELS[index] for index in truth(faces.votes).majority] == ["neutral", "happiness", "anger"]
    assert truth(faces.votes).kept.all()
    assert faces.labels == LABELS[:7]
    assert (faces.part, faces.people, faces.name) == (None, None, "fer2013")


def test_a_part_of_fer2013_is_chosen_by_its_usage(tmp_path: Path) -> None:
    faces = read_faces(fer2013(tmp_path), part="training")
    assert (faces.images == IMAGES[[0, 2]]).all()
    assert (faces.part, faces.name) == ("Training", "fer2013 Training")
    fails("no rows of Usage 'PrivateTest'; it has: Training, PublicTest", fer2013(tmp_path), part="PrivateTest")


def test_votes_of_ferplus_take_the_place_of_the_emotion(tmp_path: Path) -> None:
    faces = read_faces(fer2013(tmp_path), ferplus(tmp_path))
    # The third picture has no name: FER+ leaves it out.
    assert (faces.images == IMAGES[:2]).all()
    assert faces.votes.tolist() == VOTES[:2].tolist()
    assert faces.labels == LABELS
    part = read_faces(fer2013(tmp_path), ferplus(tmp_path), part="PublicTest")
    assert part.votes.tolist() == [VOTES[1].tolist()]


def test_columns_of_fer2013_may_have_spaces_and_no_usage(tmp_path: Path) -> None:
    path = write(tmp_path / "icml.csv", [("emotion", " Usage", " pixels"), (1, "PublicTest", pixels(IMAGES[0]))])
    assert truth(read_faces(path, part="PublicTest").votes).majority.tolist() == [LABELS.index("disgust")]
    bare = write(tmp_path / "train.csv", [("emotion", "pixels"), (2, pixels(IMAGES[0]))])
    assert truth(read_faces(bare).votes).majority.tolist() == [LABELS.index("fear")]
    fails("no column Usage", bare, part="Training")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((7, pixels(IMAGES[0]), "Training"), "line 3: emotion must be a number 0-6 .*'7'"),
        (("nan", pixels(IMAGES[0]), "Training"), "line 3: emotion .*'nan'"),
        ((0, pixels(IMAGES[0][:, 1:]), "Training"), "line 3: 2256 pixels, not 2304"),
        ((0, pixels(IMAGES[0]) + " nan", "Training"), "line 3: pixels must be whole numbers 0-255"),
        ((0, pixels(IMAGES[0]) + " 256", "Training"), "line 3: pixels must be whole numbers 0-255"),
        ((0, "", "Training"), "line 3: 0 pixels"),
        ((0, pixels(IMAGES[0])), "line 3 has 2 values, not one for each of the 3 columns"),
    ],
)
def test_fer2013_says_which_row_is_wrong(tmp_path: Path, cells: tuple[Any, ...], message: str) -> None:
    rows = [("emotion", "pixels", "Usage"), (0, pixels(IMAGES[0]), "Training"), cells]
    fails(message, write(tmp_path / "fer2013.csv", rows))


def test_fer2013_and_ferplus_must_fit(tmp_path: Path) -> None:
    path, votes = fer2013(tmp_path), ferplus(tmp_path)
    fails("line 3: Usage is 'Training' but 'PublicTest'", fer2013(tmp_path, ("Training", "Training", "x")), votes)
    path = fer2013(tmp_path)
    lines = votes.read_text().splitlines()
    votes.write_text("\n".join(lines[:3]))
    fails("3 rows but .* has 2", path, votes)
    votes.write_text("\n".join([*lines, lines[1]]))
    fails("3 rows but .* has 4", path, votes)
    votes.write_text("\n".join([lines[0].replace("fear", "feer"), *lines[1:]]))
    fails("no column fear", path, votes)
    votes.write_text("\n".join([*lines[:3], lines[3].replace("4", "4.5")]))
    fails(r"fer2013new.csv' line 4: sadness must be a count .*'4.5'", path, votes)
    fails(r"votes of FER\+ but no pictures", votes)
    fails("names no picture", path, ferplus(tmp_path, ("", "", "")))
    fails("No such file", path, tmp_path / "none.csv")


# Folders of pictures


def test_folder_of_classes(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    picture(root / "Happy" / "a.png", IMAGES[0])
    picture(root / "happiness" / "b.PNG", IMAGES[1])
    picture(root / "angry" / "c.bmp", IMAGES[2])
    (root / ".cache").mkdir()
    (root / "angry" / "notes.txt").write_text("no picture")
    (root / "labels.csv").write_text("left alone")
    told: list[float] = []
    faces = read_faces(root, progress=told.append)
    assert [LABELS[index] for index in truth(faces.votes).majority] == ["happiness", "anger", "happiness"]
    assert (faces.images == IMAGES[[0, 2, 1]]).all()
    assert (faces.labels, faces.name, faces.people) == (("happiness", "anger"), "mine", None)
    assert told == [1 / 3, 2 / 3, 1]


def test_folder_in_parts(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "sad" / "a.png", IMAGES[0])
    picture(tmp_path / "test" / "fear" / "a.png", IMAGES[1])
    faces = read_faces(tmp_path, part="test")
    assert (faces.labels, faces.part, len(faces)) == (("fear",), "test", 1)
    fails("'.*test' is the folder of no known class; known: neutral", tmp_path)
    with pytest.raises(InputError, match=r"folder '.*valid' cannot be read: No such file"):
        read_faces(tmp_path, part="valid")


def test_pictures_of_any_kind_become_luma(tmp_path: Path) -> None:
    """Every way to store one gray ramp gives the same face."""
    ramp = np.repeat(np.arange(48, dtype=np.uint8)[None] * 5, 48, 0)
    gray = tmp_path / "gray" / "neutral" / "a.png"
    deep, colour, large, wide = (gray.parents[2] / name / "neutral" / "a.png" for name in ("16", "rgb", "96", "wide"))
    picture(gray, ramp)
    picture(deep, ramp.astype(np.uint16) * 257)
    picture(colour, cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGRA))
    picture(large, np.kron(ramp, np.ones((2, 2), np.uint8)))
    picture(wide, np.pad(ramp, ((0, 0), (10, 10)), constant_values=99))
    for path in (gray, deep, colour, large, wide):
        assert (read_faces(path.parents[1]).images[0] == ramp).all(), path


def test_pictures_are_shrunk_by_area_and_colour_by_bt601(tmp_path: Path) -> None:
    board = np.zeros((144, 144), np.uint8)
    board[::3, ::3] = 9 * 20  # one of the nine px that each px is the mean of
    picture(tmp_path / "board" / "fear" / "a.png", board)
    assert (read_faces(tmp_path / "board").images == 20).all()
    red = np.zeros((48, 48, 3), np.uint8)
    red[..., 2] = 200
    picture(tmp_path / "red" / "fear" / "a.png", red)
    assert (read_faces(tmp_path / "red").images == round(0.299 * 200)).all()
    small = np.full((20, 30), 77, np.uint8)
    picture(tmp_path / "small" / "fear" / "a.png", small)
    assert (read_faces(tmp_path / "small").images == 77).all()


def test_folder_says_what_is_wrong(tmp_path: Path) -> None:
    fails("has no folders", tmp_path)
    empty = tmp_path / "empty"
    (empty / "sad").mkdir(parents=True)
    with pytest.raises(InputError, match=r"sad' has no pictures .*fill or remove it"):
        read_faces(empty)
    damaged = picture(tmp_path / "damaged" / "sad" / "a.png", IMAGES[0])
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(InputError, match=r"a\.png' is no picture that can be read"):
        read_faces(tmp_path / "damaged")
    damaged.write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png' is no picture that can be read"):
        read_faces(tmp_path / "damaged")
    picture(tmp_path / "float" / "sad" / "a.tiff", np.zeros((48, 48), np.float32))
    with pytest.raises(InputError, match=r"a\.tiff' has pixels of float32; convert"):
        read_faces(tmp_path / "float")
    picture(tmp_path / "unknown" / "unknown" / "a.png", IMAGES[0])
    fails("no row has a vote for any of the eight", tmp_path / "unknown")


# A csv of votes


def test_csv_of_votes(tmp_path: Path) -> None:
    for row in range(2):
        picture(tmp_path / "faces" / f"{row}.png", IMAGES[row])
    header = ("image", "sad", "happy", "unknown", "subject")
    path = write(tmp_path / "votes.csv", [header, ("faces/0.png", 2, "7.0", 1, "A"), ("faces/1.png", 4, 0, 0, "B")])
    told: list[float] = []
    faces = read_faces(path, progress=told.append)
    assert (faces.images == IMAGES[:2]).all()
    assert faces.votes.tolist() == [[0, 7, 0, 2, 0, 0, 0, 0, 1, 0], [0, 0, 0, 4, 0, 0, 0, 0, 0, 0]]
    assert faces.labels == ("happiness", "sadness")
    assert faces.people is not None
    assert faces.people.tolist() == ["A", "B"]
    assert told
    assert told[-1] == 1
    fails("no parts", path, part="Training")


GOOD = ("faces/0.png", 2, 7)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (("image", "sad", "happy"), ("faces/0.png", 0, 0), "line 2: no votes for 'faces/0.png'"),
        (("image", "sad", "happy"), ("faces/9.png", 1, 7), "line 2: picture '.*9.png' cannot be read: No such file"),
        (("image", "sad", "happy"), ("faces/0.png", 1, "nan"), "line 2: happy must be a count .*'nan'"),
        (("image", "sad", "happy"), ("faces/0.png", 1, "1e300"), "line 2: happy must be a count"),
        (("image", "sad", "happy"), ("faces/0.png", -1, 2), "line 2: sad must be a count"),
        (("image", "sad", "happy"), ("faces/0.png", "", 2), "line 2: sad must be a count"),
        (("image", "sad", "happy"), ("faces/0.png", 1), "line 2 has 2 values"),
        (("picture", "sad", "happy"), GOOD, "one column of picture files .*it has: 'picture'"),
        (("image", "path", "happy"), GOOD, "one column of picture files"),
        (("image", "sad", "hapy"), GOOD, "column 'hapy' is no label; .*known|one of: neutral"),
        (("image", "sad", "sadness"), GOOD, "two columns for sadness"),
        (("image", "sad", "sad"), GOOD, "the column 'sad' twice"),
    ],
)
def test_csv_of_votes_says_what_is_wrong(
    tmp_path: Path, header: tuple[str, ...], row: tuple[Any, ...], message: str
) -> None:
    picture(tmp_path / "faces" / "0.png", IMAGES[0])
    fails(message, write(tmp_path / "votes.csv", [header, row]))


def test_csv_must_have_text_a_header_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    fails("cannot be read: No such file", path)
    path.write_text("")
    fails("is empty", path)
    path.write_text("image,happy\n")
    fails("no rows below its header", path)
    path.write_text("emotion,pixels\n")
    fails("no rows below its header", path)
    path.write_text("image\n")
    fails("no column of votes", path)
    path.write_bytes(b"image,happy\n\xff\xfe,3\n")
    fails("no csv: not text in UTF-8", path)
    path.write_text("image,happy\n" + "x" * 200_000 + ",1\n")
    fails("no csv: field larger than", path)


# Properties

counts = st.lists(st.integers(0, 12), min_size=10, max_size=10)


@settings(max_examples=30)
@given(st.lists(st.tuples(counts, st.booleans(), st.sampled_from(["Training", "PublicTest"])), min_size=1, max_size=6))
def test_what_is_written_as_ferplus_is_read_back(rows: list[tuple[list[int], bool, str]]) -> None:
    images = np.random.default_rng(len(rows)).integers(0, 256, (len(rows), 48, 48), np.uint8)
    named = np.array([name for _, name, _ in rows])
    votes = np.array([cast for cast, _, _ in rows])
    with TemporaryDirectory() as name:
        folder = Path(name)
        given_pixels = [
            ("pixels", "Usage"),
            *((pixels(image), row[2]) for image, row in zip(images, rows, strict=True)),
        ]
        given_votes = [FERPLUS, *((usage, "x.png" if name else "", *cast) for cast, name, usage in rows)]
        path, plus = write(folder / "a.csv", given_pixels), write(folder / "b.csv", given_votes)
        if not votes[named, :8].any():
            fails("names no picture|no row has a vote", path, plus)
            return
        faces = read_faces(path, plus)
        assert (faces.images == images[named]).all()
        factor = 10 if (votes[named].sum(1) == 1).all() else 1
        assert (faces.votes == votes[named] * factor).all()


def valid(faces: LabelledFaces) -> None:
    assert faces.images.shape == (len(faces), 48, 48)
    assert faces.images.dtype == np.uint8
    assert faces.votes.shape == (len(faces), 10)
    assert (faces.votes >= 0).all()
    assert faces.votes[:, :8].any()


cells = st.one_of(
    st.sampled_from(["faces/0.png", pixels(IMAGES[0]), "3", "0", "1.0", "nan", "-1", "", '"', "1e9", "\0", "é"]),
    st.text(max_size=8),
)
headers = st.sampled_from(["image", "pixels", "emotion", "Usage", "happy", "sad", "NF", "subject", "Image name", "x"])


@settings(max_examples=150)
@given(st.lists(headers, min_size=1, max_size=4), st.lists(st.lists(cells, max_size=4), max_size=3), st.booleans())
def test_whatever_a_csv_holds_it_is_read_or_refused_in_one_line(
    header: list[str], rows: list[list[str]], quoted: bool
) -> None:
    out = io.StringIO()
    if quoted:
        csv.writer(out).writerows([header, *rows])
    else:
        out.write("\n".join(",".join(row) for row in [header, *rows]))
    with TemporaryDirectory() as name:
        picture(Path(name) / "faces" / "0.png", IMAGES[0])
        path = Path(name) / "a.csv"
        path.write_bytes(out.getvalue().encode("utf-8", "surrogatepass"))
        try:
            faces = read_faces(path)
        except InputError as error:
            said = str(error)
        else:
            valid(faces)
            return
        assert "a.csv" in said
        assert "\n" not in said


# The real ones


def test_ck48_as_it_is(data: Path) -> None:
    faces = read_faces(data / "ck48.npz")
    assert len(faces) == 981
    assert faces.people is not None
    assert len(np.unique(faces.people)) == 118
    assert faces.labels == tuple(label for label in LABELS if label != "neutral")
    counted = np.bincount(truth(faces.votes).majority, minlength=8)
    held = np.load(data / "ck48.npz")
    for index, name in enumerate(held["names"].tolist()):
        assert counted[column(name) or 0] == (held["labels"] == index).sum()


def test_ferplus_is_the_same_from_its_released_form(data: Path, tmp_path: Path) -> None:
    """The npz written as the csv files of FER2013 and FER+ gives the npz again."""
    whole = read_faces(data / "ferplus_valid.npz")
    some = whole.take(np.arange(200))
    given_pixels = [(0, pixels(image), "PublicTest") for image in some.images]
    path = write(tmp_path / "fer2013.csv", [("emotion", "pixels", "Usage"), *given_pixels])
    votes = write(tmp_path / "new.csv", [FERPLUS, *(("PublicTest", "x.png", *row) for row in some.votes.tolist())])
    faces = read_faces(path, votes, part="PublicTest")
    assert (faces.images == some.images).all()
    assert (faces.votes == some.votes).all()
