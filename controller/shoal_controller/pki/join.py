"""How a host becomes a node: the one call of the join listener."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import UTC

import grpc.aio
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shoal_common import ids
from shoal_common.errors import AlreadyExists, InvalidSpec, Revoked, Unauthenticated, Unavailable
from shoal_common.identity import Identity, Role
from shoal_controller.pki.authority import Authority, now
from shoal_controller.pki.revocation import explained
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, Txn
from shoal_proto.v1 import join_pb2, join_pb2_grpc
from shoal_proto.v1.node_pb2 import NodeSpec

log = logging.getLogger(__name__)

NODE_KIND = "node"


class JoinService(join_pb2_grpc.JoinServiceServicer):
    """Signs the keys of hosts that show a good token.

    Args:
        controllers: tells "HOST:PORT" of every controller's API, which the node will use.
    """

    def __init__(
        self, kv: KV, cache: ClusterCache, authority: Authority, controllers: Callable[[], Sequence[str]]
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._authority = authority
        self._controllers = controllers

    async def Join(
        self, request: join_pb2.JoinRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> join_pb2.JoinResponse:
        """Make the host a node of the cluster, or give a node that asks again a new certificate."""
        self._check_token(request)
        cluster = self._cache.cluster
        if cluster is None:
            raise Unavailable("the cluster has no identity in etcd (shoal cluster info says what to do)")
        public_key = requested_key(request.certificate_request)
        node = ids.node_id(
            public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        self._refuse_removed(node)
        certificate = self._authority.sign(public_key, Identity(Role.NODE, node), request.addresses, now())
        await self._admit(node, ids.check_name(NODE_KIND, request.name))
        log.info("node %s (%s) joined with token %s", request.name, node, request.token_id)
        return join_pb2.JoinResponse(
            node_id=node,
            certificate=certificate,
            ca_certificate=self._authority.pem,
            cluster_id=cluster.value.id,
            controllers=self._controllers(),
        )

    def _check_token(self, request: join_pb2.JoinRequest) -> None:
        token = self._cache.tokens.get(request.token_id)
        digest = hashlib.sha256(request.token_secret.encode()).digest()
        # One message for all: who guesses must not learn which part was wrong.
        if token is None or not hmac.compare_digest(token.value.secret_sha256, digest):
            raise Unauthenticated("the join token is not known (make one with: shoal cluster token)")
        expires_at = token.value.expires_at
        if expires_at.ToDatetime(tzinfo=UTC) <= now():
            raise Unauthenticated(
                f"the join token expired at {expires_at.ToJsonString()} (make one with: shoal cluster token)"
            )

    def _refuse_removed(self, node: str) -> None:
        stored = self._cache.revoked.get((Role.NODE, node))
        if stored is not None:
            raise Revoked(f"this host can't join: {explained(Role.NODE, stored.value)}")

    async def _admit(self, node: str, name: str) -> None:
        spec_key, name_key = keys.node_spec(node), keys.name(ids.DEFAULT_NAMESPACE, NODE_KIND, name)
        if (await self._kv.get(spec_key))[1] is not None:
            return
        spec = NodeSpec(schema=1, id=node, name=name)
        spec.joined_at.FromDatetime(now())
        txn = Txn()
        txn.put(spec_key, spec.SerializeToString(), expect=0)
        txn.put(name_key, node.encode(), expect=0)
        txn.require(keys.revocation(Role.NODE, node), revision=0)
        try:
            await self._kv.commit(txn)
        except CompareFailed as failure:
            await self._cache.reached(failure.revision)
            self._refuse_removed(node)
            if (await self._kv.get(spec_key))[1] is not None:
                return
            raise AlreadyExists(
                f'node name "{name}" is taken by another host (choose one with: shoal agent --name NAME, '
                f"or remove that one: shoal node rm {name})"
            ) from None


def requested_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key that a certificate is asked for, of whoever has the private part of it.

    Raises:
        InvalidSpec: there is none, or of another kind.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        # What is in the form is read only now: whether its key is one, and of a kind that can be read.
        public_key, signed = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise InvalidSpec(
            "the certificate request can't be read (it has to be in PEM form, of a key of its own)"
        ) from error
    if not signed or not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise InvalidSpec("the certificate request is not signed by an elliptic-curve key of its own")
    return public_key
