"""Run containers across many hosts as if they were one: the public Python client.

    async with shoal.connect() as cluster:
        container = await cluster.containers.run("web:3", memory="256m")

What is listed in `__all__` is public and loaded when first used; modules that are not reached from here are not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shoal.attachment import Attachment
    from shoal.cluster import Cluster, connect
    from shoal.configuration import Configuration, Context, choose_context
    from shoal.containers import Containers
    from shoal.events import Events
    from shoal.execution import ExecProcess
    from shoal.images import Images
    from shoal.nodes import Nodes
    from shoal.options import ContainerOptions, Network, configure
    from shoal.request_path import RequestPath, Step
    from shoal.tracing import trace
    from shoal.volumes import Volumes
    from shoal.waiting import Until
    from shoal.watching import Change
    from shoal_common.errors import (
        AlreadyExists,
        Compacted,
        Conflict,
        DeadlineExceeded,
        Exhausted,
        Internal,
        InvalidSpec,
        NotFound,
        PermissionDenied,
        ShoalError,
        Unauthenticated,
        Unavailable,
    )

__all__ = [
    "AlreadyExists",
    "Attachment",
    "Change",
    "Cluster",
    "Compacted",
    "Configuration",
    "Conflict",
    "ContainerOptions",
    "Containers",
    "Context",
    "DeadlineExceeded",
    "Events",
    "ExecProcess",
    "Exhausted",
    "Images",
    "Internal",
    "InvalidSpec",
    "Network",
    "Nodes",
    "NotFound",
    "PermissionDenied",
    "RequestPath",
    "ShoalError",
    "Step",
    "Unauthenticated",
    "Unavailable",
    "Until",
    "Volumes",
    "choose_context",
    "configure",
    "connect",
    "trace",
]

_ERRORS: Final = "shoal_common.errors"
_HOMES: Final = {
    "Attachment": "shoal.attachment",
    "Change": "shoal.watching",
    "Cluster": "shoal.cluster",
    "Configuration": "shoal.configuration",
    "ContainerOptions": "shoal.options",
    "Containers": "shoal.containers",
    "Context": "shoal.configuration",
    "Events": "shoal.events",
    "ExecProcess": "shoal.execution",
    "Images": "shoal.images",
    "Network": "shoal.options",
    "Nodes": "shoal.nodes",
    "RequestPath": "shoal.request_path",
    "Step": "shoal.request_path",
    "Until": "shoal.waiting",
    "Volumes": "shoal.volumes",
    "choose_context": "shoal.configuration",
    "configure": "shoal.options",
    "connect": "shoal.cluster",
    "trace": "shoal.tracing",
}


def __getattr__(name: str) -> object:
    # The command line's help must not load gRPC, and a program that only reads contexts needn't either.
    if name not in __all__:
        raise AttributeError(f"module 'shoal' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, _ERRORS)), name)
    globals()[name] = value
    return value
