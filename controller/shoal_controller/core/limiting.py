"""What a change of a container's limits means for the room of its node.

What is more is booked before it is asked for, what is less is given back when the node has taken it away: at no time
may a container have more than is reserved for it.
"""

from __future__ import annotations

from dataclasses import replace

from shoal_common.containers.limits import UPDATE
from shoal_controller.core.filters import Cpu, Filter, Limiting, Memory, explain
from shoal_controller.core.snapshot import NO_LIMITS, NOTHING, Amounts, ContainerView, HoldView, LimitsWish, NodeView


def raised(reserved: Amounts, need: Amounts) -> Amounts:
    """Return what has to be reserved before a container that has `reserved` may be held to `need`."""
    return Amounts(max(reserved.memory, need.memory), max(reserved.cpu, need.cpu))


def lowered(container: ContainerView, reserved: Amounts) -> Amounts:
    """Return what is reserved for a container that runs, or will, without what its node has taken away by now."""
    status, placement = container.status, container.placement
    if status is None or placement is None or status.generation != placement.generation:
        return reserved
    if status.limits_served < container.limits_changed:
        return reserved
    # A node may have failed to take it away: memory that is in use, say.
    kept = raised(container.need, status.in_force)
    return Amounts(min(reserved.memory, kept.memory), min(reserved.cpu, kept.cpu))


def refusal(node: NodeView, hold: HoldView, need: Amounts, wish: LimitsWish, *, runs: bool) -> str:
    """Return why a container can't have other limits on its node, in one line; "" if it can.

    Args:
        node: where it is.
        hold: its own there.
        need: what it is to reserve.
        wish: what else its limits ask of the node.
        runs: it has a process now.
    """
    if runs and UPDATE not in node.limits:
        return f"{node.name} has an agent too old to change what runs (upgrade it, or stop the container first)"
    more: tuple[Filter, ...] = () if wish == NO_LIMITS else (Limiting(wish),)
    if hold.reserved:
        grown = raised(hold.reserved, need) - hold.reserved
        return explain([node], (*more, Memory(grown.memory), Cpu(grown.cpu)))
    # It reserves nothing now, and must be able to some time.
    return explain([replace(node, reserved=NOTHING)], (*more, Memory(need.memory), Cpu(need.cpu)))
