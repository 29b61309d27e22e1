"""What is to be read, kept in Redis so that it can be changed while the workers run.

``affect:sources`` is a hash: id of the source -> JSON as a source has it in a configuration file, for instance
``{"url": "rtsp://${DOOR_USER}:${DOOR_PASSWORD}@10.0.0.8/h264", "ingest": {"fps": 5}}``. Names in ``${}`` are looked up
in the environment of the worker that reads the source, so that no secret need lie in Redis.
"""

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.ingest.source import Source, name_id
from workers.bus import keys, scripts
from workers.config import Config, SourceConfig, configured, explain


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
        InputError: what is kept cannot be used as given: a setting, the URL, a file or a variable that is not there.
    """
    found = configured(described(text).model_copy(update={"name": name}), config)
    check_id(name)
    return found


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
