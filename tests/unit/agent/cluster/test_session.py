"""What the session's writer is told of a call that has ended. Real gRPC on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from shoal_agent.cluster import session
from shoal_agent.cluster.session import send
from shoal_common.dispatch import LOST_LEADER
from shoal_common.errors import NotLeader, Revoked, Superseded
from shoal_common.rpc_errors import to_status
from shoal_proto.v1.dispatcher_pb2 import AgentToLeader, HeartbeatRequest, LeaderToAgent, SessionOpened
from shoal_proto.v1.dispatcher_pb2_grpc import (
    DispatcherServiceServicer,
    DispatcherServiceStub,
    add_DispatcherServiceServicer_to_server,
)
from shoal_proto.v1.node_pb2 import NodeDescription


class _Ending(DispatcherServiceServicer):
    """Ends every session at once."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    async def Session(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[AgentToLeader, LeaderToAgent]
    ) -> AsyncIterator[LeaderToAgent]:
        if self._code is not grpc.StatusCode.OK:
            await context.abort(self._code, "it is over")
        for _ in ():
            yield LeaderToAgent()

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotImplementedError


async def _told(code: grpc.StatusCode) -> BaseException:
    """What sending raises after a call that a controller ended like this."""
    server = grpc.aio.server()
    add_DispatcherServiceServicer_to_server(_Ending(code), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = DispatcherServiceStub(channel).Session()
            # Waits for the end, which comes while nothing is being written.
            await call.code()
            with pytest.raises((grpc.RpcError, Superseded)) as raised:
                await send(call, AgentToLeader())
            return raised.value
    finally:
        await server.stop(None)


async def test_a_call_that_broke_off_tells_why() -> None:
    told = await _told(grpc.StatusCode.UNAVAILABLE)
    assert isinstance(told, grpc.aio.AioRpcError)
    assert (told.code(), told.details()) == (grpc.StatusCode.UNAVAILABLE, "it is over")


async def test_a_call_that_ended_in_good_order_is_superseded() -> None:
    assert isinstance(await _told(grpc.StatusCode.OK), Superseded)


class _Refusing(DispatcherServiceServicer):
    """Refuses every session as a controller does whose cluster has removed the node."""

    def __init__(self) -> None:
        self.sessions = 0

    async def Session(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[AgentToLeader, LeaderToAgent]
    ) -> AsyncIterator[LeaderToAgent]:
        self.sessions += 1
        if self.sessions:
            await context.abort_with_status(to_status(Revoked("node one was removed (shoal agent reset)")))
        yield LeaderToAgent()

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotImplementedError


def _session(monkeypatch: pytest.MonkeyPatch, port: int) -> session.Session:
    """A session of a node that has nothing, over connections without TLS."""
    plain = lambda address, *_, **__: grpc.aio.insecure_channel(address)  # noqa: E731
    monkeypatch.setattr("shoal_agent.cluster.channels.secure_channel", plain)

    async def saved() -> None:
        pass

    node = SimpleNamespace(
        digest=lambda: b"", confirmed=False, news=asyncio.Event(), reports=lambda *, everything: [], strays=list
    )
    position = SimpleNamespace(controllers=(), epoch=1, revision=1)
    watermark = SimpleNamespace(position=position, learn=lambda **_: None, save=saved)
    return session.Session(
        node=node,  # type: ignore[arg-type]
        network=SimpleNamespace(),
        watermark=watermark,  # type: ignore[arg-type]
        cluster_id="c",
        controllers=(f"127.0.0.1:{port}",),
        tls=SimpleNamespace(),  # type: ignore[arg-type]
        process_id="p",
        description=NodeDescription(),
    )


async def test_a_removed_node_says_so_once_and_then_keeps_quiet(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = _Refusing()
    server = grpc.aio.server()
    add_DispatcherServiceServicer_to_server(refusing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pauses: list[float] = []
    quiet = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if refusing.sessions == 3:
            quiet.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("shoal_agent.cluster.session.asyncio.sleep", sleep)
    running = asyncio.create_task(_session(monkeypatch, port).run(), name="session")
    try:
        async with asyncio.timeout(10):
            await quiet.wait()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await server.stop(None)
    assert refusing.sessions == 3
    assert min(pauses[-2:]) >= 150
    errors = [record.message for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    assert [each for each in errors if "Internal error from Core" not in each] == [
        "node one was removed (shoal agent reset); containers are left as they are"
    ]
    assert len(errors) <= 2


class _Changing(DispatcherServiceServicer):
    """Is a leader that is lost, then one that opens a session and steps down; notes who was said to be lost."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.asked_again = asyncio.Event()
        self.open = asyncio.Event()

    async def Session(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[AgentToLeader, LeaderToAgent]
    ) -> AsyncIterator[LeaderToAgent]:
        self.lost.append(str(dict(context.invocation_metadata() or ()).get(LOST_LEADER, "")))
        if len(self.lost) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        if len(self.lost) == 2:
            yield LeaderToAgent(cluster_id="c", opened=SessionOpened())
            # The end of a stream may overtake what was sent before.
            await self.open.wait()
            await context.abort_with_status(to_status(NotLeader("nobody leads")))
        self.asked_again.set()

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotImplementedError


async def test_a_leader_is_not_lost_any_more_once_there_was_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may lead again: whoever is asked for the next leader would wait for another one in vain."""
    for _ in range(10):
        caplog.clear()
        port, lost = await _lost_while_changing(monkeypatch)
        # gRPC breaks a call now and then that is answered and ended at once: then no session was opened.
        if not any("Internal error from Core" in record.message for record in caplog.records):
            break
    assert lost[:3] == ["", f"127.0.0.1:{port}", ""]


async def _lost_while_changing(monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    changing = _Changing()
    server = grpc.aio.server()
    add_DispatcherServiceServicer_to_server(changing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    beats = SimpleNamespace(beat=lambda address, interval: changing.open.set(), pause=lambda: None)
    running = asyncio.create_task(_session(monkeypatch, port).keep_open(beats), name="session")
    try:
        async with asyncio.timeout(10):
            await changing.asked_again.wait()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await server.stop(None)
    return port, changing.lost
