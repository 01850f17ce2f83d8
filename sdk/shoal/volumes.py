"""Volumes: directories that outlive containers, each on one node."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping

from shoal.transport import COUNTING, DEADLINE, Transport
from shoal_common.ids import new_container_id, new_request_id
from shoal_proto.v1.volume_pb2 import (
    CreateVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    PruneVolumesRequest,
    PruneVolumesResponse,
    RemoveVolumeRequest,
    Volume,
    VolumeRef,
)
from shoal_proto.v1.volume_pb2_grpc import VolumeServiceStub


class Volumes:
    """The volumes of a cluster: `cluster.volumes`. `ref` always is a volume's name, its id, or the beginning of it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, name: str = "", *, labels: Mapping[str, str] | None = None, constraints: Iterable[str] = ()
    ) -> Volume:
        """Make a volume and return it, or the one of that name that is as asked.

        It gets its node with the first container that uses it.

        Args:
            name: left out: its id.
            labels: to find it by.
            constraints: each "key==value" or "key!=value", as a container's: where it may be.

        Raises:
            AlreadyExists: there is one of that name, with other labels or constraints.
            InvalidSpec: something can never be right.
        """
        request = CreateVolumeRequest(id=new_container_id(), name=name, labels=labels or {}, constraints=constraints)
        return await self._transport.unary(lambda channel: VolumeServiceStub(channel).CreateVolume, request)

    async def get(self, ref: str, *, size: bool = False) -> Volume:
        """Return a volume.

        Args:
            size: with its bytes, which its node counts for this; left out if it does not answer.

        Raises:
            NotFound: there is none.
        """
        request = GetVolumeRequest(volume=VolumeRef(ref=ref), size=size)
        return await self._transport.unary(
            lambda channel: VolumeServiceStub(channel).GetVolume, request, deadline=COUNTING if size else DEADLINE
        )

    async def list(self, *, filters: Iterable[str] = (), size: bool = False) -> list[Volume]:
        """Return volumes in the order of their names.

        Args:
            size: with their bytes, as `get` has them.
            filters: "name=TEXT", "label=KEY[=VALUE]", "dangling=true|false", "node=NAME"; all of them hold.

        Raises:
            InvalidSpec: a filter is not one of these.
        """
        chosen = builtins.list(filters)
        volumes: list[Volume] = []
        token = ""
        while True:
            request = ListVolumesRequest(filters=chosen, page_token=token, size=size)
            page = await self._transport.unary(
                lambda channel: VolumeServiceStub(channel).ListVolumes,
                request,
                deadline=COUNTING if size else DEADLINE,
            )
            volumes += page.volumes
            token = page.next_page_token
            if not token:
                return volumes

    async def remove(self, ref: str) -> str:
        """Remove a volume with its data, and return its id. Its name is free at once.

        Raises:
            NotFound: there is none.
            Conflict: a container uses it.
        """
        request = RemoveVolumeRequest(volume=VolumeRef(ref=ref), request_id=new_request_id())
        response = await self._transport.unary(lambda channel: VolumeServiceStub(channel).RemoveVolume, request)
        return response.id

    async def prune(self, *, all: bool = False, filters: Iterable[str] = ()) -> PruneVolumesResponse:
        """Remove the volumes that no container uses, and return their names, and how many bytes they had.

        Args:
            all: also those that were given a name.
            filters: "label=KEY[=VALUE]", "label!=KEY[=VALUE]".
        """
        request = PruneVolumesRequest(all=all, filters=filters, request_id=new_request_id())
        return await self._transport.unary(
            lambda channel: VolumeServiceStub(channel).PruneVolumes, request, deadline=COUNTING
        )
