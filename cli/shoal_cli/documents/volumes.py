"""`shoal volume inspect`."""

from __future__ import annotations

from functools import cache, partial

from shoal_cli.documents.parts import time
from shoal_cli.formats import api_fields
from shoal_cli.templates import Struct
from shoal_proto.v1.volume_pb2 import Volume


def document(volume: Volume) -> Struct:
    """Return a volume as Docker shows one. Where its data is on the node, only the node knows."""
    spec = volume.spec
    return Struct(
        {
            "CreatedAt": time(spec, "created_at"),
            "Driver": spec.driver,
            "Labels": dict(spec.labels),
            "Name": spec.name,
            "Options": {},
            "Scope": "local",
            "Node": volume.node_name,
            "Containers": list(volume.containers),
            # Only where it was asked for, and its node has answered.
            **(
                {"UsageData": {"RefCount": len(volume.containers), "Size": volume.bytes}}
                if volume.HasField("bytes")
                else {}
            ),
        },
        cache(partial(api_fields, volume)),
    )
