"""Images: brought into the cluster's registry, looked at, fetched to nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from shoal.streams import received
from shoal.transport import Transport
from shoal_common.errors import Conflict, InvalidSpec, Unavailable
from shoal_common.references import parse_reference
from shoal_proto.v1.image_pb2 import (
    GetImageRequest,
    Image,
    ImageConfig,
    ImportImageRequest,
    ImportImageResponse,
    ImportImageStart,
    ListImagesRequest,
    PullImageRequest,
    PullImageResponse,
)
from shoal_proto.v1.image_pb2_grpc import ImageServiceStub

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall

#: Bytes of an archive in one message.
PIECE: Final = 256 << 10
#: Seconds for one attempt to look at an image in its registry.
DEADLINE: Final = 60.0


class Images:
    """The images of a cluster's registry, and others it can reach: `cluster.images`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, ref: str) -> Image:
        """Return an image as its registry has it.

        Raises:
            NotFound: there is none.
            Unavailable: the registry does not answer.
        """
        parse_reference(ref)
        request = GetImageRequest(ref=ref)
        return await self._transport.unary(
            lambda channel: ImageServiceStub(channel).GetImage, request, deadline=DEADLINE
        )

    async def list(self, *, filters: Iterable[str] = ()) -> list[Image]:
        """Return the images of the cluster's registry by name.

        Args:
            filters: as `docker image ls --filter` has them, such as "reference=web:*"; see
                `shoal_common.image_filters`.

        Raises:
            Conflict: the controller is of an older version, which can't choose.
            InvalidSpec: a filter is malformed.
            NotFound: a filter names an image that does not exist.
        """
        wanted = tuple(filters)
        images: list[Image] = []
        token = ""
        while True:
            request = ListImagesRequest(page_token=token, filters=wanted)
            page = await self._transport.unary(
                lambda channel: ImageServiceStub(channel).ListImages, request, deadline=DEADLINE
            )
            if wanted and not page.selected:
                raise Conflict("the controller is of an older version, which can't filter images (update it)")
            images += page.images
            token = page.next_page_token
            if not token:
                return images

    async def import_archive(
        self,
        source: Path | AsyncIterator[bytes],
        ref: str,
        *,
        config: ImageConfig | None = None,
        architecture: str = "",
        on_progress: Callable[[int], None] | None = None,
    ) -> Image:
        """Make an image of one layer from the tar of a root file system, put it into the registry and return it.

        Args:
            source: the archive, plain or compressed with gzip or zstd.
            ref: name for the image, such as "web:3".
            config: how it is run.
            architecture: "amd64" or "arm64"; left out, the controller's.
            on_progress: told how many bytes the controller has received so far.

        Raises:
            InvalidSpec: `ref` is not valid, or the archive can't be read or isn't one.
            Unavailable: controller or registry does not answer. It is safe to begin again.
        """
        if parse_reference(ref).digest:
            raise InvalidSpec(
                f'image "{ref}" has a digest, which only follows from its content (give a name and a tag)'
            )
        if isinstance(source, Path):
            async with aclosing(_pieces(source)) as pieces:
                return await self._import(pieces, ref, config, architecture, on_progress)
        return await self._import(source, ref, config, architecture, on_progress)

    async def _import(
        self,
        pieces: AsyncIterator[bytes],
        ref: str,
        config: ImageConfig | None,
        architecture: str,
        on_progress: Callable[[int], None] | None,
    ) -> Image:
        # Before anything is sent: a file that can't be opened must not begin an import.
        first = await anext(pieces, b"")
        endpoint = await self._transport.connected()
        call: StreamStreamCall[ImportImageRequest, ImportImageResponse]
        call = ImageServiceStub(endpoint.channel).ImportImage(metadata=self._transport.metadata())
        start = ImportImageStart(reference=ref, config=config, architecture=architecture)
        accepted = asyncio.Event()
        sender = asyncio.create_task(_send(call, start, accepted, first, pieces), name="shoal-import-send")
        image: Image | None = None
        try:
            async with aclosing(received(call)) as responses:
                async for response in responses:
                    accepted.set()
                    if response.HasField("image"):
                        image = response.image
                    elif on_progress is not None:
                        on_progress(response.received_bytes)
        except (grpc.RpcError, Unavailable) as error:
            if sender.done() and not sender.cancelled() and (problem := sender.exception()) is not None:
                raise problem from error
            if isinstance(error, Unavailable):
                raise
            raise self._transport.explain(error, endpoint) from error
        finally:
            sender.cancel()
            await asyncio.wait([sender])
            if not sender.cancelled():
                sender.exception()
        if image is None:
            raise Unavailable(f'the import of image "{ref}" ended without an answer (import it again)')
        return image

    async def pull(self, ref: str, *, nodes: Iterable[str] = ()) -> AsyncGenerator[PullImageResponse, None]:
        """Fetch an image to nodes before it is needed, and yield how that goes.

        Args:
            ref: such as "web:3".
            nodes: names or ids; none means every node that is ready.
        """
        parse_reference(ref)
        request = PullImageRequest(ref=ref, nodes=list(nodes))
        stream = self._transport.stream(lambda channel: ImageServiceStub(channel).PullImage, lambda: request)
        async with aclosing(stream) as responses:
            async for response in responses:
                yield response


async def _send(
    call: StreamStreamCall[ImportImageRequest, ImportImageResponse],
    start: ImportImageStart,
    accepted: asyncio.Event,
    piece: bytes,
    pieces: AsyncIterator[bytes],
) -> None:
    try:
        await call.write(ImportImageRequest(start=start))
        await accepted.wait()
        while piece:
            for begin in range(0, len(piece), PIECE):
                await call.write(ImportImageRequest(data=piece[begin : begin + PIECE]))
            piece = await anext(pieces, b"")
        # The end of the stream alone would not tell a whole archive from the first part of one.
        await call.write(ImportImageRequest(finished=True))
        await call.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):
        # The call is over; what it ended with is told to whoever reads it.
        return
    except Exception:
        # The archive can't be read: nothing must be made of its first half.
        call.cancel()
        raise


async def _pieces(path: Path) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="shoal-import") as reader:
        try:
            with await loop.run_in_executor(reader, path.open, "rb") as file:
                while piece := await loop.run_in_executor(reader, file.read, PIECE):
                    yield piece
        except OSError as error:
            raise InvalidSpec(f"archive {path} can't be read: {error.strerror}") from error
