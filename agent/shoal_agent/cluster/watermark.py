"""How far this node has followed its cluster: what it must not be taken back behind, also after a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from shoal_agent.durable import replace_file
from shoal_agent.kernel_work import finished
from shoal_common.errors import Internal

log = logging.getLogger(__name__)

#: Controllers that are remembered: more than any cluster has at a time.
KNOWN_CONTROLLERS: Final = 16


@dataclass(frozen=True, slots=True)
class Position:
    """What is kept.

    Attributes:
        epoch, revision: of the newest set or change that was applied.
        subnet, gateway: of the cluster's flat network; "" before the first session.
        controllers: "HOST:PORT" of controllers, those that ran when the leader last said so first.
    """

    epoch: int = 0
    revision: int = 0
    subnet: str = ""
    gateway: str = ""
    controllers: tuple[str, ...] = ()


class Watermark:
    """The position, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="watermark")
        self._stored = self.position = Position()

    def open(self) -> None:
        """Read it.

        Raises:
            Internal: the file is damaged.
        """
        try:
            value = json.loads(self._path.read_text())
            value["controllers"] = tuple(value["controllers"])
            self._stored = self.position = Position(**value)
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            raise Internal(f"{self._path} is damaged: {error} (remove it to trust the cluster's next word)") from error

    def close(self) -> None:
        """Wait for a write under way."""
        self._executor.shutdown()

    def behind(self, epoch: int, revision: int) -> bool:
        """Say whether a set of (epoch, revision) would take the node back."""
        return (epoch, revision) < (self.position.epoch, self.position.revision)

    def advance(self, epoch: int, revision: int) -> None:
        """Note that a set or change was taken. `save` makes it durable."""
        self.position = replace(self.position, epoch=epoch, revision=revision)

    def learn(self, *, subnet: str, gateway: str, controllers: tuple[str, ...]) -> None:
        """Note what the leader says of the cluster. `save` makes it durable."""
        self.position = replace(self.position, subnet=subnet, gateway=gateway)
        self.learn_controllers(controllers)

    def learn_controllers(self, controllers: Sequence[str]) -> None:
        """Note which controllers run. `save` makes it durable.

        Those that ran before are kept after them: the next time, they may be the only ones.
        """
        known = dict.fromkeys((*controllers, *self.position.controllers))
        self.position = replace(self.position, controllers=tuple(known)[:KNOWN_CONTROLLERS])

    async def save(self) -> None:
        """Make the position durable.

        The node may act on a change before: a power cut in between costs no more than being handed it again. So does a
        full disk, which is no reason to end a session: the next call tries again.
        """
        position = self.position
        if position == self._stored:
            return
        data = json.dumps(asdict(position)).encode()
        try:
            await finished(self._executor, lambda: replace_file(self._path, data))
        except OSError as error:
            log.warning("how far this node has followed its cluster is not written down: %s", error)
            return
        self._stored = position
