"""The controller's listeners: the API (mutual TLS, and a unix socket for the local administrator) and joining."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shoal_common.errors import Unavailable
from shoal_common.identity import Identity, Role
from shoal_common.rpc_client import TlsFiles, checked
from shoal_common.rpc_server import SERVER_OPTIONS, ServerInterceptor
from shoal_proto.v1 import (
    cluster_pb2,
    container_pb2,
    dispatcher_pb2,
    event_pb2,
    image_pb2,
    join_pb2,
    node_pb2,
    volume_pb2,
)

#: Calls under way end by themselves within this time when a controller stops; then they are cut.
GRACE_SECONDS: Final = 1.0

#: Whoever reaches the join listener may call it, containers too: what they send is kept in memory, and has to be small.
_JOIN_OPTIONS: Final = {"grpc.max_concurrent_streams": 16, "grpc.max_receive_message_length": 64 << 10}

_ADMIN_SERVICES: Final = tuple(
    service.full_name
    for file in (container_pb2, node_pb2, image_pb2, volume_pb2, cluster_pb2, event_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)
_DISPATCHER: Final = dispatcher_pb2.DESCRIPTOR.services_by_name["DispatcherService"].full_name
_JOIN: Final = join_pb2.DESCRIPTOR.services_by_name["JoinService"].full_name
_HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


def _port(server: grpc.aio.Server, address: str, add: Callable[[], int]) -> None:
    try:
        bound = add()
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise Unavailable(f"can't listen on {address} (is it this host's, and is nothing else listening there?)")


@contextlib.asynccontextmanager
async def api_server(
    *,
    listen: str,
    socket: Path,
    tls: TlsFiles,
    add_services: Callable[[grpc.aio.Server], None],
    refuse: Callable[[Identity], None],
) -> AsyncIterator[ServerInterceptor]:
    """Serve the API while the context lasts; its value cuts off who is refused meanwhile.

    Args:
        refuse: raises for a caller whose certificate counts no more.
        add_services: adds the servicers of every service of the API.

    Raises:
        Unavailable: an address can't be listened on.
    """
    allowed: dict[str, Collection[Role] | None] = dict.fromkeys(_ADMIN_SERVICES, (Role.ADMIN,))
    anyone = tuple(Role)
    interceptor = ServerInterceptor(
        {**allowed, _DISPATCHER: (Role.NODE,), _HEALTH: anyone, reflection.SERVICE_NAME: (Role.ADMIN,)},
        refuse=refuse,
    )
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    add_services(server)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection([*_ADMIN_SERVICES, _HEALTH, reflection.SERVICE_NAME], server)
    ca, certificate, key = checked(tls)
    credentials = grpc.ssl_server_credentials([(key, certificate)], root_certificates=ca, require_client_auth=True)
    _port(server, listen, lambda: server.add_secure_port(listen, credentials))
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Whoever can connect is the administrator, so the socket must never be open to others, not even for a moment.
    mask = os.umask(0o177)
    try:
        _port(server, str(socket), lambda: server.add_insecure_port(f"unix:{socket}"))
        await server.start()
    finally:
        os.umask(mask)
    try:
        await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        yield interceptor
    finally:
        await health_servicer.enter_graceful_shutdown()
        await server.stop(GRACE_SECONDS)
        socket.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def join_server(
    *, listen: str, tls: TlsFiles, add_services: Callable[[grpc.aio.Server], None]
) -> AsyncIterator[None]:
    """Serve joining while the context lasts, to callers that have no certificate yet.

    Raises:
        Unavailable: the address can't be listened on.
    """
    server = grpc.aio.server(
        interceptors=[ServerInterceptor({_JOIN: None})],
        options=list({**dict(SERVER_OPTIONS), **_JOIN_OPTIONS}.items()),
        maximum_concurrent_rpcs=64,
    )
    add_services(server)
    ca, certificate, key = checked(tls)
    # The chain carries the authority's certificate too: a host takes it from there, and holds it against its token.
    credentials = grpc.ssl_server_credentials([(key, certificate + ca)])
    _port(server, listen, lambda: server.add_secure_port(listen, credentials))
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)
