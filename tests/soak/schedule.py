"""Which faults happen when: for ever, and the same for the same seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What is done, in the words of the report. The directed ones are those that wait for their moment."""

    LEADER_KILLED = "leader killed"
    LEADER_PAUSED = "leader paused"
    LEADER_PAUSED_IN_COMMIT = "leader paused in a commit, until another has written"
    CONTROLLER_KILLED = "controller killed"
    CONTROLLER_PAUSED = "controller paused"
    CONTROLLER_OFF_ETCD = "controller cut off from etcd"
    CONTROLLER_DEAF_TO_ETCD = "controller without answers of etcd"
    CONTROL_CUT = "control host cut off"
    MEMBER_KILLED = "etcd member killed"
    MEMBER_PAUSED = "etcd member paused"
    QUORUM_KILLED = "etcd's quorum killed"
    QUORUM_PAUSED = "etcd's quorum paused"
    REGISTRY_KILLED = "registry killed"
    REGISTRY_PAUSED = "registry paused"
    REGISTRY_WITHOUT_PULLS = "registry killed before what is placed is pulled"
    AGENT_KILLED = "agent killed"
    AGENT_PAUSED = "agent paused"
    AGENT_KILLED_IN_ACT = "agent killed while it starts, stops or removes"
    AGENT_KILLED_IN_SLOW_START = "agent killed in a start that goes on without it"
    NODE_CUT = "node cut off"
    NODE_MUTE = "node unheard by controllers"
    NODE_DEAF = "node deaf to controllers"
    DISK_FULL = "node's disk full"
    HOST_REBOOTED = "node's host rebooted"


