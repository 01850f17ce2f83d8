"""Becoming a node: a key of one's own, and a certificate for it from a controller that the token vouches for."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shoal_agent.durable import make_directory, replace_file
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_common import rpc_errors
from shoal_common.errors import DeadlineExceeded, Internal, InvalidSpec, ShoalError, Unauthenticated, Unavailable
from shoal_common.identity import CONTROLLER_NAME
from shoal_common.ids import node_id
from shoal_common.rpc_client import CHANNEL_OPTIONS, TlsFiles
from shoal_proto.v1.join_pb2 import JoinRequest
from shoal_proto.v1.join_pb2_grpc import JoinServiceStub

_TOKEN: Final = re.compile(r"SHOAL-1-([0-9a-f]{64})-([0-9A-Za-z]+)-([0-9A-Za-z_-]+)")
#: Seconds for the handshake that shows the CA's certificate, and for the call.
_HANDSHAKE: Final = 5.0
_CALL: Final = 15.0


@dataclass(frozen=True, slots=True)
class Token:
    """A join token, taken apart.

    Attributes:
        ca_digest: sha256 of the CA's certificate (DER), hexadecimal.
    """

    ca_digest: str
    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Membership:
    """What a node knows of its cluster once it has joined.

    Attributes:
        controllers: "HOST:PORT" of every controller's API when it joined.
    """

    node: str
    cluster: str
    controllers: tuple[str, ...]
    tls: TlsFiles


def parse_token(text: str) -> Token:
    """Take a token apart.

    Raises:
        InvalidSpec: it is none.
    """
    match = _TOKEN.fullmatch(text.strip())
    if match is None:
        raise InvalidSpec("the join token is not of the form SHOAL-1-... (make one with: shoal cluster token)")
    return Token(ca_digest=match[1], id=match[2], secret=match[3])


def tls_files(paths: NodePaths) -> TlsFiles:
    """Return where the node's certificate lies."""
    identity = paths.identity
    return TlsFiles(identity / "ca.pem", identity / "node.pem", identity / "node.key")


def membership(paths: NodePaths) -> Membership | None:
    """Return the cluster that this node belongs to; None if it has not joined, or not to the end.

    Raises:
        Internal: a file of the identity is damaged.
    """
    file, tls = paths.identity / "cluster.json", tls_files(paths)
    if not all(path.exists() for path in (file, tls.ca, tls.certificate, tls.key)):
        return None
    try:
        value = json.loads(file.read_text())
        return Membership(value["node_id"], value["cluster_id"], tuple(value["controllers"]), tls)
    except (ValueError, KeyError, TypeError) as error:
        raise Internal(f"{file} is damaged (remove it, and join again)") from error


async def join(paths: NodePaths, *, controller: str, token: Token, name: str, addresses: list[str]) -> Membership:
    """Make this host a node. Done again with the same data root it is the same node.

    Args:
        controller: "HOST:PORT" of a join listener.
        addresses: IP addresses under which the agent will be reached.

    Raises:
        Unauthenticated: the controller is not the one that the token names, or the token is not good.
        Unavailable: the controller does not answer.
    """
    make_directory(paths.identity)
    executor = ThreadPoolExecutor(1, thread_name_prefix="join")
    try:
        key = await finished(executor, lambda: _own_key(tls_files(paths).key))
        ca = await finished(executor, lambda: fetch_ca(controller, token.ca_digest))
    finally:
        executor.shutdown()
    request = JoinRequest(
        token_id=token.id,
        token_secret=token.secret,
        certificate_request=_certificate_request(key),
        name=name,
        addresses=addresses,
    )
    credentials = grpc.ssl_channel_credentials(root_certificates=ca)
    options = [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", CONTROLLER_NAME)]
    async with grpc.aio.secure_channel(controller, credentials, options=options) as channel:
        try:
            reply = await JoinServiceStub(channel).Join(request, timeout=_CALL)
        except grpc.RpcError as error:
            raise rpc_errors.from_rpc_error(error, peer=f"controller {controller}") from error
    own_id = node_id(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    if reply.node_id != own_id:
        raise Internal(f"controller {controller} made a certificate for node {reply.node_id}, this is {own_id}")
    tls = tls_files(paths)
    replace_file(tls.ca, ca, mode=0o644)
    replace_file(tls.certificate, reply.certificate, mode=0o644)
    # Last: with it the identity is whole.
    cluster = {"node_id": own_id, "cluster_id": reply.cluster_id, "controllers": list(reply.controllers)}
    replace_file(paths.identity / "cluster.json", json.dumps(cluster).encode())
    return Membership(own_id, reply.cluster_id, tuple(reply.controllers), tls)


def fetch_ca(controller: str, digest: str) -> bytes:
    """Return the CA's certificate (PEM) that a join listener shows, after checking it against the token's digest.

    The handshake itself trusts nobody; nothing is sent over it.

    Raises:
        Unavailable: nobody answers.
        Unauthenticated: the certificate is not the one that the token names.
    """
    host, _, port = controller.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=_HANDSHAKE) as plain,
            context.wrap_socket(plain, server_hostname=CONTROLLER_NAME) as secured,
        ):
            chain = _chain(secured)
    except ValueError as error:
        raise InvalidSpec(f'controller address "{controller}" is not valid (write HOST:PORT)') from error
    except OSError as error:
        raise Unavailable(f"controller {controller} does not answer: {error.strerror or error}") from error
    for der in chain:
        if hmac.compare_digest(hashlib.sha256(der).hexdigest(), digest):
            return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    raise Unauthenticated(
        f"controller {controller} is not of the cluster that the join token is for (its authority is another one)"
    )


def _chain(secured: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates that the other side showed (DER), its own first."""
    if hasattr(secured, "get_unverified_chain"):  # Python 3.13
        return list(cast("list[bytes]", secured.get_unverified_chain()))
    # The same call, not yet public in 3.11 and 3.12; its certificates are objects there.
    certificates = secured._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in certificates]


def _own_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the node's key, made durable before anybody hears of it: a retry must be the same node."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        replace_file(path, pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Internal(f"{path} is not an elliptic-curve key")
    return key


def _certificate_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


async def join_persistently(
    paths: NodePaths, *, controllers: Sequence[str], token: Token, name: str, addresses: list[str], rounds: int = 20
) -> Membership:
    """Join at the first controller that answers, trying again while none does: they may be starting as well.

    Args:
        controllers: "HOST:PORT" of join listeners.
        rounds: how often each is asked.

    Raises:
        ShoalError: see `join`.
    """
    unanswered: ShoalError | None = None
    for number in range(rounds):
        if number:
            await asyncio.sleep(0.5)
        for controller in controllers:
            try:
                return await join(paths, controller=controller, token=token, name=name, addresses=addresses)
            except (Unavailable, DeadlineExceeded) as error:
                unanswered = error
    raise unanswered or InvalidSpec("this host was not told where to join")
