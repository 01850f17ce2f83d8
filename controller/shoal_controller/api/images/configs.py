"""What images say of how they are run, kept by digest: a digest never says anything else."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from shoal_common.registry import Registry, parse_config
from shoal_common.registry.manifests import Descriptor
from shoal_proto.v1.image_pb2 import ImageConfig

#: Images whose configuration is remembered.
_KEPT: Final = 256


class ImageConfigs:
    """Configurations of images, fetched once each."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: OrderedDict[str, ImageConfig] = OrderedDict()

    async def of(self, host: str, repository: str, manifest: Descriptor) -> ImageConfig:
        """Return the configuration that a manifest names.

        Raises:
            NotFound: the registry has lost it.
            InvalidSpec: it is malformed.
            Unavailable: the registry does not answer.
        """
        known = self.known(manifest.digest)
        if known is None:
            body = await self._registry.config(host, repository, manifest.body)
            known = parse_config(body, name=f'image "{repository}"').config
            self._known[manifest.digest] = known
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known

    def known(self, digest: str) -> ImageConfig | None:
        """Return the configuration of the manifest with this digest, if it was fetched before."""
        if digest in self._known:
            self._known.move_to_end(digest)
        return self._known.get(digest)
