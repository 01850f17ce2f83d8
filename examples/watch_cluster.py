"""Print the nodes of the cluster, then every change among its containers, until Ctrl-C."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import shoal
from shoal_proto.v1.container_pb2 import ContainerPhase


async def main() -> None:
    """Watch until interrupted."""
    async with shoal.connect() as cluster:
        for node in await cluster.nodes.list():
            print(f"node {node.spec.name}: {node.running} of {node.containers} containers run")
        async with aclosing(cluster.containers.watch()) as changes:
            async for change in changes:
                if change.container is None:
                    print(f"{change.id[:12]} is gone")
                else:
                    phase = ContainerPhase.Name(change.container.phase).removeprefix("CONTAINER_PHASE_").lower()
                    print(f"{change.container.spec.name} on {change.container.node_name or '-'}: {phase}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
