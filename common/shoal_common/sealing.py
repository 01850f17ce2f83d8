"""Sealed values: what is stored of secrets, and the MACs of requests.

One 32-byte key file lies on the controllers, not in etcd; a node has one of its own for its records. Every use has a
sub-key of its own (HKDF, RFC 5869), so that neither use says anything about the other.

A sealed value is: version (1 byte, 1), key id (4 bytes), nonce (12 bytes), AES-256-GCM ciphertext with its tag
(NIST SP 800-38D). Version, key id and the caller's context are authenticated with it: a value that is copied to
another object does not open there. Nonces are random: good for 2^32 values per key.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shoal_common.errors import Internal, InvalidSpec, PermissionDenied

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = len(_VERSION) + _KEY_ID_BYTES


def _derive(key: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"shoal " + purpose + b" v1").derive(key)


class Sealer:
    """Seals, unseals and makes MACs with one key.

    Args:
        key: 32 random bytes; the same on every controller of a cluster.

    Raises:
        InvalidSpec: the key is of another length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidSpec(f"sealing key has {len(key)} bytes, not {KEY_BYTES}")
        self._cipher = AESGCM(_derive(key, b"seal", 32))
        self._mac_key = _derive(key, b"mac", 32)
        self._header = _VERSION + _derive(key, b"key id", _KEY_ID_BYTES)

    def seal(self, data: bytes, *, context: bytes) -> bytes:
        """Return `data` sealed; `context` names the object and field it belongs to and is needed to unseal it."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._header + nonce + self._cipher.encrypt(nonce, data, self._header + context)

    def unseal(self, sealed: bytes, *, context: bytes) -> bytes:
        """Return what was sealed with this key for this context.

        Raises:
            Internal: it wasn't, or was changed since; the message says which can be told.
        """
        if len(sealed) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES:
            raise Internal(f"sealed value of {len(sealed)} bytes is too short to be one")
        header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        if header[:1] != _VERSION:
            raise Internal(f"sealed value has version {header[0]}, which this version of Shoal does not know")
        if header != self._header:
            raise Internal(
                f"value was sealed with key {header[1:].hex()}, the key here is {self._header[1:].hex()} "
                "(restore the key file; all controllers need the same)"
            )
        try:
            return self._cipher.decrypt(nonce, sealed[_HEADER_BYTES + _NONCE_BYTES :], header + context)
        except InvalidTag:
            raise Internal("sealed value was changed, or belongs to another object") from None

    def mac(self, data: bytes) -> bytes:
        """Return the HMAC-SHA256 (32 bytes) of `data`: equal for equal data, and says nothing else about it."""
        return hmac.digest(self._mac_key, data, "sha256")


def load_or_create_key(path: Path) -> bytes:
    """Return the key in `path`, made (mode 0600) if there is no such file.

    Two controllers that start at once on one host get the same key.

    Raises:
        InvalidSpec: the file isn't a key.
        PermissionDenied: others than its owner may read it.
    """
    if not path.exists():
        _create_key(path)
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise PermissionDenied(f"key file {path} can be read by others (use: chmod 600 {path})")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise InvalidSpec(f"key file {path} does not hold exactly {KEY_BYTES} bytes (is it another file?)")
    return key


def _create_key(path: Path) -> None:
    # Written whole under another name and then linked: whoever sees the name sees all of the key, and never a second.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        temporary.unlink()
