"""What all workers of a node share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from shoal_agent.clock import Clock
from shoal_agent.containers.host import ContainerHost
from shoal_agent.containers.records import Records


@dataclass(slots=True)
class Surroundings:
    """What all workers of a node share.

    Attributes:
        starts: bounds how many containers are set up or started at a time.
        restarts: bounds how many of these may be restarts by policy, so that what crashes in a loop leaves room for
            what users ask for.
        changed: called with the id of a container that has something to report.
        settled: called with the id of a container whose record is gone.
    """

    host: ContainerHost
    records: Records
    clock: Clock
    starts: asyncio.Semaphore
    restarts: asyncio.Semaphore
    changed: Callable[[str], None]
    settled: Callable[[str], None]
    jitter: Callable[[], float] = field(default=random.random)
