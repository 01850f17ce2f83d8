"""Heartbeats to a controller that was stopped in its tracks: a real listener on loopback, TLS and all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from shoal_agent.cluster.heartbeat import Heartbeat
from shoal_common.identity import Identity, Role
from shoal_common.rpc_client import TlsFiles
from shoal_controller.pki.authority import Authority, now
from shoal_proto.v1.dispatcher_pb2 import HeartbeatRequest, HeartbeatResponse
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceServicer, add_DispatcherServiceServicer_to_server


class _Listener(DispatcherServiceServicer):
    """Answers heartbeats, until it is told to say nothing."""

    def __init__(self) -> None:
        self.beats = asyncio.Queue[None]()
        self.silent = False

    def Session(self, request_iterator: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotImplementedError

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if self.silent:
            await asyncio.Event().wait()
        await self.beats.put(None)
        return HeartbeatResponse(next_ms=100)


@asynccontextmanager
async def _listening(folder: Path, listener: _Listener) -> AsyncIterator[tuple[str, TlsFiles]]:
    authority = Authority.create("pond", now())
    pair = authority.issue(Identity(Role.CONTROLLER, "one"), ["127.0.0.1"], now())
    node = authority.issue(Identity(Role.NODE, "n1"), (), now())
    tls = TlsFiles(folder / "ca.pem", folder / "node.pem", folder / "node.key")
    for path, data in ((tls.ca, authority.pem), (tls.certificate, node.certificate), (tls.key, node.key)):
        path.write_bytes(data)
    server = grpc.aio.server()
    add_DispatcherServiceServicer_to_server(listener, server)
    credentials = grpc.ssl_server_credentials(
        [(pair.key, pair.certificate)], root_certificates=authority.pem, require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}", tls
    finally:
        await server.stop(0)


async def test_who_falls_silent_is_left(tmp_path: Path) -> None:
    listener = _Listener()
    loop, asked = asyncio.get_running_loop(), asyncio.Queue[bool]()
    async with _listening(tmp_path, listener) as (address, tls):

        def reopen(silent: bool) -> None:
            loop.call_soon_threadsafe(asked.put_nowait, silent)

        heartbeat = Heartbeat(tls, "p1", reopen)
        heartbeat.start()
        try:
            heartbeat.beat(address, 0.1)
            for _ in range(3):
                await listener.beats.get()
            assert asked.empty()
            listener.silent = True
            told = False
            with suppress(TimeoutError):
                async with asyncio.timeout(15):
                    told = await asked.get()
            assert told
        finally:
            await asyncio.to_thread(heartbeat.stop)
