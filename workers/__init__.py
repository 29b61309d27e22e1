"""The four workers, what runs them, and the command line.

A worker wires one stage of ``pipeline`` between an inbox and an outbox: read → compute → commit. ``runner`` joins all
four in one process, for ``live`` sources and for recorded ones (``replay``); ``cluster`` spreads them over many, joined
by the ``bus``.
"""
