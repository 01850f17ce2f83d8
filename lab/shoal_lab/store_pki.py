"""The authority of etcd, apart from the cluster's: with a certificate of the cluster every node could open the store.

Source: etcd's guide on transport security (etcd.io/docs/v3.4/op-guide/security). A member is client and server of the
others; a controller is a client.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shoal_common.rpc_client import TlsFiles
from shoal_lab.layout import Host, Layout

#: A lab does not get that old; clocks that are set back meanwhile are a fault that is tried in it.
_LIFE: Final = timedelta(days=365)
_SLACK: Final = timedelta(days=1)


def member(layout: Layout, host: Host) -> TlsFiles:
    """Return where the files of the member on a host lie."""
    return _files(layout, host.name)


def client(layout: Layout) -> TlsFiles:
    """Return where the files of the controllers lie."""
    return _files(layout, "client")


def _files(layout: Layout, name: str) -> TlsFiles:
    root = layout.store_pki
    return TlsFiles(root / "ca.pem", root / f"{name}.pem", root / f"{name}.key")


def create(layout: Layout) -> None:
    """Write the files of all members and of the controllers; the authority's key is not kept."""
    layout.store_pki.mkdir(mode=0o700)
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"etcd of lab {layout.name}")])
    authority = ec.generate_private_key(ec.SECP256R1())

    def sign(
        subject: x509.Name, key: ec.EllipticCurvePrivateKey, extensions: list[x509.ExtensionType]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SLACK)
            .not_valid_after(now + _LIFE)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(authority, hashes.SHA256())

    def issue(files: TlsFiles, holder: str, address: str | None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        # Who serves nothing can't pass for a member.
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if address is not None else [])]
        extensions: list[x509.ExtensionType] = [
            x509.BasicConstraints(ca=False, path_length=None),
            x509.ExtendedKeyUsage(uses),
        ]
        if address is not None:
            extensions.append(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]))
        certificate = sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, holder)]), key, extensions)
        _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(files.key, private)

    own = sign(name, authority, [x509.BasicConstraints(ca=True, path_length=0)])
    _write(client(layout).ca, own.public_bytes(serialization.Encoding.PEM))
    for host in layout.running("etcd"):
        issue(member(layout, host), host.name, host.address)
    issue(client(layout), "shoal-controller", None)


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
