"""The environment of a container as it is stored, in etcd and on nodes: sealed, for that container only."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_common.sealing import Sealer
from shoal_proto.v1.resources_pb2 import StringList


def seal_env(sealer: Sealer, container: str, env: Iterable[str]) -> bytes:
    """Return these "NAME=VALUE" entries sealed for a container (its id); nothing for none."""
    values = StringList(values=env)
    return sealer.seal(values.SerializeToString(), context=_context(container)) if values.values else b""


def unseal_env(sealer: Sealer, container: str, sealed: bytes) -> list[str]:
    """Return the "NAME=VALUE" entries that were sealed for a container.

    Raises:
        Internal: they were sealed with another key, or for another container, or were changed.
    """
    if not sealed:
        return []
    return list(StringList.FromString(sealer.unseal(sealed, context=_context(container))).values)


def _context(container: str) -> bytes:
    return f"container {container} env".encode()
