"""What has become more on a machine from one look to another. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

#: What tells one of a kind from the next, and not one kind from another.
_OWN: Final = re.compile(r"[0-9a-f]{8,}|\d+")
#: What daemons keep of their own accord, and cut back by themselves.
_KEPT: Final = re.compile(r"/(etcd|logs|registry)(/|$)")
_SHOWN: Final = 5
#: How much more memory than before a daemon may have.
MORE: Final = 0.10
#: Bytes that a controller may have for each container that was removed meanwhile: it keeps a tombstone for an hour and
#: the newest events, together 7 KiB.
REMEMBERED: Final = 10 << 10


@dataclass(frozen=True, slots=True)
class Growth:
    """How many there were of a kind, how many there are, and some of those that are more."""

    kind: str
    before: int
    after: int
    more: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}: {self.before} before, {self.after} now, such as {', '.join(self.more)}"


def grown(before: Mapping[str, Set[str]], after: Mapping[str, Set[str]]) -> list[Growth]:
    """Return what became of each kind. What is of the same make counts as the same, whatever its numbers are."""
    found = []
    for kind, things in after.items():
        there = {each for each in things if not _KEPT.search(each)}
        were = {each for each in before.get(kind, set()) if not _KEPT.search(each)}
        then, now = (Counter(_OWN.sub("#", each) for each in those) for those in (were, there))
        makes = {make for make, count in now.items() if count > then[make]}
        more = sorted(each for each in there - were if _OWN.sub("#", each) in makes)
        found.append(Growth(kind, len(were), len(there), tuple(more[:_SHOWN])))
    return found


def heavier(before: Mapping[str, int], after: Mapping[str, int], *, removed: int) -> list[str]:
    """Return which agents and controllers have more memory than they may, by their names and bytes."""
    found = []
    for name, bytes_ in after.items():
        then = before.get(name, 0)
        kept = removed * REMEMBERED if name.endswith("/controller") else 0
        if bytes_ > then * (1 + MORE) + kept:
            found.append(f"{name} has {bytes_ >> 10} KiB, and had {then >> 10} KiB {removed} containers before")
    return found
