"""A connection to a cluster: where everything of the SDK begins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc

from shoal.configuration import Context, choose_context
from shoal.containers import Containers
from shoal.streams import received
from shoal.transport import COUNTING, Transport
from shoal_common.ids import new_request_id
from shoal_proto.v1.cluster_pb2 import (
    BackupClusterRequest,
    ClusterInfo,
    ClusterPolicy,
    CompactStoreRequest,
    CompactStoreResponse,
    CreateJoinTokenRequest,
    CreateJoinTokenResponse,
    GetInfoRequest,
    GetPolicyRequest,
    GetVersionRequest,
    GetVersionResponse,
    PruneImagesRequest,
    PruneImagesResponse,
    RecoverClusterRequest,
    RecoverClusterResponse,
    RecoverySource,
    SystemUsageRequest,
    SystemUsageResponse,
    UpdatePolicyRequest,
)
from shoal_proto.v1.cluster_pb2_grpc import ClusterServiceStub

if TYPE_CHECKING:
    from shoal.events import Events
    from shoal.images import Images
    from shoal.nodes import Nodes
    from shoal.request_path import RequestPath
    from shoal.volumes import Volumes

DAY: Final = 24 * 3600
#: Seconds for nodes to remove images, beside counting what there is.
REMOVING: Final = 60.0
#: Seconds for etcd's members to rewrite their databases, one after the other.
_COMPACTION: Final = 900.0


class Cluster:
    """One cluster. Made by `connect`; used with `async with`, or closed with `close`.

    Attributes:
        context: how it is reached.
        containers: see `Containers`.
    """

    def __init__(self, context: Context, path: RequestPath | None = None) -> None:
        self.context = context
        self._transport = Transport(context, path)
        self.containers = Containers(self._transport)

    # Loaded when first used: most commands need none of them.

    @cached_property
    def events(self) -> Events:
        """See `Events`."""
        from shoal.events import Events

        return Events(self._transport)

    @cached_property
    def nodes(self) -> Nodes:
        """See `Nodes`."""
        from shoal.nodes import Nodes

        return Nodes(self._transport)

    @cached_property
    def images(self) -> Images:
        """See `Images`."""
        from shoal.images import Images

        return Images(self._transport)

    @cached_property
    def volumes(self) -> Volumes:
        """See `Volumes`."""
        from shoal.volumes import Volumes

        return Volumes(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, breaking off what goes on."""
        await self._transport.close()

    async def info(self) -> ClusterInfo:
        """Return how large the cluster is, what is used, and who leads."""
        return await self._transport.unary(lambda channel: ClusterServiceStub(channel).GetInfo, GetInfoRequest())

    async def usage(self, *, nodes: Iterable[str] = (), detail: bool = False) -> SystemUsageResponse:
        """Return what takes room on the nodes' disks, which they count for this, in the order of their names.

        A node that does not answer is told with its `problem`.

        Args:
            nodes: names or ids; none means all.
            detail: also name the images, containers and volumes.

        Raises:
            NotFound: there is no such node.
        """
        request = SystemUsageRequest(nodes=list(nodes), detail=detail)
        return await self._transport.unary(
            lambda channel: ClusterServiceStub(channel).GetSystemUsage, request, deadline=COUNTING
        )

    async def prune_images(self, *, all: bool = False, filters: Iterable[str] = ()) -> PruneImagesResponse:
        """Remove images from the nodes that no container there has, and tell which, and of how many bytes.

        The registry keeps them. A node that does not answer is told among `problems`.

        Args:
            all: also those to which a tag in the cluster's registry leads, and those of other registries.
            filters: "label=KEY[=VALUE]", "label!=KEY[=VALUE]", "until=SECONDS" (last of use before then, in seconds
                since 1970); all must hold.

        Raises:
            InvalidSpec: a filter is malformed.
            Unavailable: the registry does not answer.
        """
        request = PruneImagesRequest(all=all, filters=list(filters), request_id=new_request_id())
        return await self._transport.unary(
            lambda channel: ClusterServiceStub(channel).PruneImages, request, deadline=COUNTING + REMOVING
        )

    async def version(self) -> GetVersionResponse:
        """Return the versions of the controller that answers."""
        return await self._transport.unary(lambda channel: ClusterServiceStub(channel).GetVersion, GetVersionRequest())

    async def join_token(self, *, valid_seconds: int = DAY) -> CreateJoinTokenResponse:
        """Return a new token with which hosts join, as often as wanted until it expires.

        Raises:
            PermissionDenied: the caller is no administrator.
        """
        # A repetition makes a second token that nobody learns of, and that expires like any other.
        request = CreateJoinTokenRequest(valid_seconds=valid_seconds)
        return await self._transport.unary(lambda channel: ClusterServiceStub(channel).CreateJoinToken, request)

    async def policy(self) -> ClusterPolicy:
        """Return what containers may ask for that loosens their confinement."""
        return await self._transport.unary(lambda channel: ClusterServiceStub(channel).GetPolicy, GetPolicyRequest())

    async def update_policy(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> ClusterPolicy:
        """Allow and deny some of it, and return what is allowed now.

        Args:
            allow: names of `shoal_common.containers.policy.Permission`.
            deny: the same; containers that are there keep what they have.

        Raises:
            InvalidSpec: a name is not known, or is both allowed and denied.
            PermissionDenied: the caller is no administrator.
        """
        request = UpdatePolicyRequest(request_id=new_request_id(), allow=list(allow), deny=list(deny))
        return await self._transport.unary(lambda channel: ClusterServiceStub(channel).UpdatePolicy, request)

    async def recover(
        self, source: RecoverySource, *, nodes: int = 0, wait_seconds: int = 0, subnet: str = ""
    ) -> AsyncGenerator[RecoverClusterResponse, None]:
        """Bring back a cluster whose store was emptied or restored, and yield how far that is, a line each.

        What runs on the nodes runs on and is adopted as it is. Broken off and begun again, it ends the same.

        Args:
            source: the nodes alone, or a restored store that they bring up to date.
            nodes: how many to wait for; 0: all that the store knows, or all that come within the wait.
            wait_seconds: for them; 0: 30.
            subnet: of the containers' addresses, where neither store nor nodes know it.

        Raises:
            Conflict: the store is well, or the other source is the one.
            Unavailable: nodes are missing, or the store does not answer.
        """
        request = RecoverClusterRequest(source=source, nodes=nodes, wait_seconds=wait_seconds, subnet=subnet)
        stream = self._transport.stream(lambda channel: ClusterServiceStub(channel).RecoverCluster, lambda: request)
        async with aclosing(stream) as responses:
            async for response in responses:
                yield response

    async def backup(self, passphrase: str) -> AsyncGenerator[bytes, None]:
        """Yield a backup of the cluster piece by piece, encrypted: the store, the authority and the keys.

        It is whole only once this has ended without an error. What broke off is begun anew by the caller.

        Args:
            passphrase: to encrypt it with; there is no way to open it without.

        Raises:
            PermissionDenied: the caller is no administrator.
            Unavailable: the store does not answer, or the connection broke.
        """
        endpoint = await self._transport.connected()
        call = ClusterServiceStub(endpoint.channel).BackupCluster(BackupClusterRequest(passphrase=passphrase))
        try:
            async with aclosing(received(call)) as responses:
                async for response in responses:
                    yield response.data
        except grpc.RpcError as error:
            raise self._transport.explain(error, endpoint) from error

    async def compact_store(self) -> CompactStoreResponse:
        """Drop old history of the store, give the space back, and let one that was full take writes again."""
        return await self._transport.unary(
            lambda channel: ClusterServiceStub(channel).CompactStore, CompactStoreRequest(), deadline=_COMPACTION
        )


def connect(context: Context | str | None = None, *, path: RequestPath | None = None) -> Cluster:
    """Return a connection to a cluster, dialled when first used.

    Args:
        context: how to reach it, or the name of a configured context; left out: $SHOAL_CONTEXT, the configuration's
            current one, or the local controller's socket.
        path: told of every step of every request.

    Raises:
        NotFound: there is no such context, or none is configured.
        InvalidSpec: the configuration is not what it should be.
    """
    return Cluster(context if isinstance(context, Context) else choose_context(context), path)
