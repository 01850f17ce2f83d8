"""Names that a shell completes: what there is in the cluster, if it answers at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from shoal.cluster import Cluster

#: Seconds after which whoever types gets nothing.
_PATIENCE: Final = 2.0


def names(ctx: click.Context, kinds: Iterable[str], incomplete: str) -> list[str]:
    """Return the names of these kinds that begin with `incomplete`; none if the cluster does not answer."""
    # Nobody could read what gRPC says of a connection that fails.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import asyncio
    import logging

    from shoal.cluster import connect
    from shoal_common.errors import ShoalError

    logging.getLogger("shoal").setLevel(logging.CRITICAL)
    context = ctx.find_root().params.get("context")

    async def ask() -> list[str]:
        async with asyncio.timeout(_PATIENCE), connect(context) as cluster:
            found = await asyncio.gather(*(_all(cluster, kind) for kind in kinds), return_exceptions=True)
        # One kind may be out of reach, as images are without the registry.
        return [name for some in found if not isinstance(some, BaseException) for name in some]

    try:
        found = asyncio.run(ask())
    except (ShoalError, TimeoutError, OSError):
        return []
    return sorted({name for name in found if name.startswith(incomplete)})


async def _all(cluster: Cluster, kind: str) -> list[str]:
    match kind:
        case "container":
            return [each.spec.name for each in await cluster.containers.list(all=True)]
        case "volume":
            return [each.spec.name for each in await cluster.volumes.list()]
        case "node":
            return [each.spec.name for each in await cluster.nodes.list()]
        case "runtime":
            return [name for each in await cluster.nodes.list() for name in each.status.description.runtimes]
    return [each.reference for each in await cluster.images.list()]
