"""Identifiers and names: how they are made, and which are well formed."""

from __future__ import annotations

import os
import re
from typing import Final

from shoal_common.errors import InvalidSpec

DEFAULT_NAMESPACE: Final = "default"
#: Digits of an id that tables show.
SHORT_ID: Final = 12

_CONTAINER_ID: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_NODE_ID: Final = re.compile(r"[0-9a-f]{32}")


def new_container_id() -> str:
    """Return a random container id: 64 hexadecimal digits, as Docker clients expect."""
    return os.urandom(32).hex()


def new_request_id() -> str:
    """Return a random id for one update request."""
    return os.urandom(16).hex()


def node_id(public_key_der: bytes) -> str:
    """Return the id of the node that holds this key (DER, SubjectPublicKeyInfo): a retry is the same node."""
    # Not with the module: only nodes are named so, and every command waits for what is loaded here.
    import hashlib

    return hashlib.sha256(public_key_der).hexdigest()[:32]


def is_container_id(text: str) -> bool:
    """Say whether `text` is a whole container id."""
    return _CONTAINER_ID.fullmatch(text) is not None


def is_node_id(text: str) -> bool:
    """Say whether `text` is a whole node id."""
    return _NODE_ID.fullmatch(text) is not None


def check_container_id(text: str) -> str:
    """Return `text` if it is a container id.

    Raises:
        InvalidSpec: it isn't.
    """
    if not is_container_id(text):
        raise InvalidSpec(f'container id "{text[:80]}" is not 64 hexadecimal digits')
    return text


def check_name(kind: str, text: str) -> str:
    """Return `text` if it can be the name of a `kind` ("container", "node").

    Raises:
        InvalidSpec: it can't; the message says what can.
    """
    if _NAME.fullmatch(text) is None:
        # In one line, whatever was written.
        shown = f'"{text[:80]}"' if text.isprintable() else ascii(text[:80])
        raise InvalidSpec(
            f'{kind} name {shown} is not valid (use 1 to 128 letters, digits, "_", "." or "-", '
            "the first a letter or digit)"
        )
    if is_container_id(text):
        raise InvalidSpec(f'{kind} name "{text[:80]}" looks like an id (use a name of another form)')
    return text
