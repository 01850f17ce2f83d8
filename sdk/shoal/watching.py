"""What changes among containers, without a gap: a list, then what came after its revision."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from shoal.transport import COUNTING, DEADLINE, Transport
from shoal_common.errors import Compacted, Conflict
from shoal_proto.v1.container_pb2 import (
    Container,
    ListContainersRequest,
    ListContainersResponse,
    WatchContainersRequest,
)
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub


@dataclass(frozen=True, slots=True)
class Change:
    """One container changed.

    Attributes:
        id: of the container.
        revision: the cluster's when it did.
        container: what it is now; None if it is gone.
    """

    id: str
    revision: int
    container: Container | None


async def pages(transport: Transport, request: ListContainersRequest) -> AsyncGenerator[ListContainersResponse, None]:
    """Yield all pages that `request` asks the first of.

    Raises:
        Conflict: the controller would list what the request's filters leave out.
    """
    while True:
        page = await transport.unary(
            lambda channel: ContainerServiceStub(channel).ListContainers,
            request,
            deadline=COUNTING if request.size else DEADLINE,
        )
        if (request.filters or request.last) and not page.selected:
            raise Conflict("the controller is of an older version, which can't filter containers so (update it)")
        yield page
        if not page.next_page_token:
            return
        following = ListContainersRequest()
        following.CopyFrom(request)
        following.page_token = page.next_page_token
        request = following


async def changes(transport: Transport, namespace: str) -> AsyncGenerator[Change, None]:
    """Yield the present state of every container, then each change for ever.

    Disconnects and compacted history are made up for: nothing is missed for good, nothing is told twice.
    """
    known: dict[str, int] = {}
    while True:
        revision = 0
        present: set[str] = set()
        everything = ListContainersRequest(namespace=namespace, all=True)
        async with aclosing(pages(transport, everything)) as listing:
            async for page in listing:
                # The first page's: later pages may be newer, and what they then repeat is told apart below.
                revision = revision or page.revision
                for container in page.containers:
                    identifier = container.spec.id
                    present.add(identifier)
                    if known.get(identifier) != container.revision:
                        known[identifier] = container.revision
                        yield Change(id=identifier, revision=page.revision, container=container)
        for identifier in [each for each in known if each not in present]:
            del known[identifier]
            yield Change(id=identifier, revision=revision, container=None)
        try:
            async with aclosing(_after(transport, namespace, known, revision)) as later:
                async for change in later:
                    yield change
        except Compacted:
            continue


async def _after(
    transport: Transport, namespace: str, known: dict[str, int], revision: int
) -> AsyncGenerator[Change, None]:
    reached = revision
    told: set[str] = set()

    def request() -> WatchContainersRequest:
        # One transaction may change several containers, and the stream break between them: ask for the last
        # revision again and leave out what was told of it.
        after = reached - 1 if told else reached
        return WatchContainersRequest(namespace=namespace, after_revision=after)

    while True:
        stream = transport.stream(lambda channel: ContainerServiceStub(channel).WatchContainers, request)
        async with aclosing(stream) as responses:
            async for response in responses:
                container = response.container if response.HasField("container") else None
                identifier = container.spec.id if container is not None else response.removed
                if not identifier or response.revision < reached:
                    continue
                if response.revision > reached:
                    reached = response.revision
                    told.clear()
                elif identifier in told:
                    continue
                told.add(identifier)
                if container is None:
                    if known.pop(identifier, None) is None:
                        continue
                else:
                    known[identifier] = container.revision
                yield Change(id=identifier, revision=response.revision, container=container)
