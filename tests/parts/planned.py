"""What an agent remembers of a container that runs well, and what it is asked to have of it: decisions begin here."""

from __future__ import annotations

from typing import Final

from shoal_agent.core.model import Remembered, Wanted
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState
from shoal_proto.v1.node_pb2 import HoldRole

RECORD: Final = Remembered(
    generation=1,
    attempt=1,
    state=ContainerState.CONTAINER_STATE_RUNNING,
    run_served=1,
    ever_ready=True,
    start_pending=False,
    this_boot=True,
    removing=False,
    removed=False,
    report=5,
    report_accepted=5,
    kill_due_ms=0,
)
WANTED: Final = Wanted(
    generation=1,
    role=HoldRole.HOLD_ROLE_CURRENT,
    desired=DesiredState.DESIRED_STATE_RUNNING,
    run_admitted=1,
    stop_grace_ms=10_000,
    ever_ready=True,
)
