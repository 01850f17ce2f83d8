"""Trace ids from a client's metadata into what is stored and to agents, and phases for who asks."""

from __future__ import annotations

import pytest

from shoal_common.sealing import Sealer
from shoal_common.timings import ANSWER, ASK, parse_timing
from shoal_common.tracing import trace_metadata
from shoal_controller.leader.assignments import Assignments
from shoal_controller.state import keys
from shoal_proto.v1.container_pb2 import (
    ExecRequest,
    ExecStart,
    KillContainerRequest,
    LogsRequest,
    StopContainerRequest,
)
from shoal_proto.v1.node_pb2 import Hold, HoldRole
from tests.parts.api_world import NODE, World, create_request, next_of, ref

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
async def ready(world: World) -> World:
    await world.image()
    await world.node()
    await world.start_agent()
    return world


async def test_a_spec_and_its_assignment_have_the_trace_of_the_last_request(ready: World) -> None:
    request = create_request("one")
    made = await ready.containers.CreateContainer(request, metadata=trace_metadata(FIRST))
    assert made.container.spec.trace_id == FIRST
    again = await ready.containers.CreateContainer(request, metadata=trace_metadata(SECOND))
    assert again.container.spec.trace_id == FIRST, "a repetition changes nothing"
    hold = Hold(schema=1, namespace="default", container=request.id, generation=1, role=HoldRole.HOLD_ROLE_CURRENT)
    await ready.put(keys.hold(NODE, request.id), hold)
    await ready.containers.StopContainer(StopContainerRequest(container=ref("one")), metadata=trace_metadata(SECOND))
    assignment = Assignments(ready.cache, Sealer(b"k" * 32)).of_hold(NODE, request.id)
    assert assignment is not None
    assert assignment.trace_id == SECOND


async def test_who_sends_no_trace_is_given_one(ready: World) -> None:
    first = (await ready.create("one")).spec.trace_id
    second = (await ready.create("two")).spec.trace_id
    assert (len(first), len(second)) == (32, 32)
    assert first != second


async def test_relayed_calls_carry_the_trace_to_the_agent(ready: World) -> None:
    await ready.running("one")
    metadata = trace_metadata(FIRST)
    await ready.containers.KillContainer(KillContainerRequest(container=ref("one")), metadata=metadata)
    ready.agent.write(b"line\n")
    await next_of(ready.containers.ContainerLogs(LogsRequest(container=ref("one")), metadata=metadata))
    call = ready.containers.ExecContainer(metadata=metadata)
    await call.write(ExecRequest(start=ExecStart(container=ref("one"), args=["true"])))
    await next_of(call)
    call.cancel()
    assert ready.agent.traces == [FIRST] * 3


async def test_phases_are_told_to_who_asks_only(ready: World) -> None:
    for metadata, expected in (
        (((ASK, "1"),), {"validation", "image", "commit", "cache", "total"}),
        ((), set()),
    ):
        call = ready.containers.CreateContainer(create_request(f"n{len(expected)}"), metadata=metadata)
        await call
        told = dict(await call.trailing_metadata() or ()).get(ANSWER, "")
        assert isinstance(told, str)
        assert set(parse_timing(told)) == expected
