"""What a source is: a camera URL, a webcam or a file, under an id that is safe to show and to store."""

import glob
import hashlib
import re
import stat
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

import msgspec

from pipeline.errors import InputError
from pipeline.ingest.folder import VIDEO_SUFFIXES, videos_in
from pipeline.redaction import bare, shown, split_url
from pipeline.settings import DetectorSettings, IngestSettings, at_home

SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
"""URL schemes that can be read."""

MAX_ID: Final = 64
"""Longest source id, characters."""


class Source(msgspec.Struct, frozen=True):
    """One camera or file, and how to read it."""

    id: str
    """Sanitised id: lower-case letters, digits, ``-`` and ``_``, beginning with a letter; at most ``MAX_ID`` long."""
    url: str
    """What is opened: a URL, a device or an absolute path. May hold credentials: never show it."""
    safe_url: str
    """``url`` without credentials and tokens, for people to read."""
    live: bool
    """Whether it runs in real time (camera, stream) rather than being a file."""
    settings: IngestSettings = IngestSettings()
    detector: DetectorSettings = DetectorSettings()
    begun: int | None = None
    """Event time of a file's first frame, UTC, µs since 1970, where a run of it has one; None: see ``Framer``."""

    @property
    def path(self) -> Path:
        """The file; only meaningful where ``live`` is False."""
        return Path(self.url)

    def __repr__(self) -> str:
        return f"Source({self.id!r}, {self.safe_url!r})"


def source_id(text: str) -> str:
    """Turn a live source as a user writes it into an id; nothing secret in a URL survives. Raises ``InputError``.

    >>> source_id("rtsp://user:pw@door.local/stream1"), source_id("0")
    ('door-local-stream1', 'webcam-0')
    """
    if _webcam(text) is not None:
        return f"webcam-{_webcam(text)}"
    if "://" in text:
        _split(text)
        text = bare(text)
    return name_id(text)


