"""Stages in processes of their own, joined by Redis Streams: a ``node`` keeps some sources, each in a ``shard``."""
