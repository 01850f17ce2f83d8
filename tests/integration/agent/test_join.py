"""Joining: against a join listener on real TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shoal_agent.cluster.join import Membership, join, membership, parse_token, tls_files
from shoal_agent.paths import NodePaths
from shoal_common.errors import InvalidSpec, Unauthenticated, Unavailable
from shoal_common.identity import Identity, Role
from shoal_common.ids import node_id
from shoal_common.rpc_client import checked
from shoal_controller.pki.authority import Authority, now
from shoal_proto.v1.join_pb2 import JoinRequest, JoinResponse
from shoal_proto.v1.join_pb2_grpc import JoinServiceServicer, add_JoinServiceServicer_to_server


class Listener(JoinServiceServicer):
    """Signs whatever shows the right secret."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.address = ""
        self.failing = 0
        self.requests: list[JoinRequest] = []

    async def Join(self, request: JoinRequest, context: grpc.aio.ServicerContext[Any, Any]) -> JoinResponse:
        self.requests.append(request)
        if self.failing:
            self.failing -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        if request.token_secret != "fish":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the join token is not known")
        key = x509.load_pem_x509_csr(request.certificate_request).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return JoinResponse(
            node_id=node_id(der),
            certificate=self.authority.sign(key, Identity(Role.NODE, node_id(der)), request.addresses, now()),
            ca_certificate=self.authority.pem,
            cluster_id="pond",
            controllers=["127.0.0.1:7400"],
        )

    def token(self, secret: str = "fish", digest: str = "") -> str:
        return f"SHOAL-1-{digest or self.authority.digest}-abc-{secret}"


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    authority = Authority.create("pond", now())
    pair = authority.issue(Identity(Role.CONTROLLER, "one"), ["127.0.0.1"], now())
    credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate + authority.pem)])
    one = Listener(authority)
    server = grpc.aio.server()
    add_JoinServiceServicer_to_server(one, server)
    one.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    await server.start()
    yield one
    await server.stop(0)


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


async def _join(paths: NodePaths, listener: Listener, token: str) -> Membership:
    return await join(paths, controller=listener.address, token=parse_token(token), name="one", addresses=["127.0.0.1"])


async def test_host_becomes_a_node(paths: NodePaths, listener: Listener) -> None:
    assert membership(paths) is None
    member = await _join(paths, listener, listener.token())
    assert membership(paths) == member
    assert (member.cluster, member.controllers) == ("pond", ("127.0.0.1:7400",))
    checked(member.tls)
    assert member.tls.key.stat().st_mode & 0o777 == 0o600


async def test_retry_is_the_same_node(paths: NodePaths, listener: Listener) -> None:
    listener.failing = 1
    with pytest.raises(Unavailable):
        await _join(paths, listener, listener.token())
    assert membership(paths) is None
    key = tls_files(paths).key.read_bytes()
    first = await _join(paths, listener, listener.token())
    assert (await _join(paths, listener, listener.token())).node == first.node
    assert tls_files(paths).key.read_bytes() == key


async def test_other_authority_is_refused_before_anything_is_sent(paths: NodePaths, listener: Listener) -> None:
    with pytest.raises(Unauthenticated, match="not of the cluster that the join token is for"):
        await _join(paths, listener, listener.token(digest="0" * 64))
    assert listener.requests == []


async def test_wrong_secret_is_refused(paths: NodePaths, listener: Listener) -> None:
    with pytest.raises(Unauthenticated, match="token is not known"):
        await _join(paths, listener, listener.token(secret="fowl"))


async def test_nobody_there_is_one_line(paths: NodePaths) -> None:
    token = parse_token(f"SHOAL-1-{'0' * 64}-abc-fish")
    with pytest.raises(Unavailable, match=r"^controller 127\.0\.0\.1:1 does not answer: [^\n]*$"):
        await join(paths, controller="127.0.0.1:1", token=token, name="one", addresses=[])


@pytest.mark.parametrize("text", ["", "SHOAL-1-abc", "SHOAL-2-" + "0" * 64 + "-a-b"])
def test_what_is_no_token_is_said(text: str) -> None:
    with pytest.raises(InvalidSpec, match="SHOAL-1-"):
        parse_token(text)
