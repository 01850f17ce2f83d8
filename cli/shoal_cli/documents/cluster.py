"""`shoal info` and `shoal version` for templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from shoal_cli.formats import api_fields
from shoal_cli.templates import Struct
from shoal_proto.v1.cluster_pb2 import ClusterInfo, GetVersionResponse


def info_document(info: ClusterInfo) -> Struct:
    """Return what Docker's `info` has, of the whole cluster."""
    return Struct(
        {
            "ID": info.cluster_id,
            "Containers": info.containers,
            "ContainersRunning": info.containers_running,
            "ContainersStopped": info.containers - info.containers_running,
            "NCPU": info.capacity.cpu_millis // 1000,
            "MemTotal": info.capacity.memory_bytes,
            "Nodes": info.nodes,
            "ServerVersion": info.version,
            "Warnings": list(info.problems),
        },
        cache(partial(api_fields, info)),
    )


def version_document(client: Mapping[str, str], server: GetVersionResponse, whole: Mapping[str, object]) -> Struct:
    """Return what Docker's `version` has; `whole` is there as well."""
    return Struct(
        {
            "Client": Struct({"Version": client["version"], "ApiVersion": client["api"]}),
            "Server": Struct({"Version": server.version, "ApiVersion": server.api}),
        },
        lambda: whole,
    )
