"""What one revision made of what was before: for those who must not miss a step, which changes merge."""

from __future__ import annotations

from dataclasses import dataclass

from shoal_controller.state.store import ContainerEntry, NodeEntry, Stored
from shoal_proto.v1.cluster_pb2 import Cluster, Controller, Leader, Revocation
from shoal_proto.v1.container_pb2 import Tombstone


@dataclass(frozen=True, slots=True)
class Delta:
    """Each pair is what was before, and what is now; None: it was not there, or is not any more.

    Attributes:
        revision: that made it so.
        containers: those of which anything was written, a hold included.
        nodes: likewise.
        tombstones: that were put.
        controllers: that were put.
        revoked: that were put.
    """

    revision: int
    containers: tuple[tuple[ContainerEntry | None, ContainerEntry | None], ...] = ()
    nodes: tuple[tuple[NodeEntry | None, NodeEntry | None], ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    controllers: tuple[Controller, ...] = ()
    revoked: tuple[Revocation, ...] = ()
    leader: tuple[Stored[Leader] | None, Stored[Leader] | None] = (None, None)
    cluster: tuple[Stored[Cluster] | None, Stored[Cluster] | None] = (None, None)
