"""Names of what is published in Redis: a contract with whoever reads it.

::

    affect:emotions:<source>        stream: every row of a source; expires days after the last one
    affect:face:<source>:<track>    stream: the rows of one face; expires minutes after its last one
    affect:events:<source>          stream: tracks that begin, end, or change their dominant expression; expires as
                                    the first
    affect:progress:<source>        hash: run -> last frame, whether the run is complete, when (s since 1970)
"""


def emotions(source: str) -> str:
    """Stream of every row of a source."""
    return f"affect:emotions:{source}"


def face(source: str, track: str) -> str:
    """Stream of the rows of one face."""
    return f"affect:face:{source}:{track}"


def events(source: str) -> str:
    """Stream of what happens to the tracks of a source."""
    return f"affect:events:{source}"


def progress(source: str) -> str:
    """Hash of how far each run of a source has come."""
    return f"affect:progress:{source}"
