"""Which nodes can take a container: filters that check one node and explain what they refused.

A constraint is "key==value" or "key!=value"; key is `node.id`, `node.name` or `node.labels.NAME`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shoal_common.containers.cpusets import format_set
from shoal_common.containers.ports import is_loopback
from shoal_common.ids import SHORT_ID
from shoal_common.units import format_bytes, format_cpus
from shoal_controller.core.ports import PortWish, Refusal, choose
from shoal_controller.core.snapshot import Amounts, LimitsWish, NodeView

_LABELS: Final = "node.labels."


class Filter(Protocol):
    """One reason for which a node may be no candidate."""

    def check(self, node: NodeView) -> bool:
        """Say whether the node passes."""
        ...

    def explain(self, refused: Sequence[NodeView]) -> str:
        """Return why these nodes (at least one) did not pass, such as "2 are down"."""
        ...


def _count(nodes: Sequence[NodeView], one: str, many: str) -> str:
    return f"{len(nodes)} {one if len(nodes) == 1 else many}"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The node's agent is heard of."""

    def check(self, node: NodeView) -> bool:
        return node.ready

    def explain(self, refused: Sequence[NodeView]) -> str:
        return _count(refused, "is down", "are down")


#: Nodes that a reason names one by one; of more it gives the number.
_NAMED: Final = 3


def _named(nodes: Sequence[NodeView], what: str) -> str:
    if len(nodes) > _NAMED:
        return f"{len(nodes)} are {what}"
    return ", ".join(f"{node.name}: {what}" for node in nodes)


@dataclass(frozen=True, slots=True)
class Staying:
    """The node is not on its way out of the cluster."""

    def check(self, node: NodeView) -> bool:
        return not node.removal

    def explain(self, refused: Sequence[NodeView]) -> str:
        return _named(refused, "being removed")


@dataclass(frozen=True, slots=True)
class Schedulable:
    """The node takes new containers."""

    def check(self, node: NodeView) -> bool:
        return not node.cordoned

    def explain(self, refused: Sequence[NodeView]) -> str:
        return _named(refused, "cordoned")


@dataclass(frozen=True, slots=True)
class Sound:
    """Nothing is wrong with the host, such as a full disk."""

    def check(self, node: NodeView) -> bool:
        return not node.problem

    def explain(self, refused: Sequence[NodeView]) -> str:
        if len(refused) > _NAMED:
            return f"{len(refused)} have problems ({refused[0].name}: {refused[0].problem})"
        return ", ".join(f"{node.name}: {node.problem}" for node in refused)


@dataclass(frozen=True, slots=True)
class Memory:
    """The node has the memory, over what is booked on it."""

    need: int

    def check(self, node: NodeView) -> bool:
        return Amounts(memory=self.need).fits(node.free)

    def explain(self, refused: Sequence[NodeView]) -> str:
        most = format_bytes(max(0, *(node.free.memory for node in refused)))
        return f"{_count(refused, 'lacks', 'lack')} memory (needs {format_bytes(self.need)}, most free {most})"


@dataclass(frozen=True, slots=True)
class Cpu:
    """The node has the cores, over what is booked on it."""

    need: int

    def check(self, node: NodeView) -> bool:
        return Amounts(cpu=self.need).fits(node.free)

    def explain(self, refused: Sequence[NodeView]) -> str:
        most = format_cpus(max(0, *(node.free.cpu for node in refused)))
        return f"{_count(refused, 'lacks', 'lack')} cpus (needs {format_cpus(self.need)}, most free {most})"


@dataclass(frozen=True, slots=True)
class Constraint:
    """The node is, or is not, what the user asked for. One that can't be read is passed by no node."""

    text: str

    def check(self, node: NodeView) -> bool:
        key, operator, wanted = self.text.partition("==")
        equal = True
        # The first operator counts: a value may contain the other.
        unequal_key, unequal_operator, unequal_wanted = self.text.partition("!=")
        if unequal_operator and (not operator or len(unequal_key) < len(key)):
            key, operator, wanted, equal = unequal_key, unequal_operator, unequal_wanted, False
        key, wanted = key.strip(), wanted.strip()
        if not operator:
            return False
        if key == "node.id":
            found: str | None = node.id
        elif key == "node.name":
            found = node.name
        elif key.startswith(_LABELS):
            found = node.labels.get(key.removeprefix(_LABELS))
        else:
            return False
        return (found == wanted) is equal

    def explain(self, refused: Sequence[NodeView]) -> str:
        return f"{_count(refused, 'fails', 'fail')} constraint {self.text}"


@dataclass(frozen=True, slots=True)
class Knows:
    """The node's agent knows all that a container asks for; one that doesn't would run it without."""

    field: int

    def check(self, node: NodeView) -> bool:
        return node.knows >= self.field

    def explain(self, refused: Sequence[NodeView]) -> str:
        return f"{_count(refused, 'has', 'have')} an agent too old for what it asks for (upgrade it)"


