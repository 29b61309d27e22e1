"""A Redis stream written anew, without what was deleted from it.

``XDEL`` only marks an entry: its text stays in the server's memory and files until all entries of its block, about a
hundred neighbours, are deleted too.
"""

import secrets
from typing import Any, Final

import redis

READ: Final = 1000
"""Entries that are copied at a time."""

TRIES: Final = 5
"""Copies that are begun, where others add to the stream meanwhile."""

LIFE: Final = 3600
"""s until Redis itself removes a copy that was never finished."""


def rewrite_stream(client: Any, key: str) -> None:
    """Replace a stream by a copy with the same entries, ids, life and consumer groups.

    Raises:
        redis.WatchError: it stays as it was, because others changed it during every one of ``TRIES`` attempts.
        redis.RedisError: it stays as it was; for instance, memory is too short for two.
    """
    for attempt in range(TRIES):
        try:
            _replace(client, key)
        except redis.WatchError:
            if attempt == TRIES - 1:
                raise
        else:
            return


def _replace(client: Any, key: str) -> None:
    copy = f"affect:copy:{secrets.token_hex(8)}"
    try:
        with client.pipeline(transaction=True) as step:
            step.watch(key)  # or what is added while it is copied would be lost
            _copy_entries(client, key, copy)
            for group in client.xinfo_groups(key):
                _copy_group(client, key, copy, group)
            left = client.pttl(key)
            step.multi()
            if left > 0:
                step.pexpire(copy, left)
            else:
                step.persist(copy)
            step.rename(copy, key)
            step.execute()
    except BaseException:
        client.unlink(copy)
        raise


def _copy_entries(client: Any, key: str, copy: str) -> None:
    start: bytes = b"-"
    while batch := client.xrange(key, start, "+", count=READ):
        with client.pipeline(transaction=False) as step:
            for name, fields in batch:
                step.xadd(copy, fields, id=name)
            step.expire(copy, LIFE)
            step.execute()
        start = b"(" + batch[-1][0]
    # Or what is added next could get an id that readers have passed.
    client.execute_command("XSETID", copy, client.xinfo_stream(key)["last-generated-id"])


def _copy_group(client: Any, key: str, copy: str, group: dict[str, Any]) -> None:
    """Copy a consumer group with what its consumers have not confirmed."""
    name = group["name"]
    client.xgroup_create(copy, name, id=group["last-delivered-id"])
    start: bytes = b"-"
    while waiting := client.xpending_range(key, name, start, "+", READ):
        with client.pipeline(transaction=False) as step:
            for one in waiting:
                step.xclaim(
                    copy,
                    name,
                    one["consumer"],
                    0,
                    [one["message_id"]],
                    idle=one["time_since_delivered"],
                    retrycount=one["times_delivered"],
                    force=True,
                    justid=True,
                )
            step.execute()
        start = b"(" + waiting[-1]["message_id"]
