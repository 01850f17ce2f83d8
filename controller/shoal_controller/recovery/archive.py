"""The file of a backup: encrypted with a passphrase, in chunks whose order and end are authenticated.

    header   8 bytes "SHOALBK1"; log2(N), r, p of scrypt and a zero, a byte each; salt (16); check (16); prefix (7)
    chunk    AES-256-GCM of 256 KiB (the last: 0 to 256 KiB), each with its tag of 16 bytes after it

scrypt (RFC 7914) makes 64 bytes of passphrase and salt: the key, and 32 more whose SHA-256 begins with `check`, so that
a wrong passphrase is told from a changed file. The nonce of chunk I is the prefix, I as 4 bytes (big endian), and one
byte that is 1 for the last chunk only; the header is authenticated with each (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár, 2015). So no chunk can be changed, moved, left out or taken from another backup, and
none cut off the end.

What is inside: the length of the manifest (4 bytes, big endian), the manifest (JSON: what the backup is of, and names
and sizes of the files that follow), these files, then etcd's snapshot to the end, of which the last 32 bytes are the
SHA-256 of the rest, as etcd writes it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from shoal_common.errors import InvalidSpec, PermissionDenied

CHUNK: Final = 256 << 10
_TAG: Final = 16
_MAGIC: Final = b"SHOALBK1"
_HEADER: Final = struct.Struct(">8sBBBB16s16s7s")
#: OWASP's recommendation for scrypt, 128 MiB of memory; and what a file may ask for at most.
_LOG_N, _R, _P = 17, 8, 1
_MOST: Final = (20, 8, 4)


@dataclass(frozen=True, slots=True)
class _Keys:
    key: bytes
    check: bytes


def _derived(passphrase: str, salt: bytes, log_n: int, r: int, p: int) -> _Keys:
    # The same letters can be typed as different code points.
    text = unicodedata.normalize("NFC", passphrase).encode()
    made = Scrypt(salt=salt, length=64, n=1 << log_n, r=r, p=p).derive(text)
    return _Keys(made[:32], hashlib.sha256(made[32:]).digest()[:16])


class Encryptor:
    """Encrypts a stream. Making one takes some tenths of a second, and 128 MiB for that time.

    Args:
        passphrase: not empty.

    Raises:
        InvalidSpec: it is empty.
    """

    def __init__(self, passphrase: str) -> None:
        if not passphrase:
            raise InvalidSpec("a backup needs a passphrase, it was left empty")
        salt, self._prefix = os.urandom(16), os.urandom(7)
        keys = _derived(passphrase, salt, _LOG_N, _R, _P)
        #: What the file begins with.
        self.header = _HEADER.pack(_MAGIC, _LOG_N, _R, _P, 0, salt, keys.check, self._prefix)
        self._cipher = AESGCM(keys.key)
        self._number = 0
        self._waiting = bytearray()

    def update(self, data: bytes) -> Iterator[bytes]:
        """Yield the chunks that `data` fills. The last of what was given waits: only the end makes it one."""
        self._waiting += data
        while len(self._waiting) > CHUNK:
            chunk = bytes(self._waiting[:CHUNK])
            del self._waiting[:CHUNK]
            yield self._sealed(chunk, last=False)

    def finish(self) -> bytes:
        """Return the last chunk."""
        return self._sealed(bytes(self._waiting), last=True)

    def _sealed(self, chunk: bytes, *, last: bool) -> bytes:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._number += 1
        return self._cipher.encrypt(nonce, chunk, self.header)


def decrypted(file: BinaryIO, passphrase: str, *, name: str) -> Iterator[bytes]:
    """Yield what a backup has inside, each piece as soon as it is authenticated.

    Only when it has ended without an error was all of it what was written.

    Args:
        file: at its beginning.
        name: of the file, for messages.

    Raises:
        InvalidSpec: it is no backup, was changed, or its end is missing.
        PermissionDenied: the passphrase is another.
    """
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise InvalidSpec(f"{name} is not a backup of a cluster, or not one that this version of Shoal knows")
    _, log_n, r, p, zero, salt, check, prefix = _HEADER.unpack(header)
    if zero or not (10 <= log_n <= _MOST[0] and 1 <= r <= _MOST[1] and 1 <= p <= _MOST[2]):
        raise InvalidSpec(f"{name} was changed: no backup has a header like its own")
    keys = _derived(passphrase, salt, log_n, r, p)
    if not hmac.compare_digest(keys.check, check):
        raise PermissionDenied(f"the passphrase does not open {name} (it was encrypted with another one)")
    cipher = AESGCM(keys.key)
    number = 0
    block = file.read(CHUNK + _TAG)
    while True:
        following = file.read(CHUNK + _TAG)
        nonce = _nonce(prefix, number, last=not following)
        try:
            chunk = cipher.decrypt(nonce, block, header)
        except InvalidTag:
            raise InvalidSpec(_damage(name, cipher, prefix, number, block, header, last=not following)) from None
        yield chunk
        if not following:
            return
        block, number = following, number + 1


def _damage(name: str, cipher: AESGCM, prefix: bytes, number: int, block: bytes, header: bytes, *, last: bool) -> str:
    where = _HEADER.size + number * (CHUNK + _TAG)
    if last:
        try:
            cipher.decrypt(_nonce(prefix, number, last=False), block, header)
        except InvalidTag:
            pass
        else:
            return f"{name} was cut off: its end is missing (make another backup, or take an older one)"
    return f"{name} was changed or cut off, {where} bytes from its beginning or later (take another backup)"


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\x01" if last else b"\x00")
