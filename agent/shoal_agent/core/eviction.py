"""Which container is ended before a node's memory or disk is exhausted: the stated order. Pure.

Memory: first those that use more than they reserved, by how much more; only then, and only if the host itself runs
short, those within what they reserved, by what they use. Disk: those that have written since the last count, by how
much; if nothing at all is left, so that nobody can write, the one that has most. Among equals the one that began last
goes first. One at a time: what it gives back is seen before the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shoal_agent.core.disk import Usage, needed

#: What must be left of the host's memory: a 32nd, within these bytes.
_SHARE: Final = 32
_LEAST: Final = 64 << 20
_MOST: Final = 256 << 20
#: A disk is about to be exhausted when so much of what is kept free for running containers is gone.
_LAST: Final = 2
#: The same, when nothing is left for anybody.
_NOTHING: Final = 16
#: What counts as writing, in bytes between two counts: everybody logs a line now and then.
_WRITES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Memory:
    """A node's memory.

    Attributes:
        total, available: of the host, as the kernel tells.
        capacity: what its containers may use together.
        used: what they use together, without caches that could be given back.
    """

    total: int
    available: int
    capacity: int
    used: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A container that runs.

    Attributes:
        reserved: bytes of memory; 0 if it reserved none.
        memory: bytes that it uses.
        written: bytes on the disk that it has more of than at the last count.
        size: bytes in its writable layers and logs.
        began_ms: when it was started, on the clock of the host.
    """

    id: str
    reserved: int = 0
    memory: int = 0
    written: int = 0
    size: int = 0
    began_ms: int = 0


def kept_free(total: int) -> int:
    """Return how many bytes of a host's memory have to be left."""
    return min(_MOST, max(_LEAST, total // _SHARE))


def is_short(memory: Memory) -> bool:
    """Say whether the host itself runs out of memory."""
    return memory.available < kept_free(memory.total)


def exceeds(memory: Memory) -> bool:
    """Say whether containers use more than the node has for them."""
    return memory.used > memory.capacity


def is_exhausted(usage: Usage) -> bool:
    """Say whether a disk is about to have nothing left for what runs."""
    return usage.free < needed(usage) // _LAST


def is_spent(usage: Usage) -> bool:
    """Say whether a disk has nothing left: who filled it can't be told from who writes any more."""
    return usage.free < needed(usage) // _NOTHING


def memory_victim(memory: Memory, candidates: Iterable[Candidate]) -> str | None:
    """Return the id of the container that is ended for want of memory; None if nobody has to be, or may be."""
    if not (is_short(memory) or exceeds(memory)):
        return None
    running = [each for each in candidates if each.memory > 0]
    beyond = [each for each in running if each.memory > each.reserved]
    if beyond:
        return max(beyond, key=lambda each: (each.memory - each.reserved, each.began_ms, each.id)).id
    if running and is_short(memory):
        return max(running, key=lambda each: (each.memory, each.began_ms, each.id)).id
    return None


def disk_victim(usage: Usage, candidates: Iterable[Candidate]) -> str | None:
    """Return the id of the container that is ended before the disk is full; None if nobody has to be, or writes.

    To end who does not write would give nothing back: what a container has written stays until it is removed. Where
    nothing is left it at least keeps what is freed from going to the same one again.
    """
    if not is_exhausted(usage):
        return None
    candidates = list(candidates)
    writing = [each for each in candidates if each.written >= _WRITES]
    if writing:
        return max(writing, key=lambda each: (each.written, each.began_ms, each.id)).id
    large = [each for each in candidates if each.size >= _WRITES] if is_spent(usage) else []
    return max(large, key=lambda each: (each.size, each.began_ms, each.id)).id if large else None
