"""A leader among agents and controllers of other versions, while a cluster is upgraded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import grpc.aio
import pytest
from google.protobuf.message import Message

from shoal_controller.state import keys
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    Security,
)
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import Hold, NodeLedger, NodeSession, NodeSpec, NodeState, NodeStatus
from tests.fakes.agent import SimulatedAgent
from tests.fakes.leading import CONTAINERS, NODES, Controller, Rig, container_id, is_ready, state_of
from tests.parts.peers import TOMORROW, Peer, frozen, frozen_versions, remembered, rewritten, tomorrow

RUNNING = ContainerState.CONTAINER_STATE_RUNNING
EXITED = ContainerState.CONTAINER_STATE_EXITED
NODE = NODES["n1"]
GIB = 1 << 30

PARTS: dict[str, type[Message]] = {
    "placement": ContainerPlacement,
    "status": ContainerStatus,
    "hold": Hold,
    "ledger": NodeLedger,
    "session": NodeSession,
    "node": NodeStatus,
    "spec": ContainerSpec,
}


def places(container: str) -> dict[str, str]:
    return {
        "placement": keys.container_placement(CONTAINERS, container),
        "status": keys.container_status(CONTAINERS, container),
        "hold": keys.hold(NODE, container),
        "ledger": keys.node_ledger(NODE),
        "session": keys.node_session(NODE),
        "node": keys.node_status(NODE),
        "spec": keys.container_spec(CONTAINERS, container),
    }


async def rewrite(rig: Rig, newer: Peer, container: str) -> None:
    """Have a newer controller write every object of a container and its node once more."""
    for name, key in places(container).items():
        _, entry = await rig.kv.get(key)
        assert entry is not None, name
        await rig.put(key, rewritten(newer, PARTS[name].FromString(entry.value)).SerializeToString())


async def kept(rig: Rig, newer: Peer, container: str) -> set[str]:
    """Return which of these objects still have what the newer controller wrote."""
    found = set()
    for name, key in places(container).items():
        _, entry = await rig.kv.get(key)
        if entry is not None and PARTS[name].DESCRIPTOR.name in remembered(newer, PARTS[name].FromString(entry.value)):
            found.add(name)
    return found


async def test_what_a_newer_controller_wrote_survives_this_ones_writes(rig: Rig, controller: Controller) -> None:
    newer = tomorrow()
    async with controller.channel(NODE) as channel:
        async with SimulatedAgent(channel, NODE, process_id="p1") as agent:
            container = await rig.create(1, memory=GIB)
            await controller.until(lambda: state_of(controller.cache, container) == RUNNING)
            await rewrite(rig, newer, container)
            written = await kept(rig, newer, container)
            assert written == set(PARTS)

            # It ends: status and room. It is started again: placement, hold, ledger.
            await agent.end(container)
            await controller.until(lambda: state_of(controller.cache, container) == EXITED)
            # A status is the agent's word, whole: this agent has never known that field.
            assert await kept(rig, newer, container) == set(PARTS) - {"status"}
            await rig.update(container, run=2)
            await controller.until(lambda: state_of(controller.cache, container) == RUNNING)
            assert await kept(rig, newer, container) == set(PARTS) - {"status"}
        # The next process of the agent: session and node status are written.
        async with SimulatedAgent(channel, NODE, process_id="p2", disk=agent.disk, memory=9 * GIB):
            await controller.until(lambda: controller.cache.nodes[NODE].session.value.process_id == "p2")  # type: ignore[union-attr]
            assert await kept(rig, newer, container) == set(PARTS) - {"status"}


async def test_what_a_newer_agent_reports_is_stored_whole(rig: Rig, controller: Controller) -> None:
    newer = tomorrow()
    async with controller.channel(NODE) as channel, SimulatedAgent(channel, NODE, process_id="p1") as agent:
        container = await rig.create(1)
        await controller.until(lambda: state_of(controller.cache, container) == RUNNING)
        status = agent.disk.statuses[container]
        status.state, status.report = EXITED, status.report + 1
        await agent.report(StatusReport(namespace=CONTAINERS, id=container, status=rewritten(newer, status)))
        await controller.until(lambda: state_of(controller.cache, container) == EXITED)
        _, entry = await rig.kv.get(keys.container_status(CONTAINERS, container))
        assert entry is not None
        assert "ContainerStatus" in remembered(newer, ContainerStatus.FromString(entry.value))


async def test_a_wish_of_a_newer_version_starts_and_stops_nothing(rig: Rig, controller: Controller) -> None:
    async with controller.channel(NODE) as channel, SimulatedAgent(channel, NODE, process_id="p1") as agent:
        container = await rig.create(1)
        other = await rig.create(2, desired=cast("DesiredState", TOMORROW))
        await controller.until(lambda: state_of(controller.cache, container) == RUNNING)
        await rig.update(container, desired=TOMORROW)
        third = await rig.create(3)
        await controller.until(lambda: state_of(controller.cache, third) == RUNNING)
        assert state_of(controller.cache, container) == RUNNING
        assert controller.cache.containers[other].placement is None
        assert [each for each, _ in agent.disk.starts].count(container) == 1


@pytest.mark.parametrize("version", frozen_versions())
async def test_what_an_older_controller_stored_unchecked_is_given_to_nobody(
    rig: Rig, controller: Controller, version: str
) -> None:
    """It stores whatever a client asks for, and has never heard of a policy."""
    peer = Peer(frozen(version))
    asked = ContainerConfig(image="web:1", security=Security(privileged=True))
    theirs = peer.type("ContainerSpec")(
        schema=1, id=container_id(1), namespace=CONTAINERS, name="c1", config=peer.read(asked), desired=2, run=1
    )
    await rig.put(keys.container_spec(CONTAINERS, container_id(1)), theirs.SerializeToString())
    async with controller.channel(NODE) as channel, SimulatedAgent(channel, NODE, process_id="p1") as agent:
        other = await rig.create(2)
        await controller.until(lambda: state_of(controller.cache, other) == RUNNING)
        assert controller.cache.containers[container_id(1)].placement is None
        # One that knows what it says has asked the policy, and says so.
        checked = ContainerSpec.FromString(theirs.SerializeToString())
        checked.permissions.append("privileged")
        await rig.put(keys.container_spec(CONTAINERS, container_id(1)), checked.SerializeToString())
        await controller.until(lambda: state_of(controller.cache, container_id(1)) == RUNNING)
        assert len(agent.disk.starts) == 2


class OldAgent:
    """An agent of a frozen version: it speaks its own messages, and has none of our code."""

    def __init__(self, peer: Peer, channel: grpc.aio.Channel) -> None:
        self._peer = peer
        self._call: grpc.aio.StreamStreamCall[Message, Message] = channel.stream_stream(
            "/shoal.v1.DispatcherService/Session",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=peer.type("LeaderToAgent").FromString,
        )()

    async def say(self, **message: object) -> None:
        await self._call.write(self._peer.type("AgentToLeader")(**message))

    async def hear(self, kind: str) -> Message:
        """Return the next message of a kind."""
        while True:
            message = await self._call.read()
            assert isinstance(message, Message), "the session ended"
            if message.WhichOneof("message") == kind:
                return message

    def end(self) -> None:
        self._call.cancel()


@pytest.fixture(params=frozen_versions())
async def old(request: pytest.FixtureRequest, controller: Controller) -> AsyncIterator[tuple[Peer, OldAgent]]:
    peer = Peer(frozen(request.param))
    async with controller.channel(NODE) as channel:
        agent = OldAgent(peer, channel)
        yield peer, agent
        agent.end()


async def test_an_agent_of_an_older_version_runs_what_it_is_given(
    rig: Rig, controller: Controller, old: tuple[Peer, OldAgent]
) -> None:
    peer, agent = old
    description = peer.type("NodeDescription")(
        name="n1",
        address="10.0.0.1:7410",
        boot_id="boot",
        capacity=peer.type("Resources")(memory_bytes=8 * GIB, cpu_millis=8000),
    )
    await agent.say(hello=peer.type("SessionHello")(process_id="p1", description=description))
    opened = await agent.hear("opened")
    assert opened.opened.session_epoch == 1  # type: ignore[attr-defined]
    await controller.until(lambda: is_ready(controller.cache, NODE))
    container = await rig.create(1, memory=GIB, env=("A=b",))
    message = await agent.hear("change")
    (assignment,) = message.change.put  # type: ignore[attr-defined]
    assert (assignment.id, assignment.config.image, list(assignment.config.env)) == (container, "web:1", ["A=b"])
    for number, state in enumerate((20, 40), start=1):
        status = peer.type("ContainerStatus")(
            generation=assignment.generation, attempt=1, state=state, report=number, run_served=1, ever_ready=True
        )
        report = peer.type("StatusReport")(namespace=CONTAINERS, id=container, status=status)
        await agent.say(reports=peer.type("StatusReports")(reports=[report]))
        accepted = await agent.hear("accepted")
        assert accepted.accepted.reports[0].report == number  # type: ignore[attr-defined]
    await controller.until(lambda: state_of(controller.cache, container) == RUNNING)
    assert controller.cache.nodes[NODE].status.value.state == NodeState.NODE_STATE_READY  # type: ignore[union-attr]


async def test_what_an_older_version_stored_is_read(rig: Rig, controller: Controller) -> None:
    for version in frozen_versions():
        peer = Peer(frozen(version))
        spec = peer.type("NodeSpec")(schema=1, id=NODE, name="n1", labels={"ssd": "true"})
        key = keys.node_spec(NODE)
        revision = await rig.put(key, spec.SerializeToString())
        await controller.cache.reached(revision)
        stored = controller.cache.nodes[NODE].spec
        assert stored is not None
        assert stored.value == NodeSpec(schema=1, id=NODE, name="n1", labels={"ssd": "true"})