#: How often, relative to each other.
WEIGHTS: Final = {
    Kind.LEADER_KILLED: 4,
    Kind.LEADER_PAUSED: 4,
    Kind.LEADER_PAUSED_IN_COMMIT: 6,
    Kind.CONTROLLER_KILLED: 3,
    Kind.CONTROLLER_PAUSED: 2,
    Kind.CONTROLLER_OFF_ETCD: 3,
    Kind.CONTROLLER_DEAF_TO_ETCD: 2,
    Kind.CONTROL_CUT: 3,
    Kind.MEMBER_KILLED: 4,
    Kind.MEMBER_PAUSED: 3,
    Kind.QUORUM_KILLED: 2,
    Kind.QUORUM_PAUSED: 1,
    Kind.REGISTRY_KILLED: 2,
    Kind.REGISTRY_PAUSED: 1,
    Kind.REGISTRY_WITHOUT_PULLS: 4,
    Kind.AGENT_KILLED: 5,
    Kind.AGENT_PAUSED: 3,
    Kind.AGENT_KILLED_IN_ACT: 6,
    Kind.AGENT_KILLED_IN_SLOW_START: 6,
    Kind.NODE_CUT: 3,
    Kind.NODE_MUTE: 3,
    Kind.NODE_DEAF: 3,
    Kind.DISK_FULL: 3,
    Kind.HOST_REBOOTED: 2,
}
#: These have the cluster to themselves: something is to be seen that another fault would excuse.
ALONE: Final = frozenset({Kind.REGISTRY_WITHOUT_PULLS, Kind.AGENT_KILLED_IN_SLOW_START})
#: What a fault takes hold of. Two of a round never take hold of the same.
_AREAS: Final = {
    Kind.LEADER_KILLED: "controllers",
    Kind.LEADER_PAUSED: "controllers",
    Kind.LEADER_PAUSED_IN_COMMIT: "controllers",
    Kind.CONTROLLER_KILLED: "controllers",
    Kind.CONTROLLER_PAUSED: "controllers",
    Kind.CONTROLLER_OFF_ETCD: "controllers",
    Kind.CONTROLLER_DEAF_TO_ETCD: "controllers",
    Kind.CONTROL_CUT: "controllers",
    Kind.MEMBER_KILLED: "etcd",
    Kind.MEMBER_PAUSED: "etcd",
    Kind.QUORUM_KILLED: "etcd",
    Kind.QUORUM_PAUSED: "etcd",
    Kind.REGISTRY_KILLED: "registry",
    Kind.REGISTRY_PAUSED: "registry",
    Kind.REGISTRY_WITHOUT_PULLS: "registry",
}
#: Seconds that a fault lasts, where it is not these.
_SECONDS: Final = (0.5, 9.0)
_LASTS: Final = {
    # From within the lease of 3 s to well beyond it.
    Kind.LEADER_PAUSED: (1.0, 8.0),
    Kind.LEADER_PAUSED_IN_COMMIT: (4.0, 9.0),
    Kind.QUORUM_KILLED: (2.0, 15.0),
    Kind.REGISTRY_WITHOUT_PULLS: (14.0, 18.0),
    Kind.AGENT_KILLED_IN_ACT: (0.0, 3.0),
    Kind.AGENT_KILLED_IN_SLOW_START: (4.0, 7.0),
    Kind.DISK_FULL: (4.0, 12.0),
    Kind.HOST_REBOOTED: (0.0, 2.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        target: host that it is done to, such as "node2"; "" where the moment decides.
        after: seconds from the beginning of the round.
        seconds: that it lasts.
        chance: 0 to 1, for what is left to decide.
    """

    kind: Kind
    target: str
    after: float
    seconds: float
    chance: float

    def __str__(self) -> str:
        return f"{self.kind}{f' ({self.target})' if self.target else ''}"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of peace, then faults that overlap."""

    peace: float
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What there is to do something to: names of hosts.

    Attributes:
        spared: hosts whose daemons are never killed, so that some live as long as the run.
        disks: nodes whose disk is small enough to be filled.
    """

    nodes: tuple[str, ...]
    controllers: tuple[str, ...]
    members: tuple[str, ...]
    spared: frozenset[str] = frozenset()
    disks: tuple[str, ...] = ()


def rounds(seed: int, ground: Ground, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Round]:
    """Yield what to do, for ever. Every kind has its turn before any has a second one."""
    chance = random.Random(f"faults {seed}")
    possible = [kind for kind in kinds if _possible(kind, ground)]
    bag: list[Kind] = []
    while True:
        faults: list[Fault] = []
        # Two thirds of the rounds have one fault, the others two or three at a time.
        for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
            if not bag:
                more = [kind for kind in possible for _ in range((WEIGHTS[kind] - 1) // 3)]
                # First one of each kind, then the rest: the bag is emptied from its end.
                bag = [*chance.sample(more, len(more)), *chance.sample(possible, len(possible))]
            kind = bag.pop()
            fault = _fault(chance, kind, ground)
            taken = {_area(each) for each in faults}
            if _area(fault) in taken or (faults and (kind in ALONE or faults[0].kind in ALONE)):
                bag.append(kind)  # It begins the next round.
                break
            faults.append(fault)
        yield Round(chance.uniform(1, 6), tuple(faults))


def _possible(kind: Kind, ground: Ground) -> bool:
    match kind:
        case Kind.QUORUM_KILLED | Kind.QUORUM_PAUSED:
            return len(ground.members) > 1
        case Kind.LEADER_PAUSED_IN_COMMIT | Kind.CONTROL_CUT:
            return len(ground.controllers) > 1
        case Kind.DISK_FULL:
            return bool(ground.disks)
    return True


def _fault(chance: random.Random, kind: Kind, ground: Ground) -> Fault:
    match kind:
        case Kind.CONTROLLER_KILLED:
            targets = [each for each in ground.controllers if each not in ground.spared] or list(ground.controllers)
        case Kind.CONTROLLER_PAUSED | Kind.CONTROLLER_OFF_ETCD | Kind.CONTROLLER_DEAF_TO_ETCD | Kind.CONTROL_CUT:
            targets = list(ground.controllers)
        case Kind.MEMBER_KILLED | Kind.MEMBER_PAUSED:
            targets = list(ground.members)
        case Kind.AGENT_KILLED | Kind.HOST_REBOOTED | Kind.REGISTRY_WITHOUT_PULLS:
            targets = [each for each in ground.nodes if each not in ground.spared]
        case Kind.AGENT_PAUSED | Kind.NODE_CUT | Kind.NODE_MUTE | Kind.NODE_DEAF:
            targets = list(ground.nodes)
        case Kind.DISK_FULL:
            targets = list(ground.disks)
        case _:
            targets = [""]
    least, most = _LASTS.get(kind, _SECONDS)
    return Fault(kind, chance.choice(targets), chance.uniform(0, 3), chance.uniform(least, most), chance.random())


def _area(fault: Fault) -> str:
    """Return what the fault takes hold of: a part of the control plane, or a node (of which the moment may decide)."""
    return _AREAS.get(fault.kind, fault.target or "nodes")
