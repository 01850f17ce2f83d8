"""Which nodes are there while the store is not believed: their agents ask to be let in, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shoal_proto.v1.dispatcher_pb2 import SessionHello
from shoal_proto.v1.node_pb2 import NodeDescription

#: Seconds for which a node that asked counts as there: agents ask at least every few seconds.
_COUNTS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Present:
    """A node whose agent asked, and how far it has followed the cluster."""

    node: str
    description: NodeDescription
    epoch: int
    revision: int


class Roll:
    """The nodes that asked lately, one term's."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, Present]] = {}
        self._moved = asyncio.Event()

    def hear(self, node: str, hello: SessionHello) -> None:
        """Note that a node's agent asked."""
        present = Present(node, hello.description, hello.epoch, hello.revision)
        self._heard[node] = (asyncio.get_running_loop().time(), present)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def present(self) -> Mapping[str, Present]:
        """Return the nodes that are there, by id."""
        since = asyncio.get_running_loop().time() - _COUNTS
        return {node: present for node, (at, present) in sorted(self._heard.items()) if at >= since}

    async def until(self, enough: Callable[[Mapping[str, Present]], bool], *, seconds: float) -> Mapping[str, Present]:
        """Wait until enough are there, or the time is over, and return those that are."""
        try:
            async with asyncio.timeout(seconds):
                while not enough(self.present()):
                    moved = self._moved
                    await moved.wait()
        except TimeoutError:
            pass
        return self.present()
