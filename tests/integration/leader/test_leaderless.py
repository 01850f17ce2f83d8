"""Agents that have lost their leader: kept waiting by another controller until there is a next one. Real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from shoal_common import rpc_errors
from shoal_common.dispatch import LOST_LEADER
from shoal_common.errors import NotLeader
from shoal_controller.leader import dispatcher
from shoal_controller.state import keys
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.v1.cluster_pb2 import Leader
from shoal_proto.v1.dispatcher_pb2 import AgentToLeader, LeaderToAgent, SessionHello
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub
from tests.fakes.leading import NODES, Controller, Rig

_DEAD = "127.0.0.1:9"


@asynccontextmanager
async def _following(rig: Rig) -> AsyncIterator[Controller]:
    async with rig.controller().serving() as controller:
        following = asyncio.create_task(controller.dispatcher.follow_leaders(), name="follow-leaders")
        try:
            yield controller
        finally:
            following.cancel()
            await asyncio.wait({following})


async def _say_leads(rig: Rig, address: str) -> None:
    await rig.delete(keys.leader())
    await rig.put(keys.leader(), encode(Leader(schema=SCHEMA, controller="other", address=address)))


@asynccontextmanager
async def _hello(
    controller: Controller, *, lost: str, followed: int | None = None
) -> AsyncIterator[asyncio.Task[LeaderToAgent]]:
    """Open a session as an agent that has lost a leader; the task is that of its first answer."""
    revision = controller.cache.revision if followed is None else followed
    async with controller.channel(NODES["n1"]) as channel:
        call = DispatcherServiceStub(channel).Session(metadata=((LOST_LEADER, lost),))
        await call.write(AgentToLeader(hello=SessionHello(process_id="p", revision=revision)))

        async def answer() -> LeaderToAgent:
            try:
                message = await call.read()
            except grpc.RpcError as error:
                raise rpc_errors.from_rpc_error(error, peer="controller") from error
            assert isinstance(message, LeaderToAgent)
            return message

        task = asyncio.create_task(answer(), name="answer")
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})
            call.cancel()


async def _waits(answer: asyncio.Task[LeaderToAgent]) -> bool:
    done, _ = await asyncio.wait({answer}, timeout=0.3)
    return not done


async def test_an_agent_that_lost_its_leader_is_served_by_the_next_on_the_same_stream(rig: Rig) -> None:
    await _say_leads(rig, _DEAD)
    async with _following(rig) as controller, _hello(controller, lost=_DEAD) as answer:
        assert await _waits(answer)
        await rig.delete(keys.leader())
        assert await _waits(answer)
        await rig.elect(controller)
        assert (await answer).HasField("opened")


async def test_an_agent_that_lost_its_leader_is_sent_to_the_next(rig: Rig) -> None:
    await _say_leads(rig, _DEAD)
    async with _following(rig) as controller, _hello(controller, lost=_DEAD) as answer:
        assert await _waits(answer)
        await _say_leads(rig, "127.0.0.1:10")
        with pytest.raises(NotLeader) as raised:
            await answer
        assert raised.value.metadata == {"leader": "127.0.0.1:10"}


async def test_an_agent_that_comes_from_elsewhere_is_sent_on_at_once(rig: Rig) -> None:
    await _say_leads(rig, _DEAD)
    async with _following(rig) as controller, _hello(controller, lost="127.0.0.1:11") as answer:
        with pytest.raises(NotLeader) as raised:
            await answer
        assert raised.value.metadata == {"leader": _DEAD}


async def test_an_agent_is_sent_back_to_a_leader_that_it_lost_and_that_leads_again(rig: Rig) -> None:
    await _say_leads(rig, _DEAD)
    async with _following(rig) as controller:
        before = controller.cache.revision
        async with _hello(controller, lost=_DEAD) as answer:
            assert await _waits(answer)
            await _say_leads(rig, _DEAD)
            with pytest.raises(NotLeader):
                await answer
        async with _hello(controller, lost=_DEAD, followed=before) as answer:
            with pytest.raises(NotLeader) as raised:
                await answer
    assert raised.value.metadata == {"leader": _DEAD}


async def test_nobody_waits_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_LEADERLESS", 0.2)
    await _say_leads(rig, _DEAD)
    async with _following(rig) as controller, _hello(controller, lost=_DEAD) as answer:
        with pytest.raises(NotLeader):
            await answer
