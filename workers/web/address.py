"""Where to listen, and under which names to be asked for."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.errors import InputError


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    """0 for any that is free."""

    @property
    def private(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (_is_ip(self.host) and ipaddress.ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Understand ``HOST:PORT``, or ``PORT`` alone for this machine only.

    Raises:
        InputError: it is neither.

    >>> parse_address("8080")
    Address(host='127.0.0.1', port=8080)
    >>> str(parse_address("[::1]:8080"))
    '[::1]:8080'
    """
    match = re.fullmatch(r"(?:(?P<host>[^\s:\[\]/]+|\[[0-9a-fA-F:.]+\]):)?(?P<port>\d{1,5})", text)
    if match is None or int(match["port"]) > 65535:
        raise InputError(
            f"cannot listen on {text!r}; give HOST:PORT, as 127.0.0.1:8080, or 0.0.0.0:8080 for every network, or PORT"
        )
    return Address((match["host"] or "127.0.0.1").strip("[]"), int(match["port"]))


class Names:
    """The names under which a server may be asked for; its addresses always are.

    A page from elsewhere may have its own name point to this machine (DNS rebinding), and would read what is told of
    people here. Whoever asks by an address, or by a name of ours, is no such page.

    Args:
        names: besides ``localhost`` and what this machine calls itself; what follows a ``:`` in them is left out.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {"localhost", socket.gethostname().lower(), *(_host(name) for name in names)}

    def allow(self, host: str) -> bool:
        """Return whether a request with this ``Host`` is answered.

        >>> [Names(["faces.org"]).allow(host) for host in ("Faces.org:80", "[::1]:8080", "evil.example")]
        [True, True, False]
        """
        name = _host(host)
        return name in self._names or _is_ip(name)


def _host(text: str) -> str:
    """Return the name or the address in ``NAME:PORT``; empty where there is none."""
    try:
        return urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return ""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
