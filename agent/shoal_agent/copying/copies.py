"""Copying in and out of this node's containers, running or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from shoal_agent.copying.entrances import Entrances
from shoal_agent.copying.jobs import Job
from shoal_agent.core.changes import Kind
from shoal_common.errors import Internal, InvalidSpec
from shoal_proto.v1.agent_pb2 import (
    AgentContainerRef,
    AgentCopyInRequest,
    AgentCopyInStart,
    AgentCopyOutRequest,
    AgentStatPathRequest,
)
from shoal_proto.v1.container_pb2 import (
    ChangeKind,
    CopyInResponse,
    CopyOutResponse,
    DiffResponse,
    ExportResponse,
    FileChange,
    PathInfo,
)

#: Bytes of a path: what Linux takes.
MAX_PATH: Final = 4095
#: Changes in one message.
_CHANGES: Final = 500
#: Nanoseconds of what a Timestamp can say (the years 1 to 9999); files have any time that their owner gives them.
_FIRST_TIME: Final = -62_135_596_800 * 10**9
_LAST_TIME: Final = 253_402_300_800 * 10**9 - 1
_KINDS: Final = {
    Kind.MODIFIED: ChangeKind.CHANGE_KIND_MODIFIED,
    Kind.ADDED: ChangeKind.CHANGE_KIND_ADDED,
    Kind.DELETED: ChangeKind.CHANGE_KIND_DELETED,
}


class Copies:
    """Serves what copies ask of this node. Each has a process of its own, which ends with its stream."""

    def __init__(self, entrances: Entrances) -> None:
        self._entrances = entrances

    async def stat(self, request: AgentStatPathRequest) -> PathInfo:
        """Return what a path of a container is.

        Raises:
            NotFound: it isn't there.
        """
        path = _checked(request.path)
        async with self._entrances.inside(request.container) as entrance, Job(entrance, do="stat", path=path) as job:
            return path_info(await job.said())

    async def out(self, request: AgentCopyOutRequest) -> AsyncGenerator[CopyOutResponse, None]:
        """Yield what a path of a container is, then the tar of it."""
        wanted = request.request
        path = _checked(wanted.path)
        async with (
            self._entrances.inside(request.container) as entrance,
            Job(entrance, do="out", path=path, follow=wanted.follow_link) as job,
        ):
            yield CopyOutResponse(info=path_info(await job.said()))
            async with aclosing(job.output()) as pieces:
                async for data in pieces:
                    yield CopyOutResponse(data=data)
            await job.said()

    async def into(
        self, start: AgentCopyInStart, requests: AsyncIterator[AgentCopyInRequest]
    ) -> AsyncGenerator[CopyInResponse, None]:
        """Unpack a tar in a directory of a container; yield how far that is."""
        wanted = start.start
        path = _checked(wanted.path)
        async with (
            self._entrances.inside(start.container) as entrance,
            Job(entrance, do="in", path=path, keep_ids=wanted.keep_ids) as job,
        ):
            said = await job.said()
            feeding = asyncio.create_task(job.feed(_data(requests)), name="copy-in")
            try:
                progress = CopyInResponse()
                while "done" not in said:
                    progress = CopyInResponse(bytes=int(str(said["bytes"])))
                    yield progress
                    said = await job.said(feeding)
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])
            yield CopyInResponse(bytes=progress.bytes, done=True)

    async def export(self, container: AgentContainerRef) -> AsyncGenerator[ExportResponse, None]:
        """Yield the tar of a container's whole root file system."""
        async with self._entrances.root(container) as entrance, Job(entrance, do="export") as job:
            await job.said()
            async with aclosing(job.output()) as pieces:
                async for data in pieces:
                    yield ExportResponse(data=data)
            await job.said()

    async def diff(self, container: AgentContainerRef) -> AsyncGenerator[DiffResponse, None]:
        """Yield what a container has changed of its image, some hundreds at a time."""
        async with self._entrances.writable(container) as entrance, Job(entrance, do="diff") as job:
            await job.said()
            rest = b""
            async with aclosing(job.output()) as pieces:
                async for data in pieces:
                    *told, rest = (rest + data).split(b"\0")
                    for at in range(0, len(told), _CHANGES):
                        yield DiffResponse(changes=[_change(each) for each in told[at : at + _CHANGES]])
            await job.said()


def _change(told: bytes) -> FileChange:
    return FileChange(kind=_KINDS[Kind(chr(told[0]))], path=told[1:].decode(errors="replace"))


def _checked(path: str) -> str:
    if len(path.encode()) > MAX_PATH or "\0" in path:
        raise InvalidSpec("a path is longer than Linux takes, or has a NUL in it")
    return path


def path_info(said: Mapping[str, object]) -> PathInfo:
    """Return what the copying process says of a path; of a time that no message can say, the nearest that one can.

    Raises:
        Internal: it says nothing of it.
    """
    told = said.get("info")
    if not isinstance(told, dict):
        raise Internal("the copying process did not say what the path is")
    info = PathInfo(path=told["path"], size_bytes=told["size"], mode=told["mode"], link_target=told["link"])
    info.modified_at.FromNanoseconds(min(max(told["mtime"], _FIRST_TIME), _LAST_TIME))
    return info


async def _data(requests: AsyncIterator[AgentCopyInRequest]) -> AsyncGenerator[bytes, None]:
    async for request in requests:
        if request.WhichOneof("message") != "data":
            raise InvalidSpec("a copy is out of order (send start once, then data)")
        yield request.data
