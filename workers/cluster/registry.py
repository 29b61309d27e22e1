"""What is to be read, kept in Redis so that it can be changed while the workers run.

``affect:sources`` is a hash: id of the source -> JSON as a source has it in a configuration file, for instance
``{"url": "rtsp://${CAMERA_DOOR_USER}:${CAMERA_DOOR_PASSWORD}@10.0.0.8/h264", "ingest": {"fps": 5}}``. Names in ``${}``
are looked up in the environment of the worker that reads the source, so that no secret need lie in Redis. Only those
that begin with ``CAMERA_`` may stand there: a worker asks the host in the URL for the rest of it, and by any other name
whoever may write to Redis would be told what else its environment holds.
"""

import hashlib
import json
from typing import Any, Final

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.ingest.source import Source, name_id
from workers.bus import keys, scripts
from workers.config import Config, SourceConfig, configured, explain, variables

NAMEABLE: Final = "CAMERA_"
"""What variables of the workers' environment begin with that a source in Redis may name."""


def stored(source: SourceConfig) -> str:
    """Return what is kept for a source; its name is the key and not in it."""
    values = {"url": source.url.get_secret_value(), "ingest": source.ingest, "detector": source.detector}
    return json.dumps({name: value for name, value in values.items() if value})


def digest(text: str) -> str:
    """Return what tells one configuration of a source from another and holds none of its secrets."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def described(text: str) -> SourceConfig:
    """Read what is kept for a source.

    Raises:
        InputError: it is not JSON, or not a source's; anybody may have written it.
    """
    try:
        return SourceConfig.model_validate_json(text)
    except ValidationError as error:
        raise InputError(explain(error, SourceConfig)) from None


def is_of(text: str, url: str) -> bool:
    """Return whether what is kept is a source of this URL, however it is configured."""
    try:
        return described(text).url.get_secret_value() == url
    except InputError:
        return False


def source_of(name: str, text: str, config: Config) -> Source:
    """Return the source that is kept under ``name``.

    Raises:
        InputError: what is kept cannot be used as given: a setting, the URL, a file or a variable that is not there or
            may not be named.
    """
    source = described(text).model_copy(update={"name": name})
    check_variables(name, source.url.get_secret_value())
    found = configured(source, config)
    check_id(name)
    return found


def check_variables(name: str, url: str) -> None:
    """Raise ``InputError`` where the URL of a source names a variable that what lies in Redis may not."""
    for variable in variables(url):
        if not variable.startswith(NAMEABLE):
            raise InputError(
                f"source {name!r}: its URL names {variable}; in Redis a source may name only variables that begin with "
                f"{NAMEABLE}, or whoever may write there could read the rest of the workers' environment; give the "
                f"ingest workers {NAMEABLE}{variable}, and name that"
            )


def check_id(name: str) -> None:
    """Raise ``InputError`` where a name is not fit to be the id of a source."""
    if name_id(name) != name:
        raise InputError(f"{name!r} cannot be the id of a source; {name_id(name)!r} can")


def is_known(client: Any, name: str, *, under_way: bool) -> bool:
    """Return whether a source is to be read or, where ``under_way``, anything of it is remembered."""
    if client.hexists(keys.SOURCES, name):
        return True
    return under_way and bool(
        client.sismember(keys.UNDER_WAY, name) or client.exists(*keys.remembered(name), *keys.leases(name))
    )


def remove(client: Any, name: str) -> None:
    """Take a source out of what is to be read; what is under way of it is finished, and then it is forgotten."""
    client.hdel(keys.SOURCES, name)
    tidy(client, name)


def tidy(client: Any, name: str) -> bool:
    """Forget a source that was taken out when nothing of it was under way; return whether nothing is left to do."""
    names = (keys.SOURCES, keys.UNDER_WAY, keys.lease("ingest", name), *keys.remembered(name))
    return bool(client.register_script(scripts.TIDY)(keys=names, args=[name]))


def forget(client: Any, name: str) -> None:
    """Take a source out of Redis with all that is under way and remembered of it."""
    drop = client.register_script(scripts.FORGET)
    touched = (keys.SOURCES, keys.UNDER_WAY, keys.FACES, keys.POISON, keys.PENDING)
    drop(keys=[*touched, *keys.remembered(name), *keys.leases(name)], args=[keys.GROUP, name])
