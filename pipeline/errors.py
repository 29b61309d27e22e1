"""Every error that a user may meet.

::

    AffectError
    ├── InputError       what was asked for cannot be used as given (option, path, URL, settings): exit code 2
    ├── ModelError       a network or its card cannot be used
    ├── SourceError      a source cannot be read, and trying again would not help
    │   └── SourceLost   a source cannot be read just now: a live one is tried again
    ├── OutputError      results cannot be written
    ├── BrokerError      Redis cannot be used
    ├── StateError       what a stage remembered cannot be gone on from
    └── MessageError     a message between workers cannot be written or read
        └── VersionError it was written by another version of the program

Each message is one line that names the bad value and the way out, and never holds a secret.
"""

from typing import ClassVar


class AffectError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class InputError(AffectError):
    """An option, a path, a URL or a setting cannot be used as given."""

    exit_code = 2


class ModelError(AffectError):
    """A network file or its card cannot be used."""


class SourceError(AffectError):
    """A source cannot be read and trying again would not help (no video stream, 401, 404, not a video)."""


class SourceLost(SourceError):  # noqa: N818 (a passing state rather than a mistake)
    """A source cannot be read just now (time-out, refused, ended): a live source is tried again."""


class OutputError(AffectError):
    """Results cannot be written (folder not writable, disk full)."""


class BrokerError(AffectError):
    """Redis cannot be reached or refuses what is asked of it."""


class StateError(AffectError):
    """What a stage remembered cannot be gone on from: it is damaged, another stage's or another version's."""


class MessageError(AffectError):
    """A message between workers cannot be written or read, and trying again would not help."""


class VersionError(MessageError):
    """A message was written by another version of the program: not damaged, so it must not be thrown away."""
