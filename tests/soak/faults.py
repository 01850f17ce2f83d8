"""What is done to the cluster meanwhile: daemons killed and started, nodes cut off and joined."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shoal_lab.cluster import Lab
from tests.soak.history import History

#: The agent that is never killed, so that one lives as long as the run and its growth means something.
SPARED: Final = "node1"
CONTROLLER: Final = "control1/controller"
#: After this part of the run the controller lives on, for the same reason.
CONTROLLER_UNTIL: Final = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """A host or daemon that is taken away: cut off, or killed."""

    target: str
    cut: bool

    def __str__(self) -> str:
        return f"{self.target} {'cut off' if self.cut else 'killed'}"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of peace, then faults that last for some seconds."""

    peace: float
    faults: tuple[Fault, ...]
    seconds: float


def rounds(seed: int, nodes: Sequence[str]) -> Iterator[Round]:
    """Yield what to do, for ever: the same for the same seed."""
    chance = random.Random(f"faults {seed}")
    kills = [Fault(node, cut=False) for node in nodes if node != SPARED]
    kills += [Fault(CONTROLLER, cut=False), Fault("control1/etcd", cut=False), Fault("control1/registry", cut=False)]
    while True:
        peace = chance.uniform(2, 9)
        cut = Fault(chance.choice(nodes), cut=True)
        # A third of the faults are cuts; a quarter of the rounds have two faults at a time.
        first = cut if chance.random() < 0.33 else chance.choice(kills)
        second = [chance.choice([each for each in kills if each.target != first.target])]
        both = (first, *(second if chance.random() < 0.25 else ()))
        yield Round(peace, both, chance.uniform(0.5, 10))


async def inject(lab: Lab, seed: int, history: History, *, zero: float, deadline: float) -> None:
    """Do this until a monotonic time; when it returns, what was taken away is back."""
    nodes = [host.name for host in lab.layout.node_hosts]
    spared_after = zero + (deadline - zero) * CONTROLLER_UNTIL
    for each in rounds(seed, nodes):
        if time.monotonic() + each.peace + each.seconds > deadline:
            return
        await asyncio.sleep(each.peace)
        faults = [fault for fault in each.faults if fault.target != CONTROLLER or time.monotonic() < spared_after]
        at = time.monotonic() - zero
        for fault in faults:
            await (lab.partition if fault.cut else lab.kill)(fault.target)
        try:
            await asyncio.sleep(each.seconds)
        finally:
            for fault in faults:
                await (lab.heal if fault.cut else lab.start)(fault.target)
        if faults:
            history.faults.append(f"{at:.1f}-{time.monotonic() - zero:.1f} {' and '.join(map(str, faults))}")
