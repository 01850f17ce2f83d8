"""Certificate requests as hosts send them, and as nobody should. The same key for the same random numbers."""

from __future__ import annotations

import base64
from functools import cache
from random import Random
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

#: Of which requests come again and again: a node that joins once more, or one that was removed.
_KEYS: Final = 500
_CURVES: Final = (ec.SECP256R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1())
_NAMES: Final = ("node", "controller", "admin", "x" * 64, "a\nb", "\U0001f41a")
_ALTERNATIVE: Final = ("controller.shoal", "*.node.shoal", "localhost")
#: The object identifier of P-256, and one beside it of a curve that there is not.
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_OTHER: Final = bytes.fromhex("06082a8648ce3d030166")


def certificate_request(random: Random) -> bytes:
    """Return a request in PEM form: mostly a right one, else one of another kind of key, or with something spoiled."""
    match random.randrange(10):
        case 0:
            return _pem(_spoiled(random, _der(_signed(random))))
        case 1:
            return _pem(_der(_signed(random)).replace(_P256, _OTHER))
        case 2:
            return _signed(random, wanting=True)
        case 3:
            pem = _signed(random)
            at = random.randrange(len(pem))
            return random.choice((pem[:at], pem[at:], pem + pem, b"\n" + pem, _der(pem), pem.replace(b"\n", b"")))
        case 4:
            return _of_other_keys(random)
        case _:
            return _signed(random)


def _key(random: Random) -> ec.EllipticCurvePrivateKey:
    number = random.randrange(_KEYS)
    return ec.derive_private_key(1 + number, _CURVES[number % len(_CURVES)])


def _signed(random: Random, *, wanting: bool = False) -> bytes:
    """Return a request; `wanting`: with names in it that only others may have."""
    name = random.choice(_NAMES) if wanting else "node"
    made = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                *([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "admin")] if wanting else []),
            ]
        )
    )
    if wanting:
        names = x509.SubjectAlternativeName([x509.DNSName(each) for each in _ALTERNATIVE])
        made = made.add_extension(names, critical=True)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(_key(random), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _of_other_keys(random: Random) -> bytes:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if random.random() < 0.3:
        return made.sign(_rsa(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(random.randbytes(32))
    return made.sign(key, None).public_bytes(serialization.Encoding.PEM)


@cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _spoiled(random: Random, der: bytes) -> bytes:
    data = bytearray(der)
    for _ in range(random.choice((1, 1, 2, 8))):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER)


def _pem(der: bytes) -> bytes:
    kind = b"CERTIFICATE REQUEST-----\n"
    return b"-----BEGIN " + kind + base64.encodebytes(der) + b"-----END " + kind
