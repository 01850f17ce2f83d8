"""The environment of a container as it is stored: sealed, for its own spec only."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_controller.state.sealing import Sealer
from shoal_proto.v1.container_pb2 import ContainerSpec
from shoal_proto.v1.resources_pb2 import StringList


def seal_env(sealer: Sealer, container: str, env: Iterable[str]) -> bytes:
    """Return what `ContainerSpec.sealed_env` holds for these "NAME=VALUE" entries; nothing for none."""
    values = StringList(values=env)
    return sealer.seal(values.SerializeToString(), context=_context(container)) if values.values else b""


def unseal_env(sealer: Sealer, spec: ContainerSpec) -> list[str]:
    """Return the "NAME=VALUE" entries that a stored spec holds.

    Raises:
        Internal: they were sealed with another key, or for another container.
    """
    if not spec.sealed_env:
        return []
    return list(StringList.FromString(sealer.unseal(spec.sealed_env, context=_context(spec.id))).values)


def _context(container: str) -> bytes:
    return f"container {container} env".encode()
