"""Volumes as the API shows them: what is stored, joined, without what is nobody's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import VolumeEntry
from shoal_proto.v1.volume_pb2 import Volume


def volume_view(cache: ClusterCache, entry: VolumeEntry, named: Mapping[str, Sequence[str]]) -> Volume:
    """Return a volume as the API answers it.

    Args:
        named: the names of the containers that use each volume.
    """
    view = Volume(containers=sorted(named.get(entry.id, ())))
    for part in (entry.spec, entry.placement):
        view.revision = max(view.revision, part.revision if part is not None else 0)
    if entry.spec is not None:
        view.spec.CopyFrom(entry.spec.value)
        view.spec.request_mac = b""
    if entry.placement is not None:
        view.placement.CopyFrom(entry.placement.value)
        node = cache.nodes.get(entry.placement.value.node)
        if node is not None and node.spec is not None:
            view.node_name = node.spec.value.name
    return view
