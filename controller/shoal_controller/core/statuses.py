"""Which reports of nodes count, and what they mean for what is reserved."""

from __future__ import annotations

from enum import Enum, auto

from shoal_common.status import order
from shoal_controller.core.snapshot import StatusView
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus, DesiredState
from shoal_proto.v1.node_pb2 import Hold, HoldRole

_KNOWN_STATES = frozenset(ContainerState.values()) - {ContainerState.CONTAINER_STATE_UNSPECIFIED}


class Verdict(Enum):
    """What is done with a report."""

    #: It is stored, then acknowledged.
    STORE = auto()
    #: It is acknowledged at once: what is stored is as new, or it is of something that the cluster has no hold for.
    OUTDATED = auto()
    #: It is not acknowledged: the node must not forget what it reports.
    REFUSE = auto()


def judge_status(reported: ContainerStatus, *, hold: Hold | None, stored: ContainerStatus | None) -> Verdict:
    """Say what to do with a status that a node reports.

    Args:
        reported: by the node.
        hold: of this container on that node; None if there is none.
        stored: the newest known status of the container, of any node and generation.
    """
    if hold is None or reported.generation != hold.generation:
        # Of an older placement: what became of it is of no interest any more. A newer one than the cluster has made
        # can only come from another life of the store; it is for the operator (strays), not for the status.
        return Verdict.OUTDATED
    if hold.role == HoldRole.HOLD_ROLE_RETIRED:
        # Two copies of one generation were found, and the other is the container.
        return Verdict.OUTDATED
    if reported.state not in _KNOWN_STATES:
        return Verdict.REFUSE
    if stored is not None and order(reported) <= order(stored):
        return Verdict.OUTDATED
    return Verdict.STORE


def judge_removed(generation: int, *, hold: Hold | None, desired: DesiredState | None) -> Verdict:
    """Say what to do with the news that nothing of a generation is left on a node.

    Args:
        generation: of which nothing is left.
        hold: of this container on that node; None if there is none.
        desired: what the user wants of the container; None if it has no spec any more.
    """
    if hold is None or generation < hold.generation:
        return Verdict.OUTDATED
    if generation > hold.generation:
        return Verdict.REFUSE
    asked = hold.role == HoldRole.HOLD_ROLE_REMOVE or desired == DesiredState.DESIRED_STATE_REMOVED
    return Verdict.STORE if asked else Verdict.REFUSE


def frees(
    status: StatusView | None,
    *,
    generation: int,
    run_admitted: int,
    desired: DesiredState,
) -> bool:
    """Say whether what is reserved for a container can be given back: it has ended, and no admitted run will follow.

    Args:
        status: the newest of it.
        generation: of its placement.
        run_admitted: of its placement.
        desired: what the user wants; a run that was admitted does not begin any more once it is STOPPED.
    """
    if status is None or status.generation != generation or not status.ended:
        return False
    return status.run_served >= run_admitted or desired in (
        DesiredState.DESIRED_STATE_STOPPED,
        DesiredState.DESIRED_STATE_REMOVED,
    )
