"""What can be asked of a container, as Python values, and the message that it becomes: a module for each subject."""

from __future__ import annotations

from collections.abc import Iterable

from shoal.options import confinement, files, life, limits, logs, namespaces, naming, network, process, streams
from shoal.options.confinement import ConfinementOptions
from shoal.options.files import FileOptions
from shoal.options.life import LifeOptions
from shoal.options.limits import LimitOptions
from shoal.options.logs import LogOptions
from shoal.options.namespaces import NamespaceOptions
from shoal.options.naming import NamingOptions
from shoal.options.network import Network, NetworkOptions
from shoal.options.process import ProcessOptions
from shoal.options.streams import StreamOptions
from shoal_common.references import parse_reference
from shoal_proto.v1.container_pb2 import ContainerConfig

__all__ = ["ContainerOptions", "Network", "configure"]


class ContainerOptions(
    ProcessOptions,
    StreamOptions,
    LifeOptions,
    NetworkOptions,
    NamingOptions,
    NamespaceOptions,
    LimitOptions,
    FileOptions,
    ConfinementOptions,
    LogOptions,
    total=False,
):
    """What may be said of a container beside image and arguments; what is left out is the image's or the default."""


def configure(image: str, args: Iterable[str], options: ContainerOptions) -> ContainerConfig:
    """Return the message for what is asked, checked as far as that can be done without the cluster.

    Raises:
        InvalidSpec: something can never be right.
    """
    parse_reference(image)
    config = ContainerConfig(image=image, args=list(args))
    process.apply(config, options)
    streams.apply(config, options)
    life.apply(config, options)
    network.apply(config, options)
    naming.apply(config, options)
    limits.apply(config, options)
    files.apply(config, options)
    confinement.apply(config, options)
    logs.apply(config, options)
    namespaces.apply(config, options)
    return config
