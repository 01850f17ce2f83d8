"""etcd behind mutual TLS: the client gets in with a certificate of the CA, and not without."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shoal_common.errors import Unavailable
from shoal_common.rpc_client import TlsFiles
from shoal_controller.state.election import Election, Leadership
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Txn
from tests.parts.etcd import EtcdServer

Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(directory: Path, name: str, issuer: Issuer | None) -> Issuer:
    """Write NAME.pem and NAME.key: a CA without an issuer, else a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


def files(directory: Path, ca: str, name: str) -> TlsFiles:
    return TlsFiles(directory / f"{ca}.pem", directory / f"{name}.pem", directory / f"{name}.key")


async def test_only_holders_of_a_certificate_get_in(tmp_path: Path) -> None:
    ca, other = issue(tmp_path, "ca", None), issue(tmp_path, "other", None)
    issue(tmp_path, "server", ca)
    issue(tmp_path, "client", ca)
    issue(tmp_path, "stranger", other)
    options = [
        f"--cert-file={tmp_path / 'server.pem'}",
        f"--key-file={tmp_path / 'server.key'}",
        f"--trusted-ca-file={tmp_path / 'ca.pem'}",
        "--client-cert-auth",
    ]
    server = EtcdServer(tmp_path, options=options, scheme="https")
    server.spawn()
    endpoints = Endpoints.parse([server.url], files(tmp_path, "ca", "client"))
    kv = EtcdKV(endpoints, timeout=20)
    strangers = [
        EtcdKV(Endpoints.parse([server.url], files(tmp_path, "ca", "stranger")), timeout=1),
        EtcdKV(Endpoints.parse([server.url], files(tmp_path, "other", "client")), timeout=1),
    ]
    try:
        txn = Txn()
        txn.put("/shoal/v1/containers/default/a/spec", b"1", expect=0)
        assert await kv.commit(txn) == 2
        for stranger in strangers:
            with pytest.raises(Unavailable, match="certificates"):
                await stranger.get("/")
        led = asyncio.Event()

        async def lead(leadership: Leadership) -> None:
            led.set()

        election = asyncio.create_task(Election(endpoints, address="a:1", controller="c").run(lead), name="election")
        async with asyncio.timeout(20):
            await led.wait()
        election.cancel()
        await asyncio.wait({election})
    finally:
        for one in (kv, *strangers):
            await one.close()
        server.stop()
