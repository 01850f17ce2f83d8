"""What nodes have, asked of their agents."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import grpc.aio

from shoal_common.errors import InvalidSpec, Unavailable
from shoal_controller.api.streams.relay import Agent
from shoal_controller.core.adoption import Found
from shoal_controller.leader import intake
from shoal_proto.v1.agent_pb2 import AgentInventoryRequest

_log: Final = logging.getLogger(__name__)

#: Containers of one node, and bytes of them, that are taken over: what the leader has to keep, and etcd to store.
_MOST: Final = 20_000
_MOST_BYTES: Final = 256 << 20
#: Seconds for a node to tell all that it has.
_LONGEST: Final = 30.0


async def inventory(node: str, agent: Agent, ids: Iterable[str] = ()) -> list[Found]:
    """Return what a node has records of. What no agent could have is left out.

    Args:
        node: its id.
        agent: its agent.
        ids: only these; none means all.

    Raises:
        Unavailable: the node does not answer, or tells of more than any node has.
    """
    found: list[Found] = []
    size = 0
    try:
        call = agent.stub.Inventory(AgentInventoryRequest(ids=ids), timeout=_LONGEST)
        async for item in call:
            size += item.ByteSize()
            if len(found) >= _MOST or size > _MOST_BYTES:
                raise Unavailable(
                    f"node {agent.name} says that it has more containers than a node can have (if it was taken over, "
                    "switch it off; to remove it: shoal node rm --force)"
                )
            status = intake.bounded(item.status)
            try:
                intake.check_copy(item.assignment, status)
            except InvalidSpec as error:
                _log.warning("node %s has container %.80a, left out: %s", node, item.assignment.id, error.message)
                continue
            found.append(Found(node, item.assignment, status))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise Unavailable(
                f"node {agent.name} runs an agent that can't tell what it has (upgrade it, containers run on meanwhile)"
            ) from error
        raise agent.translated(error, "its containers can't be listed") from error
    return found
