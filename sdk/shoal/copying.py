"""Files copied between this machine and containers, wherever those are."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import grpc.aio

from shoal.copy_rules import Landing, Source, Target, landing
from shoal.streams import received
from shoal.transport import Endpoint, Transport
from shoal_common.archives.packing import CannotPack, Packer
from shoal_common.archives.placing import CannotPlace, Placer
from shoal_common.archives.tarstream import MalformedArchive
from shoal_common.errors import Conflict, Exhausted, InvalidSpec, NotFound, Unavailable
from shoal_proto.v1.container_pb2 import (
    ContainerRef,
    CopyInRequest,
    CopyInResponse,
    CopyInStart,
    CopyOutRequest,
    CopyOutResponse,
    PathInfo,
    StatPathRequest,
)
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub

if TYPE_CHECKING:
    from grpc.aio import Channel, StreamStreamCall, UnaryStreamMultiCallable

Q = TypeVar("Q")
R = TypeVar("R")

#: Bytes of an archive in one message.
PIECE: Final = 256 << 10
#: Seconds for one attempt to look at a path: its container may first have to be prepared.
DEADLINE: Final = 95.0


async def stat_path(transport: Transport, container: ContainerRef, path: str) -> PathInfo:
    """Return what a path of a container is; a link is not followed."""
    request = StatPathRequest(container=container, path=path)
    return await transport.unary(lambda channel: ContainerServiceStub(channel).StatPath, request, deadline=DEADLINE)


async def begun_once(
    transport: Transport, method: Callable[[Channel], UnaryStreamMultiCallable[Q, R]], request: Q
) -> AsyncGenerator[R, None]:
    """Yield the responses of a stream that can't be gone on with where it broke.

    Until something came it is asked for again, at any controller; after that it isn't.
    """
    patience = transport.patience()
    begun = False
    while True:
        endpoint: Endpoint | None = None
        try:
            endpoint = await patience.attempt()
            call = method(endpoint.channel)(request, metadata=transport.metadata())
            async with aclosing(received(call)) as responses:
                async for response in responses:
                    begun = True
                    yield response
            return
        except grpc.RpcError as error:
            if begun and endpoint is not None:
                raise transport.explain(error, endpoint) from error
            await patience.bear(error)


def read_archive(
    transport: Transport, container: ContainerRef, path: str, *, follow_link: bool
) -> AsyncGenerator[CopyOutResponse, None]:
    """Yield what a path of a container is, then the pieces of its tar."""
    request = CopyOutRequest(container=container, path=path, follow_link=follow_link)
    return begun_once(transport, lambda channel: ContainerServiceStub(channel).CopyOut, request)


async def write_archive(
    transport: Transport,
    container: ContainerRef,
    path: str,
    pieces: AsyncIterator[bytes],
    *,
    keep_ids: bool,
    on_progress: Callable[[int], None] | None,
) -> int:
    """Unpack a tar in a directory of a container; return its bytes.

    Until the node takes it it is offered again, at any controller; then nothing is sent twice.
    """
    start = CopyInStart(container=container, path=path, keep_ids=keep_ids)
    patience = transport.patience()
    while True:
        sending = _Sending(start, pieces)
        endpoint: Endpoint | None = None
        try:
            endpoint = await patience.attempt()
            call = ContainerServiceStub(endpoint.channel).CopyIn(metadata=transport.metadata())
            last = await sending.run(call, on_progress)
        except grpc.RpcError as error:
            if sending.accepted.is_set() and endpoint is not None:
                raise transport.explain(error, endpoint) from error
            await patience.bear(error)
            continue
        if not last.done:
            raise Unavailable(f'the copy to container "{container.ref}" ended without an answer (copy it again)')
        return last.bytes


class _Sending:
    """One attempt to have a tar taken."""

    def __init__(self, start: CopyInStart, pieces: AsyncIterator[bytes]) -> None:
        self._start = start
        self._pieces = pieces
        self.accepted = asyncio.Event()

    async def run(
        self, call: StreamStreamCall[CopyInRequest, CopyInResponse], on_progress: Callable[[int], None] | None
    ) -> CopyInResponse:
        sender = asyncio.create_task(_send(call, self._start, self.accepted, self._pieces), name="shoal-copy-send")
        last = CopyInResponse()
        try:
            async with aclosing(received(call)) as responses:
                async for last in responses:
                    self.accepted.set()
                    if on_progress is not None:
                        on_progress(last.bytes)
        except (grpc.RpcError, Unavailable) as error:
            if sender.done() and not sender.cancelled() and (problem := sender.exception()) is not None:
                raise problem from error
            raise
        finally:
            sender.cancel()
            await asyncio.wait([sender])
            if not sender.cancelled():
                sender.exception()
        return last


async def _send(
    call: StreamStreamCall[CopyInRequest, CopyInResponse],
    start: CopyInStart,
    accepted: asyncio.Event,
    pieces: AsyncIterator[bytes],
) -> None:
    try:
        await call.write(CopyInRequest(start=start))
        await accepted.wait()
        async for piece in pieces:
            for begin in range(0, len(piece), PIECE):
                await call.write(CopyInRequest(data=piece[begin : begin + PIECE]))
        await call.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):
        # The call is over; what it ended with is told to whoever reads it.
        return
    except Exception:
        # What is copied can't be read: the tar has no end then, and the node sees that.
        call.cancel()
        raise


async def copy_from(
    transport: Transport, container: ContainerRef, source: str, target: str, *, follow_link: bool, keep_ids: bool
) -> int:
    """Copy a file or a directory of a container to this machine; see `Containers.copy_from`."""
    responses = read_archive(transport, container, source, follow_link=follow_link)
    async with aclosing(responses):
        first = await anext(responses, None)
        if first is None or not first.HasField("info"):
            raise Unavailable(f'the copy from container "{container.ref}" ended without an answer (copy it again)')
        directory = stat.S_ISDIR(first.info.mode)
        wanted = Source(source, directory)
        place = landing(wanted, _local_target(target))
        packed = os.fsencode(wanted.name if wanted.name != "." else first.info.path.rpartition("/")[2] or ".")
        return await _place(responses, place, packed, keep_ids=keep_ids)


async def copy_to(
    transport: Transport,
    container: ContainerRef,
    source: Path | str,
    target: str,
    *,
    follow_link: bool,
    keep_ids: bool,
    on_progress: Callable[[int], None] | None,
) -> int:
    """Copy a file or a directory of this machine into a container; see `Containers.copy_to`."""
    text = os.fspath(source)
    if text.rstrip("/").endswith(".."):
        text = os.path.abspath(text)
    follow = follow_link or text.endswith(("/", "/."))
    try:
        found = os.stat(text, follow_symlinks=follow)
    except OSError as error:
        raise NotFound(f'"{text}" can\'t be copied: {error.strerror}') from error
    where = Source(text, stat.S_ISDIR(found.st_mode))
    place = landing(where, await _target(transport, container, target))
    packing = _pack(text, os.fsencode(place.name), follow=follow)
    async with aclosing(packing) as pieces:
        return await write_archive(
            transport, container, place.directory, pieces, keep_ids=keep_ids, on_progress=on_progress
        )


async def _target(transport: Transport, container: ContainerRef, path: str) -> Target:
    found = None
    try:
        found = await stat_path(transport, container, path)
        if found.link_target:
            path = found.link_target
            found = await stat_path(transport, container, path)
    except NotFound:
        found = None
    return Target(path, None if found is None else stat.S_ISDIR(found.mode))


def _local_target(text: str) -> Target:
    if os.path.islink(text.rstrip("/") or "/"):
        text = os.path.realpath(text)
    try:
        return Target(text, stat.S_ISDIR(os.stat(text).st_mode))
    except OSError:
        return Target(text, None)


async def _pack(path: str, packed: bytes, *, follow: bool) -> AsyncGenerator[bytes, None]:
    """Yield the tar of a file or a directory of this machine."""
    loop = asyncio.get_running_loop()
    real = (
        os.path.realpath(path)
        if follow
        else os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
    )
    above, name = os.path.split(real)
    with ThreadPoolExecutor(1, thread_name_prefix="shoal-copy") as reader:
        try:
            parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with closing(Packer(xattrs=False).archive(parent, name or ".", packed)) as pieces:
                    while piece := await loop.run_in_executor(reader, next, pieces, b""):
                        yield piece
            finally:
                os.close(parent)
        except CannotPack as error:
            raise Conflict(str(error)) from error
        except OSError as error:
            raise InvalidSpec(f'"{path}" can\'t be read: {error.strerror}') from error


class _Pulled:
    """Pieces of a stream of the event loop, for a thread."""

    def __init__(self, source: AsyncIterator[CopyOutResponse]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._pending: Future[bytes] | None = None
        self._closed = False
        self.taken = 0

    def pull(self) -> bytes:
        """Return the next piece, b"" at the end. For the thread."""
        if self._closed:
            raise MalformedArchive("the copy was given up")
        self._pending = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        data = self._pending.result()
        self.taken += len(data)
        return data

    def close(self) -> None:
        """Let the thread go. For the event loop."""
        self._closed = True
        if self._pending is not None:
            self._pending.cancel()

    async def _next(self) -> bytes:
        response = await anext(self._source, None)
        return b"" if response is None else response.data


async def _place(responses: AsyncIterator[CopyOutResponse], place: Landing, packed: bytes, *, keep_ids: bool) -> int:
    """Place a tar whose one top entry is called `packed`."""
    name = os.fsencode(place.name)

    def rename(path: bytes) -> bytes:
        if packed == b".":
            return name + b"/" + path
        top, _, below = path.partition(b"/")
        if top != packed:
            raise MalformedArchive("it has more than what was asked for")
        return name + b"/" + below

    try:
        root = os.open(place.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f'directory "{place.directory}" can\'t be copied to: {error.strerror}') from error
    pulled = _Pulled(responses)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="shoal-copy") as writer:
        # A program that gives its owner's rights would give ours, to whoever executes it: the container chose it.
        placer = Placer(root, keep_ids=keep_ids, keep_privileges=keep_ids, unique=secrets.token_hex(6), rename=rename)
        work = loop.run_in_executor(writer, placer.place, pulled.pull)
        try:
            await asyncio.shield(work)
        except (MalformedArchive, CannotPlace) as error:
            raise Conflict(f"the copy can't be placed in {place.directory}: {error}") from error
        except OSError as error:
            raise Exhausted(f"the copy can't be written in {place.directory}: {error.strerror}") from error
        finally:
            pulled.close()
            await asyncio.wait([work])
            if not work.cancelled():
                # Told above, if anybody still waits for it.
                work.exception()
            os.close(root)
    return pulled.taken
