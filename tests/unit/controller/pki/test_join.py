"""Joining: who gets a certificate, and for what."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shoal_common.errors import AlreadyExists, InvalidSpec, Revoked, Unauthenticated
from shoal_common.identity import Role, identity_of
from shoal_controller.pki.authority import Authority, now
from shoal_controller.pki.join import JoinService
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import Txn
from shoal_proto.v1.cluster_pb2 import Cluster, JoinToken, Revocation
from shoal_proto.v1.join_pb2 import JoinRequest, JoinResponse
from tests.fakes.kv import FakeKV

SECRET = "s3cret"
CONTEXT = cast("grpc.aio.ServicerContext[object, object]", None)


def _request(
    key: ec.EllipticCurvePrivateKey, *, name: str = "n1", secret: str = SECRET, token: str = "t1"
) -> JoinRequest:
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return JoinRequest(
        token_id=token,
        token_secret=secret,
        certificate_request=csr.public_bytes(serialization.Encoding.PEM),
        name=name,
        addresses=["10.0.0.1"],
    )


@asynccontextmanager
async def _service(*, valid: timedelta = timedelta(hours=1)) -> AsyncIterator[tuple[JoinService, FakeKV]]:
    kv = FakeKV()
    token = JoinToken(schema=1, id="t1", secret_sha256=hashlib.sha256(SECRET.encode()).digest(), role="node")
    token.expires_at.FromDatetime(now() + valid)
    txn = Txn()
    txn.put(keys.cluster(), Cluster(schema=1, id="c1", epoch=1).SerializeToString(), expect=0)
    txn.put(keys.token("t1"), token.SerializeToString(), expect=0)
    await kv.commit(txn)
    cache = ClusterCache(kv)
    running = asyncio.create_task(cache.run(), name="cache")
    try:
        await cache.synced.wait()
        yield JoinService(kv, cache, Authority.create("c1", now()), lambda: ["10.0.0.9:7400"]), kv
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _join(service: JoinService, request: JoinRequest) -> JoinResponse:
    return await service.Join(request, CONTEXT)


async def test_a_host_with_a_token_becomes_a_node() -> None:
    async with _service() as (service, kv):
        answer = await _join(service, _request(ec.generate_private_key(ec.SECP256R1())))
        identity = identity_of(x509.load_pem_x509_certificate(answer.certificate))
        assert (identity.role, identity.id) == (Role.NODE, answer.node_id)
        assert answer.cluster_id == "c1"
        assert list(answer.controllers) == ["10.0.0.9:7400"]
        assert (await kv.get(keys.node_spec(answer.node_id)))[1] is not None


async def test_a_retry_with_the_same_key_is_the_same_node() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with _service() as (service, kv):
        first, second = await _join(service, _request(key)), await _join(service, _request(key))
        assert first.node_id == second.node_id
        assert len((await kv.list("/shoal/v1/nodes/")).entries) == 1


async def test_another_host_can_not_take_the_name() -> None:
    async with _service() as (service, kv):
        await _join(service, _request(ec.generate_private_key(ec.SECP256R1())))
        with pytest.raises(AlreadyExists, match="n1"):
            await _join(service, _request(ec.generate_private_key(ec.SECP256R1())))
        assert len((await kv.list("/shoal/v1/nodes/")).entries) == 1


@pytest.mark.parametrize(("secret", "token"), [("wrong", "t1"), (SECRET, "t2"), ("", "")])
async def test_a_wrong_token_makes_no_node(secret: str, token: str) -> None:
    async with _service() as (service, kv):
        with pytest.raises(Unauthenticated):
            await _join(service, _request(ec.generate_private_key(ec.SECP256R1()), secret=secret, token=token))
        assert not (await kv.list("/shoal/v1/nodes/")).entries


async def test_an_expired_token_makes_no_node() -> None:
    async with _service(valid=timedelta(seconds=-1)) as (service, kv):
        with pytest.raises(Unauthenticated, match="expired"):
            await _join(service, _request(ec.generate_private_key(ec.SECP256R1())))
        assert not (await kv.list("/shoal/v1/nodes/")).entries


async def test_a_request_that_is_no_certificate_request_is_refused() -> None:
    async with _service() as (service, _):
        request = _request(ec.generate_private_key(ec.SECP256R1()))
        request.certificate_request = b"nonsense"
        with pytest.raises(InvalidSpec):
            await _join(service, request)


_KNOWN_CURVE = bytes.fromhex("06082a8648ce3d030107")


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        pytest.param(b"\x02\x01\x00", b"\x02\x01\x5d", id="of a version that there is not"),
        pytest.param(_KNOWN_CURVE, _KNOWN_CURVE[:-1] + b"\x66", id="of a curve that nobody knows"),
        pytest.param(b"\x03\x42\x00\x04", b"\x03\x42\x00\x05", id="of a point that is none"),
        pytest.param(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0f01"), id="of no kind of key"),
    ],
)
async def test_a_request_for_a_key_that_is_none_is_refused(part: bytes, instead: bytes) -> None:
    request = _request(ec.generate_private_key(ec.SECP256R1()))
    der = x509.load_pem_x509_csr(request.certificate_request).public_bytes(serialization.Encoding.DER)
    assert part in der
    spoiled = base64.encodebytes(der.replace(part, instead, 1))
    request.certificate_request = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + spoiled + b"-----END CERTIFICATE REQUEST-----\n"
    )
    async with _service() as (service, kv):
        with pytest.raises(InvalidSpec):
            await _join(service, request)
        assert not (await kv.list("/shoal/v1/nodes/")).entries


async def test_a_removed_host_does_not_join_with_its_old_key() -> None:
    async with _service() as (service, kv):
        key = ec.generate_private_key(ec.SECP256R1())
        node = (await _join(service, _request(key))).node_id
        revocation = Revocation(schema=1, role="node", id=node, name="n1", reason="node n1 was removed")
        txn = Txn()
        txn.put(keys.revocation("node", node), revocation.SerializeToString(), expect=0)
        await kv.commit(txn)
        await service._cache.reached(kv.revision)
        # Also while the rest of the node is still there, and when it has gone.
        with pytest.raises(Revoked, match="shoal agent reset"):
            await _join(service, _request(key))
        _, spec = await kv.get(keys.node_spec(node))
        assert spec is not None
        gone = Txn()
        gone.delete(keys.node_spec(node), expect=spec.mod_revision)
        await kv.commit(gone)
        with pytest.raises(Revoked, match="shoal agent reset"):
            await _join(service, _request(key, name="n2"))
        fresh = ec.generate_private_key(ec.SECP256R1())
        assert (await _join(service, _request(fresh, name="n3"))).node_id != node


async def test_a_removal_that_this_controller_has_not_heard_of_is_not_passed_by() -> None:
    async with _service() as (service, kv):
        key = ec.generate_private_key(ec.SECP256R1())
        node = (await _join(service, _request(key))).node_id
        _, spec = await kv.get(keys.node_spec(node))
        assert spec is not None
        service._cache = _Behind(service._cache)  # type: ignore[assignment]
        txn = Txn()
        revocation = Revocation(schema=1, role="node", id=node, reason="node n1 was removed")
        txn.put(keys.revocation("node", node), revocation.SerializeToString(), expect=0)
        txn.delete(keys.node_spec(node), expect=spec.mod_revision)
        await kv.commit(txn)
        with pytest.raises(Revoked):
            await _join(service, _request(key, name="n2"))


class _Behind:
    """A cache that has heard of no revocation before it is told to catch up."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._caught_up = False

    async def reached(self, revision: int) -> None:
        await self._cache.reached(revision)
        self._caught_up = True

    def __getattr__(self, name: str) -> object:
        if name == "revoked" and not self._caught_up:
            return {}
        return getattr(self._cache, name)