@dataclass(frozen=True, slots=True)
class Limiting:
    """The node can hold a container to its limits."""

    wish: LimitsWish

    def check(self, node: NodeView) -> bool:
        return self.wish.kinds <= node.limits and self.wish.cpus <= node.cpus and self.wish.mems <= node.mems

    def explain(self, refused: Sequence[NodeView]) -> str:
        if len(refused) > _NAMED:
            return f"{len(refused)} can't hold it to its limits ({refused[0].name}: {self._lack(refused[0])})"
        return ", ".join(f"{node.name}: {self._lack(node)}" for node in refused)

    def _lack(self, node: NodeView) -> str:
        if kinds := self.wish.kinds - node.limits:
            return f"its control groups can't do {', '.join(sorted(kinds))}"
        if cpus := self.wish.cpus - node.cpus:
            return f"has no cpus {format_set(cpus)} (it has {format_set(node.cpus) or 'none'})"
        return (
            f"has no memory nodes {format_set(self.wish.mems - node.mems)} (it has {format_set(node.mems) or 'none'})"
        )


@dataclass(frozen=True, slots=True)
class Runs:
    """The node has the OCI runtime that a container asks for."""

    runtime: str

    def check(self, node: NodeView) -> bool:
        return self.runtime in node.runtimes

    def explain(self, refused: Sequence[NodeView]) -> str:
        if len(refused) > _NAMED:
            return f"{len(refused)} have no runtime {self.runtime} ({refused[0].name} has {_runtimes(refused[0])})"
        return ", ".join(f"{node.name}: has no runtime {self.runtime} (it has {_runtimes(node)})" for node in refused)


def _runtimes(node: NodeView) -> str:
    return ", ".join(sorted(node.runtimes)) or "none"


@dataclass(frozen=True, slots=True)
class Checked:
    """Nobody runs what was stored without the policy being asked; `why_not` says what that is."""

    why_not: str

    def check(self, node: NodeView) -> bool:
        return not self.why_not

    def explain(self, refused: Sequence[NodeView]) -> str:
        return self.why_not


@dataclass(frozen=True, slots=True)
class Publishing:
    """The node has the addresses on which a container's ports are to be published."""

    wishes: tuple[PortWish, ...]

    def check(self, node: NodeView) -> bool:
        return not self.wishes or self._lacks(node) is None

    def _lacks(self, node: NodeView) -> str | None:
        """Return an address that a node does not have; "" if its agent publishes no ports at all."""
        if not node.addresses:
            return ""
        asked = (wish.host_ip for wish in self.wishes)
        return next((ip for ip in asked if ip and not is_loopback(ip) and ip not in node.addresses), None)

    def explain(self, refused: Sequence[NodeView]) -> str:
        if len(refused) > _NAMED:
            return f"{len(refused)} can't publish its ports ({refused[0].name}: {self._reason(refused[0])})"
        return ", ".join(f"{node.name}: {self._reason(node)}" for node in refused)

    def _reason(self, node: NodeView) -> str:
        lacking = self._lacks(node)
        return f"has no address {lacking}" if lacking else "its agent is of a version that publishes no ports"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the node by which a container is to be reached are free."""

    wishes: tuple[PortWish, ...]

    def check(self, node: NodeView) -> bool:
        return not self.wishes or not isinstance(choose(self.wishes, node.ports, seed=""), Refusal)

    def explain(self, refused: Sequence[NodeView]) -> str:
        found = [(node, choose(self.wishes, node.ports, seed="")) for node in refused]
        refusals = [(node, each) for node, each in found if isinstance(each, Refusal)]
        if len(refusals) > _NAMED:
            return f"{len(refusals)} have no free {refusals[0][1].wish}"
        return ", ".join(f"{node.name}: {_refusal(each)}" for node, each in refusals)


def _refusal(refusal: Refusal) -> str:
    if refusal.owner is None:
        return f"{refusal.wish} is not free"
    whose = f"container {refusal.owner[:SHORT_ID]}" if refusal.owner else "its agent"
    return f"{refusal.wish} is taken by {whose}"


def placing(need: Amounts, constraints: Iterable[str], ports: tuple[PortWish, ...] = ()) -> tuple[Filter, ...]:
    """Return the filters that a node has to pass to be given a container, in the order in which they are asked."""
    return (
        Readiness(),
        Schedulable(),
        *admitting(need),
        *(Constraint(text) for text in constraints),
        Publishing(ports),
        Ports(ports),
    )


def admitting(need: Amounts) -> tuple[Filter, ...]:
    """Return the filters that a container's own node has to pass to run it again.

    A node that is down is no obstacle: what is booked now is served when it is back. Nor is one that is cordoned, which
    keeps what it has. Nor are constraints: they say where a container goes, and it is there.
    """
    return (Staying(), Sound(), Memory(need.memory), Cpu(need.cpu))


def passes(node: NodeView, filters: Iterable[Filter]) -> bool:
    """Say whether a node passes all filters."""
    return all(each.check(node) for each in filters)


def explain(nodes: Sequence[NodeView], filters: Sequence[Filter]) -> str:
    """Return why no node passes, each counted at the first filter that refuses it; "" if one passes.

    For example "3 nodes: 2 lack memory (needs 8 GiB, most free 5.1 GiB), 1 fails constraint node.labels.ssd==true".
    """
    refused: dict[int, list[NodeView]] = {}
    for node in nodes:
        for number, each in enumerate(filters):
            if not each.check(node):
                refused.setdefault(number, []).append(node)
                break
        else:
            return ""
    reasons = ", ".join(filters[number].explain(refused[number]) for number in sorted(refused))
    return f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}: {reasons}"
