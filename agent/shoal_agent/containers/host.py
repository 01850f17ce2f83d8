"""What a worker needs of the host it runs on: one small interface between deciding and doing.

`RuntimeHost` (runtime_host.py) is made of images, sandboxes, root file systems and tasks; tests of workers use a fake
that can be killed between any two steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from shoal_agent.core.health import Answer, Check
from shoal_agent.runtime.live_limits import Limited
from shoal_agent.runtime.tasks import Exited, Running, TaskKey
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.image_pb2 import ImageConfig


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparing found out.

    Attributes:
        layers: digests of the uncompressed layers, lowest first.
        uid_base: first host id of the container's range.
        command: what will be run.
    """

    image: ImageConfig
    layers: tuple[str, ...]
    uid_base: int
    command: tuple[str, ...]


def task_key(record: ContainerRecord) -> TaskKey:
    """Return the key of the attempt that a record tells of."""
    return TaskKey(record.assignment.id, record.status.generation, record.status.attempt)


class ContainerHost(Protocol):
    """Acts on containers. Each method may be repeated, by this agent process or by the next one."""

    @property
    def boot_id(self) -> str:
        """Changes with every boot."""
        ...

    async def prepare(self, record: ContainerRecord) -> Prepared:
        """Fetch the image, set up sandbox and root file system.

        Raises:
            ShoalError: retryable ones may go away; the others say for good what is wrong.
        """
        ...

    async def start(self, record: ContainerRecord) -> Running:
        """Start the attempt, prepared by this process before.

        Raises:
            StartFailed: with the exit code to report; nothing is left of it.
        """
        ...

    async def adopt(self, record: ContainerRecord) -> Running | Exited | None:
        """Find the attempt of an agent process before this one; None if nothing of it is there, or ever will be."""
        ...

    async def stop_signal(self, record: ContainerRecord) -> None:
        """Send the signal that asks the process to end; nothing happens if it has ended."""
        ...

    async def kill(self, record: ContainerRecord) -> None:
        """Send SIGKILL to all of it; nothing happens if it has ended."""
        ...

    async def freeze(self, record: ContainerRecord) -> None:
        """Freeze all its processes, and return when they are.

        Raises:
            Unavailable: one of them can't be frozen now; none is.
        """
        ...

    async def thaw(self, record: ContainerRecord) -> None:
        """Let all its processes go on."""
        ...

    def frozen(self, record: ContainerRecord) -> bool:
        """Say whether its processes are frozen, or partly."""
        ...

    async def limit(self, record: ContainerRecord) -> Limited:
        """Hold all its processes to the limits of its assignment, as far as that can be done."""
        ...

    async def probe(self, record: ContainerRecord, check: Check) -> Answer:
        """Make one check of its health, and leave nothing of it.

        Raises:
            Conflict: its process has ended.
            ShoalError, OSError: it could not be made.
        """
        ...

    async def tidy(self, record: ContainerRecord) -> None:
        """Delete what the runtime has of the placement's attempts, none of which runs."""
        ...

    async def release(self, record: ContainerRecord) -> None:
        """Do what `tidy` does, unmount the root file system and give the sandbox back."""
        ...

    async def remove(self, record: ContainerRecord) -> None:
        """Do what `release` does, for every generation, and remove all data."""
        ...

    def litter(self, record: ContainerRecord) -> bool:
        """Say whether the runtime has anything of the placement."""
        ...

    def mounted(self, record: ContainerRecord) -> bool:
        """Say whether there is a sandbox or a root file system of the placement."""
        ...

    def exits(self) -> AsyncIterator[tuple[TaskKey, Exited]]:
        """Yield the end of every attempt that was started or adopted, once."""
        ...
