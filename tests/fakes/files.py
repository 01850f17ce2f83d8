"""Files of a fake container: a directory of this machine, packed and placed by the real thing."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from shoal_common.archives.packing import Packer
from shoal_common.archives.placing import Placer
from shoal_common.errors import NotFound, Unavailable
from shoal_proto.v1.agent_pb2 import AgentCommitRequest, AgentCommitResponse
from shoal_proto.v1.container_pb2 import (
    ChangeKind,
    CommitProgress,
    CopyInResponse,
    CopyOutResponse,
    DiffResponse,
    ExportResponse,
    FileChange,
    PathInfo,
)
from shoal_proto.v1.image_pb2 import Layer


class Files:
    """What a controller or an agent does for copies.

    Attributes:
        root: the container's root directory.
        break_after: messages of a tar after which the stream breaks.
        stall_after: messages after which nothing more comes; `stalled` is set then.
        refusals: errors that the next calls raise instead.
    """

    def __init__(self) -> None:
        self.root = Path("/nonexistent")
        self.break_after: int | None = None
        self.stall_after: int | None = None
        self.stalled = asyncio.Event()
        self.refusals: list[Exception] = []
        self.taken = 0
        self.commits: list[Any] = []
        #: Pushes a layer for a commit; None: the agent dies before it has.
        self.layer: Callable[[AgentCommitRequest], Awaitable[Layer]] | None = None

    def stat(self, path: str) -> PathInfo:
        self._refuse()
        real = self.root / path.lstrip("/")
        try:
            found = real.lstat()
        except OSError:
            raise NotFound(f'"{path}" is not there') from None
        info = PathInfo(path=f"/{path.strip('/')}", size_bytes=found.st_size, mode=found.st_mode)
        if stat.S_ISLNK(found.st_mode):
            info.link_target = f"/{real.resolve().relative_to(self.root)}"
        return info

    async def out(self, path: str) -> AsyncIterator[CopyOutResponse]:
        yield CopyOutResponse(info=self.stat(path))
        real = self.root / path.lstrip("/")
        parent = os.open(real.parent, os.O_RDONLY)
        try:
            for number, piece in enumerate(Packer(xattrs=True).archive(parent, real.name, os.fsencode(real.name))):
                if number == self.break_after:
                    raise Unavailable("the node went away")
                if number == self.stall_after:
                    self.stalled.set()
                    await asyncio.Event().wait()
                yield CopyOutResponse(data=piece)
        finally:
            os.close(parent)

    async def into(self, path: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[CopyInResponse]:
        self._refuse()
        if not (self.root / path.lstrip("/")).is_dir():
            raise NotFound(f'"{path}" is not there')
        yield CopyInResponse()
        data = []
        async for piece in pieces:
            data.append(piece)
            if len(data) == self.break_after:
                raise Unavailable("the node went away")
        self.taken += len(data)
        opened = os.open(self.root / path.lstrip("/"), os.O_RDONLY)
        try:
            rest = iter(data)
            Placer(opened, keep_ids=False, unique="fake").place(lambda: next(rest, b""))
        finally:
            os.close(opened)
        yield CopyInResponse(bytes=sum(map(len, data)), done=True)

    async def export(self) -> AsyncIterator[ExportResponse]:
        self._refuse()
        parent = os.open(self.root, os.O_RDONLY)
        try:
            for piece in Packer(xattrs=False).archive(parent, ".", b"."):
                yield ExportResponse(data=piece)
        finally:
            os.close(parent)

    async def diff(self) -> AsyncIterator[DiffResponse]:
        self._refuse()
        for path in sorted(self.root.rglob("*")):
            change = FileChange(kind=ChangeKind.CHANGE_KIND_ADDED, path=f"/{path.relative_to(self.root)}")
            yield DiffResponse(changes=[change])

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


async def data_of(requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Yield the pieces of a tar that a client, or a controller, sends."""
    async for request in requests:
        yield request.data


class ApiFiles:
    """The calls of `ContainerService` about files."""

    files: Files

    async def StatPath(self, request, context):  # type: ignore[no-untyped-def]
        return self.files.stat(request.path)

    async def CopyOut(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.out(request.path):
            yield response

    async def CopyIn(self, requests, context):  # type: ignore[no-untyped-def]
        first = await anext(requests)
        async for response in self.files.into(first.start.path, data_of(requests)):
            yield response

    async def DiffContainer(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.diff():
            yield response

    async def ExportContainer(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.export():
            yield response

    async def CommitContainer(self, request, context):  # type: ignore[no-untyped-def]
        self.files.commits.append(request)
        yield CommitProgress(bytes=10)
        yield CommitProgress(bytes=20, digest="sha256:" + "c" * 64)


class AgentFiles:
    """The calls of `AgentService` about files."""

    files: Files

    async def StatPath(self, request, context):  # type: ignore[no-untyped-def]
        return self.files.stat(request.path)

    async def CopyOut(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.out(request.request.path):
            yield response

    async def CopyIn(self, requests, context):  # type: ignore[no-untyped-def]
        first = await anext(requests)
        async for response in self.files.into(first.start.start.path, data_of(requests)):
            yield response

    async def Diff(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.diff():
            yield response

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        async for response in self.files.export():
            yield response

    async def Commit(self, request, context):  # type: ignore[no-untyped-def]
        self.files.commits.append(request)
        yield AgentCommitResponse(bytes=10)
        if self.files.layer is not None:
            yield AgentCommitResponse(bytes=20, layer=await self.files.layer(request))
