"""How the living processes of a kind share the sources."""

from collections.abc import Iterable
from typing import NamedTuple, Self


class Member(NamedTuple):
    """A process among those of its kind."""

    name: str
    """Nobody else's; served by name where shares are not even."""
    most: int = 0
    """Sources that it takes at most; 0: any number."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` gave.

        >>> Member.parse(str(Member("a", 2)))
        Member(name='a', most=2)
        """
        name, most = text.split()
        return cls(name, int(most))

    def __str__(self) -> str:
        return f"{self.name} {self.most}"


def fair_share(sources: int, members: Iterable[Member], member: Member) -> int:
    """Return how many of the sources are one member's, dealt out in turn to all that take more.

    Args:
        sources: how many there are.
        members: all members.
        member: one of them.

    >>> a, b, c = Member("a"), Member("b"), Member("c")
    >>> [fair_share(7, [a, b, c], one) for one in (a, b, c)]
    [3, 2, 2]
    >>> few = Member("b", most=1)
    >>> [fair_share(7, [a, few], one) for one in (a, few)]
    [6, 1]
    """
    shares = dict.fromkeys(sorted({*members, member}), 0)
    while sources > 0:
        room = [one for one, share in shares.items() if not one.most or share < one.most]
        if not room:
            break
        for one in room[:sources]:
            shares[one] += 1
        sources -= len(room)
    return shares[member]