def name_id(text: str) -> str:
    """Turn a name, or that of a file without its ending, into a source id.

    >>> name_id("Café Nord 2"), name_id("007")
    ('cafe-nord-2', 'source-007')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"_*[^a-z0-9_][^a-z0-9]*", "-", plain).strip("-_")
    if not name:  # nothing of it is Latin
        name = "source-" + _digest(text)
    elif not name[0].isalpha():
        name = f"source-{name}"
    if len(name) > MAX_ID:
        name = f"{name[: MAX_ID - 9].rstrip('-_')}-{_digest(text)}"
    return name


def parse_source(
    text: str,
    *,
    name: str | None = None,
    ingest: IngestSettings | None = None,
    detector: DetectorSettings | None = None,
) -> Source:
    """Understand one source as a user writes it; ``name`` gives its id. Raises ``InputError``."""
    text = text.strip()
    live, safe_url = True, text
    if _webcam(text) is not None:
        url = f"/dev/video{text}" if text.isdecimal() and sys.platform == "linux" else text
        safe_url = url
    elif "://" in text:
        url = text
        parts = _split(text)
        safe_url = shown(text)
        if parts.scheme.lower() not in SCHEMES:
            raise InputError(
                f"cannot read {parts.scheme}:// in {safe_url}; URLs begin with "
                f"{', '.join(scheme + '://' for scheme in SCHEMES)}, files are given by their path"
            )
        if not parts.hostname:
            raise InputError(f"{safe_url} names no host; write {parts.scheme}://HOST/PATH")
    else:
        path = existing(text)
        if path.is_dir():
            raise InputError(f"{text} is a folder; name one file, or replay the folder")
        live, url = False, str(path.resolve())
    return Source(
        id=name_id(name) if name else source_id(text) if live else name_id(Path(text).stem),
        url=url,
        safe_url=safe_url,
        live=live,
        settings=ingest or IngestSettings(),
        detector=detector or DetectorSettings(),
    )


def expand(
    paths: Sequence[str],
    *,
    ingest: IngestSettings | None = None,
    detector: DetectorSettings | None = None,
) -> list[Source]:
    """List the videos meant by files, folders (searched to the bottom, sorted) and globs, each once.

    Ids are file stems; where these collide, endings and then parent folders are added. Raises ``InputError`` for a
    path that does not exist, a folder without videos, a glob without match and a URL.
    """
    found: dict[Path, str] = {}
    for text in paths:
        for path in _matches(text):
            found.setdefault(path.resolve(), str(path))
    ids = _distinct_ids(list(found))
    return [
        Source(
            id=name,
            url=str(path),
            safe_url=given,
            live=False,
            settings=ingest or IngestSettings(),
            detector=detector or DetectorSettings(),
        )
        for name, (path, given) in zip(ids, found.items(), strict=True)
    ]


def existing(text: str) -> Path:
    """Return the path of a file or folder that is there; raise ``InputError`` otherwise.

    A pipe is neither: it can be read only once, and a file is hashed before it is decoded.
    """
    if not text:  # or else the current folder would be meant
        raise InputError("the name of a file is empty")
    path = at_home(Path(text))
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise InputError(f"no permission to read {text}") from None
    except (OSError, ValueError):  # or it holds what no name can
        raise InputError(f"there is no file {text!r}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{text} is a pipe or a device; save what it gives to a file first")
    return path


def _matches(text: str) -> list[Path]:
    if "://" in text:
        raise InputError(f"replay reads files and {shown(text)} is a URL; use run for live sources")
    if text.startswith("/dev/") and _webcam(text) is not None:
        raise InputError(f"replay reads files and {text} is a webcam; use run for live sources")
    if glob.has_magic(text) and not at_home(Path(text)).exists():
        names = sorted(glob.glob(str(at_home(Path(text))), recursive=True))  # noqa: PTH207 (absolute patterns)
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            raise InputError(f"no file matches {text!r}")
        return files
    path = existing(text)
    if not path.is_dir():
        return [path]
    files = videos_in(path)
    if not files:
        raise InputError(f"folder {text} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))})")
    return files


def _distinct_ids(paths: Sequence[Path]) -> list[str]:
    """Give every path the shortest id that no other has."""
    ids = [name_id(path.stem) for path in paths]
    for parents in range(max((len(path.parts) for path in paths), default=0)):
        taken = Counter(ids)
        if max(taken.values(), default=0) <= 1:
            break
        ids = [_id_with(path, parents) if taken[old] > 1 else old for old, path in zip(ids, paths, strict=True)]
    taken = Counter(ids)  # names that differ only in what an id cannot hold
    return [_with_digest(old, path) if taken[old] > 1 else old for old, path in zip(ids, paths, strict=True)]


def longer_id(path: Path, taken: Collection[str]) -> str:
    """Return the shortest id of a file, made of its name, ending and at least one parent folder, that is not taken.

    >>> longer_id(Path("/a/p02/video.mp4"), {"video"}), longer_id(Path("/a/p02/video.mp4"), {"p02-video-mp4"})
    ('p02-video-mp4', 'a-p02-video-mp4')
    """
    made = (_id_with(path, parents) for parents in range(1, len(path.parts)))
    return next((name for name in made if name not in taken), _with_digest(name_id(path.stem), path))


def _id_with(path: Path, parents: int) -> str:
    """Return the id made of a file's name, ending and so many of its parent folders."""
    return name_id("-".join(path.parts[len(path.parts) - 1 - parents :]))


def _with_digest(name: str, path: Path) -> str:
    """Return an id that no file of another path has."""
    return f"{name[: MAX_ID - 9]}-{_digest(str(path))}"


def _webcam(text: str) -> int | None:
    match = re.fullmatch(r"(?:/dev/video)?(\d{1,3})", text)
    return int(match[1]) if match else None


def _split(url: str) -> SplitResult:
    try:
        parts = split_url(url)
        # A URL with a blank in it could not be made out in what others say of it.
        sound = not re.search(r"\s", parts.netloc)
    except ValueError:
        sound = False
    if not sound:
        raise InputError(
            f"{shown(url)} is not a URL; write SCHEME://USER:PASSWORD@HOST:PORT/PATH, and where a name or a password "
            "holds one of them, %2F for /, %3F for ?, %23 for #, %40 for @ (in a path too), %20 for a blank"
        )
    return parts


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
