"""What containers use of their nodes, and the processes that they have."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from shoal.container_files import ContainerFiles
from shoal_proto.v1.container_pb2 import Process, StatsRequest, StatsResponse, TopRequest
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub


class ContainerUse(ContainerFiles):
    """The part of `cluster.containers` that looks at what runs."""

    async def stats(
        self, refs: Iterable[str] = (), *, all: bool = False, follow: bool = True, interval: float = 1.0
    ) -> AsyncGenerator[StatsResponse, None]:
        """Yield what containers use, one answer for each node that has any of them, each in place of the one before.

            async with aclosing(cluster.containers.stats(["web", "db"])) as answers:
                async for answer in answers:
                    for each in answer.stats:
                        print(each.name, each.cpu_millis / 1000, each.memory_bytes)

        Args:
            refs: the containers; none: all that run, also those that begin to.
            all: without `refs`, also those that don't run.
            follow: go on; else one answer for each node, which takes half a second.
            interval: seconds between two answers of a node.
        """
        request = StatsRequest(
            namespace=self._namespace,
            containers=[self._ref(ref) for ref in refs],
            all=all,
            follow=follow,
            interval_ms=max(1, round(interval * 1000)),
        )
        stream = self._transport.stream(lambda channel: ContainerServiceStub(channel).StatsContainers, lambda: request)
        async with aclosing(stream) as responses:
            async for response in responses:
                yield response

    async def top(self, ref: str) -> list[Process]:
        """Return the processes of a container, by their ids on its node and in the container.

        Raises:
            Conflict: it does not run.
            Unavailable: its node does not answer.
        """
        request = TopRequest(container=self._ref(ref))
        response = await self._transport.unary(lambda channel: ContainerServiceStub(channel).TopContainer, request)
        return [*response.processes]
