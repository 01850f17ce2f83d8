"""What nodes have, asked of their agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import grpc.aio

from shoal_common.errors import Unavailable
from shoal_common.ids import is_container_id
from shoal_controller.api.relay import Agent
from shoal_controller.core.adoption import Found
from shoal_controller.leader import intake
from shoal_proto.v1.agent_pb2 import AgentInventoryRequest

#: Seconds for a node to tell all that it has.
_LONGEST: Final = 30.0


async def inventory(node: str, agent: Agent, ids: Iterable[str] = ()) -> list[Found]:
    """Return what a node has records of.

    Args:
        node: its id.
        agent: its agent.
        ids: only these; none means all.

    Raises:
        Unavailable: the node does not answer.
    """
    found: list[Found] = []
    try:
        call = agent.stub.Inventory(AgentInventoryRequest(ids=ids), timeout=_LONGEST)
        async for item in call:
            if not is_container_id(item.assignment.id):
                continue
            found.append(Found(node, item.assignment, intake.bounded(item.status)))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise Unavailable(
                f"node {agent.name} runs an agent that can't tell what it has (upgrade it, containers run on meanwhile)"
            ) from error
        raise agent.translated(error, "its containers can't be listed") from error
    return found
