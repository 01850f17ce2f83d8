"""What can be waited for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from shoal_proto.v1.container_pb2 import WaitCondition


class Until(StrEnum):
    """What to wait for; each also holds for what is further on."""

    #: It is prepared: could start at once.
    READY = "ready"
    #: It runs, or has ended already.
    RUNNING = "running"
    #: It exited or failed, or was removed.
    ENDED = "ended"
    #: It is frozen, or not, as was asked last.
    SETTLED = "settled"
    #: It is held to the limits asked for last, or its node has said why not; or it doesn't run.
    LIMITED = "limited"
    #: Nothing of it is left in the cluster.
    REMOVED = "removed"


CONDITIONS: Final = {
    Until.READY: WaitCondition.WAIT_CONDITION_READY,
    Until.RUNNING: WaitCondition.WAIT_CONDITION_RUNNING,
    Until.ENDED: WaitCondition.WAIT_CONDITION_UNSPECIFIED,
    Until.SETTLED: WaitCondition.WAIT_CONDITION_SETTLED,
    Until.LIMITED: WaitCondition.WAIT_CONDITION_LIMITED,
    Until.REMOVED: WaitCondition.WAIT_CONDITION_REMOVED,
}
