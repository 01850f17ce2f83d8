"""Which range of user ids each sandbox maps to.

Pure bookkeeping: ranges of 65536 ids, disjoint from each other and from what the host delegates to its users in
/etc/subuid and /etc/subgid. A range whose sandbox is gone is *retired*, and given out again only after somebody looked
and found no process under it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shoal_common.errors import Exhausted, InvalidSpec

#: Ids in a range; container ids 0 to 65535 map onto it.
SIZE = 65536

#: Where ranges start and end by default: what systemd sets aside for containers (systemd.io/UIDS-GIDS).
FIRST = 524288
LAST = 0x6FFF0000


def parse_bases(text: str) -> range:
    """Return the bases of the ranges that lie in "FIRST-LAST", which both are ids.

    Raises:
        InvalidSpec: it is not that, begins below what a host's own users may have, or holds no range.
    """
    first, dash, last = text.partition("-")
    if not dash or not first.isdecimal() or not last.isdecimal():
        raise InvalidSpec(f'uid range "{text[:40]}" is not valid (write FIRST-LAST, such as {FIRST}-{LAST + SIZE - 1})')
    if int(first) < FIRST or int(last) >= LAST + SIZE:
        raise InvalidSpec(f'uid range "{text[:40]}" is not within {FIRST}-{LAST + SIZE - 1}')
    start = -(-int(first) // SIZE) * SIZE
    bases = range(start, int(last) + 2 - SIZE, SIZE)
    if not bases:
        raise InvalidSpec(f'uid range "{text[:40]}" holds no {SIZE} ids from a multiple of {SIZE} on')
    return bases


def parse_delegations(text: str) -> list[tuple[int, int]]:
    """Return (first id, count) of each line `name:first:count` (subuid(5)); lines that are not such are ignored."""
    found: list[tuple[int, int]] = []
    for line in text.splitlines():
        fields = line.split("#", 1)[0].strip().split(":")
        if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal():
            found.append((int(fields[1]), int(fields[2])))
    return found


class UidRanges:
    """The ranges of one node.

    Args:
        bases: first ids of the ranges that may be used, such as `range(FIRST, LAST + 1, SIZE)`.
        delegated: (first id, count) of ids that belong to somebody else.
    """

    def __init__(self, bases: range, delegated: Iterable[tuple[int, int]] = ()) -> None:
        if bases.step % SIZE or bases.step <= 0 or not bases or bases[0] <= 0:
            raise ValueError(f"uid ranges must be {SIZE} apart and start above 0, not {bases}")
        self._bases = bases
        self._delegated = [(first, first + count) for first, count in delegated if count]
        self._live: set[int] = set()
        self._retired: set[int] = set()
        self._next = 0

    @property
    def live(self) -> frozenset[int]:
        """Bases that are given out now."""
        return frozenset(self._live)

    @property
    def retired(self) -> frozenset[int]:
        """Bases that wait until nothing runs under them."""
        return frozenset(self._retired)

    def claim(self, base: int) -> None:
        """Note that a sandbox found on the host has this range. Raises ValueError if another one has it too."""
        if base in self._live:
            raise ValueError(f"uid range {base} belongs to two sandboxes")
        self._live.add(base)
        self._retired.discard(base)

    def take(self) -> int:
        """Give out a range that no sandbox has and none had since the last `settle`. Raises Exhausted."""
        for step in range(len(self._bases)):
            index = (self._next + step) % len(self._bases)
            base = self._bases[index]
            if base not in self._live and base not in self._retired and not self._is_delegated(base):
                self._next = index + 1
                self._live.add(base)
                return base
        raise Exhausted(
            f"no free uid range of {len(self._bases)}: {len(self._live)} belong to sandboxes, "
            f"processes may still run under {len(self._retired)}"
        )

    def retire(self, base: int) -> None:
        """Take a range back; it waits for `settle`. Doing it again changes nothing."""
        self._live.discard(base)
        if base in self._bases:
            self._retired.add(base)

    def settle(self, looked_for: Collection[int], *, in_use: Collection[int]) -> None:
        """Learn under which bases processes run: free the others of `looked_for`, and keep off strangers' ones.

        Args:
            looked_for: what was `retired` before the look at the host began; what was retired later stays so.
            in_use: bases with processes under them.
        """
        self._retired -= set(looked_for)
        self._retired |= {base for base in in_use if base in self._bases and base not in self._live}

    def _is_delegated(self, base: int) -> bool:
        return any(first < base + SIZE and base < end for first, end in self._delegated)
