"""Environment values in records, readable by this node alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shoal_agent.durable import replace_file
from shoal_common.errors import Internal
from shoal_proto.v1.resources_pb2 import StringList

_VERSION: Final = b"\x01"
_NONCE: Final = 12
_KEY: Final = 32


class NodeSealer:
    """Seals with AES-256-GCM under a key that never leaves the node.

    The form is a version byte, the nonce, then ciphertext and tag. The container's id is authenticated with it, so that
    a sealed value can't be put into another container's record.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def load(cls, path: Path) -> NodeSealer:
        """Return a sealer with the key in `path`, which is made (mode 0600) if it isn't there.

        Raises:
            Internal: the file is not a key.
        """
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = os.urandom(_KEY)
            replace_file(path, key)
        if len(key) != _KEY:
            raise Internal(f"{path} is not a key of {_KEY} bytes (restore it, or reset the node)")
        return cls(key)

    def seal(self, env: Sequence[str], *, container: str) -> bytes:
        """Return `env` sealed; nothing for nothing."""
        if not env:
            return b""
        nonce = os.urandom(_NONCE)
        plain = StringList(values=env).SerializeToString()
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, container.encode())

    def unseal(self, sealed: bytes, *, container: str) -> list[str]:
        """Return what was sealed.

        Raises:
            Internal: it was sealed with another key, for another container, or was changed.
        """
        if not sealed:
            return []
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            if sealed[:1] != _VERSION:
                raise ValueError
            plain = self._cipher.decrypt(nonce, body, container.encode())
        except (InvalidTag, ValueError) as error:
            raise Internal(
                f"the sealed environment of container {container[:12]} can't be read with this node's key"
            ) from error
        return list(StringList.FromString(plain).values)
