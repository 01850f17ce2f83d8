"""The agent's gRPC server: mutual TLS, and controllers only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
import grpc.aio

from shoal_agent.service import AgentService
from shoal_common.errors import Unavailable
from shoal_common.identity import Role
from shoal_common.rpc_client import TlsFiles, checked
from shoal_common.rpc_server import SERVER_OPTIONS, ServerInterceptor
from shoal_proto.v1.agent_pb2_grpc import add_AgentServiceServicer_to_server

_ALLOWED: Final = {"shoal.v1.AgentService": (Role.CONTROLLER,)}
#: Seconds that streams get to end when the agent does. Clients take them up again by cursor.
_GRACE: Final = 0.5


@asynccontextmanager
async def agent_server(*, listen: str, tls: TlsFiles, service: AgentService) -> AsyncIterator[None]:
    """Serve on `listen` ("IP:PORT") until the block is left.

    Raises:
        Unavailable: the address can't be had.
        Unauthenticated: the node's certificate is not usable.
    """
    ca, certificate, key = checked(tls)
    credentials = grpc.ssl_server_credentials([(key, certificate)], root_certificates=ca, require_client_auth=True)
    server = grpc.aio.server(interceptors=[ServerInterceptor(_ALLOWED)], options=SERVER_OPTIONS)
    add_AgentServiceServicer_to_server(service, server)
    try:
        bound = server.add_secure_port(listen, credentials)
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise Unavailable(f"can't listen on {listen} (is it this host's, and is no other agent running?)")
    await server.start()
    try:
        yield
    finally:
        await server.stop(_GRACE)
