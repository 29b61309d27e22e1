"""The names that data sets give to what we know by other names."""

from typing import Final

from models.emotion.faces.labelled import COLUMNS

SYNONYMS: Final = {
    "neutral": ("neutrality",),
    "happiness": ("happy", "joy"),
    "surprise": ("surprised",),
    "sadness": ("sad",),
    "anger": ("angry",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "contempt": ("contemptuous",),
    "unknown": (),
    "not-a-face": ("nf", "no face"),
}
"""Other names of each of `COLUMNS`. Case, spaces, hyphens and underscores make no difference to any."""

KNOWN: Final = "; ".join(", ".join((name, *SYNONYMS[name])) for name in COLUMNS)
"""All names, for messages."""


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " -_")


_INDEX: Final = {_plain(name): COLUMNS.index(key) for key in COLUMNS for name in (key, *SYNONYMS[key])}


def column(name: str) -> int | None:
    """The index in `COLUMNS` of what a data set calls `name`; None: it is the name of nothing known.

    >>> column("Happy"), column("NF"), column("bored")
    (1, 9, None)
    """
    return _INDEX.get(_plain(name))
