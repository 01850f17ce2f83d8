"""Whether a container that another one joins will run by itself, so that it is waited for."""

from __future__ import annotations

from shoal_agent.core.lifecycle import ACTIVE, STARTING
from shoal_agent.core.model import Remembered, Wanted
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole


def is_coming(record: Remembered, wanted: Wanted) -> bool:
    """Say whether a container does not run and is about to: somebody asked for it, or its restart policy does.

    One that ran when its host went down is about to as well, until it is known what its policy makes of that.
    """
    if (
        record.removing
        or wanted.role != HoldRole.HOLD_ROLE_CURRENT
        or wanted.desired != DesiredState.DESIRED_STATE_RUNNING
    ):
        return False
    if record.state in ACTIVE:
        return record.state == STARTING or not record.this_boot
    return wanted.run_admitted > record.run_served or record.restart_due_ms > 0
