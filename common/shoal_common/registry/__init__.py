"""Client of OCI registries: resolve, fetch and push, for both daemons.

`Registry` is the one entry. Nothing here knows a node's disk or a cluster's state. Importing this package needs
aiohttp; importing `shoal_common` alone does not.
"""

from shoal_common.registry.client import Registry
from shoal_common.registry.manifests import Descriptor, Manifest, Platform, parse_config, parse_manifest
from shoal_common.registry.retry import Retry

__all__ = ["Descriptor", "Manifest", "Platform", "Registry", "Retry", "parse_config", "parse_manifest"]
