"""The cluster's certificate authority: an ECDSA key and what it signs.

Source: RFC 5280. Keys are P-256; a certificate says whom it names as `shoal_common.identity` reads it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.identity import CONTROLLER_NAME, Identity, Role

AUTHORITY_LIFE: Final = timedelta(days=3650)
#: Certificates are valid from a little before they are made, since hosts' clocks differ.
CLOCK_SLACK: Final = timedelta(hours=2)
CERTIFICATE_LIFE: Final = timedelta(days=365)
#: Addresses that one certificate names at most.
MAX_ADDRESSES: Final = 64
#: RFC 1123, section 2.1.
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and the certificate for it, both PEM."""

    certificate: bytes
    key: bytes


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _subject(identity: Identity) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.role.value),
            x509.NameAttribute(NameOID.COMMON_NAME, identity.id),
        ]
    )


def alternative_names(identity: Identity, addresses: Iterable[str]) -> list[x509.GeneralName]:
    """Return the names in a certificate: the holder's own, and the IP addresses and host names it is reached by.

    Raises:
        InvalidSpec: an address is neither an IP address nor a host name, or is one of the names that mean a holder,
            or there are too many.
    """
    names: list[x509.GeneralName] = [x509.DNSName(f"{identity.id}.{identity.role.value}.shoal")]
    if identity.role is Role.CONTROLLER:
        names.append(x509.DNSName(CONTROLLER_NAME))
    wanted = list(dict.fromkeys(addresses))
    if len(wanted) > MAX_ADDRESSES:
        raise InvalidSpec(f"{len(wanted)} addresses are more than a certificate can name ({MAX_ADDRESSES})")
    for address in wanted:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            # A node that asked for a name below .shoal, or for a pattern, could pass for another node or a controller.
            if _HOST_NAME.fullmatch(address) is None or address.lower().endswith(".shoal"):
                raise InvalidSpec(f'address "{address[:80]}" can\'t be in a certificate') from None
            names.append(x509.DNSName(address))
    return names


class Authority:
    """Signs certificates for everybody in the cluster.

    Args:
        certificate: the authority's own.
        key: its private key.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, cluster_id: str, now: datetime) -> Authority:
        """Return a new authority for a cluster."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "shoal"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"cluster {cluster_id}"),
            ]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SLACK)
            .not_valid_after(now + AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, directory: Path) -> Authority:
        """Return the authority whose files lie in `directory`.

        Raises:
            NotFound: there is none.
        """
        try:
            certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), password=None)
        except FileNotFoundError as error:
            raise NotFound(
                f"no certificate authority in {directory} (make a cluster with: shoal controller init)"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NotFound(f"{directory / 'ca.key'} is not the key of a Shoal cluster")
        return cls(certificate, key)

    def save(self, directory: Path) -> None:
        """Write the authority's files into `directory`, the key readable by its owner only."""
        write_private(directory / "ca.key", _private_pem(self._key))
        (directory / "ca.pem").write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        """The authority's certificate, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def cluster_id(self) -> str:
        """The id of the cluster that it is the authority of."""
        name = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return str(name).removeprefix("cluster ")

    @property
    def digest(self) -> str:
        """What join tokens pin: the hexadecimal SHA-256 of the certificate (DER)."""
        return hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).hexdigest()

    def sign(
        self, public_key: ec.EllipticCurvePublicKey, identity: Identity, addresses: Iterable[str], now: datetime
    ) -> bytes:
        """Return a certificate (PEM) that names `identity` and is good for both ends of a connection.

        Raises:
            InvalidSpec: see `alternative_names`.
        """
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_subject(identity))
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SLACK)
            .not_valid_after(now + CERTIFICATE_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(alternative_names(identity, addresses)), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, identity: Identity, addresses: Iterable[str], now: datetime) -> KeyPair:
        """Return a new key and a certificate for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        return KeyPair(certificate=self.sign(key.public_key(), identity, addresses, now), key=_private_pem(key))


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, never for a moment otherwise; one that is there is replaced."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def now() -> datetime:
    """Return the wall clock, in UTC: certificates are made for people's time."""
    return datetime.now(UTC)
