"""`ImageService`: images, as registries have them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec, NotFound, ShoalError, Unavailable
from shoal_common.filters import parsed
from shoal_common.image_filters import parse_image_filter
from shoal_common.references import Reference, parse_reference
from shoal_common.registry import Registry, parse_config, parse_manifest
from shoal_common.registry.manifests import OCI_MANIFEST, Descriptor, Platform
from shoal_common.timestamps import checked
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.images import choosing, imports
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.validation import fields
from shoal_controller.api.views import is_ready, node_name
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1 import image_pb2, image_pb2_grpc
from shoal_proto.v1.agent_pb2 import AgentPullRequest

_Context = grpc.aio.ServicerContext[object, object]

#: Bytes between two messages of how far an upload is.
_PROGRESS: Final = 4 << 20
#: Seconds that a client may be silent in the middle of an upload.
_UPLOAD_IDLE: Final = 120.0
#: Images of a page that are looked up at a time.
_LOOKUPS: Final = 8
#: Seconds without progress after which a node's pull is given up.
_PULL_IDLE: Final = 120.0
_PAGE: Final = 100
_ARCHITECTURES: Final = ("amd64", "arm64")


class ImageService(image_pb2_grpc.ImageServiceServicer):
    """Imports into the cluster's registry, looks at any, and has nodes pull.

    Args:
        default_registry: host and port of the cluster's own.
        spool: directory of the controller where imports are kept while they are made.
    """

    def __init__(
        self,
        cache: ClusterCache,
        registry: Registry,
        agents: Agents,
        default_registry: str,
        *,
        spool: Path = Path("/var/tmp"),
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._agents = agents
        self._default_registry = default_registry
        self._spool = spool
        # Compressing takes a core each; file work must not wait behind it.
        self._makers = ThreadPoolExecutor(2, thread_name_prefix="image-import")
        self._files = ThreadPoolExecutor(2, thread_name_prefix="image-spool")

    def close(self) -> None:
        """Let go of the threads."""
        self._makers.shutdown(wait=False, cancel_futures=True)
        self._files.shutdown(wait=False, cancel_futures=True)

    async def ImportImage(
        self, request_iterator: AsyncIterator[image_pb2.ImportImageRequest], context: _Context
    ) -> AsyncGenerator[image_pb2.ImportImageResponse, None]:
        """See image.proto. What is pushed last is the manifest: until then there is no image.

        gRPC shows a client that was cancelled, or that died, as one that has sent everything. Only an upload that says
        that it is complete is one.
        """
        requests = aiter(request_iterator)
        start = await _import_start(requests)
        reference = self._import_reference(start.reference)
        _check_image_config(start.config, reference)
        architecture = start.architecture or Platform.of_host().architecture
        if architecture not in _ARCHITECTURES:
            raise InvalidSpec(
                f'architecture "{architecture[:40]}" for image "{reference}" is not known '
                f"(use one of {', '.join(_ARCHITECTURES)})"
            )
        created = datetime.now(UTC)
        if start.HasField("created_at"):
            created = checked("the time of creation", start.created_at).ToDatetime(UTC)
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()
        with imports.Spool(self._spool, str(reference)) as spool:
            told = 0
            # A client that writes while its call is being refused may see an error of gRPC's own instead of ours.
            yield image_pb2.ImportImageResponse(received_bytes=told)
            async for data in _import_data(requests, reference):
                await loop.run_in_executor(self._files, spool.write, data)
                if spool.received - told >= _PROGRESS:
                    told = spool.received
                    yield image_pb2.ImportImageResponse(received_bytes=told)
            yield image_pb2.ImportImageResponse(received_bytes=spool.received)
            making = loop.run_in_executor(
                self._makers, imports.make_layer, spool, self._spool, str(reference), cancelled
            )
            try:
                layer = await asyncio.shield(making)
            except asyncio.CancelledError:
                # The thread reads the spool's file: it has to be out of there before that is closed.
                cancelled.set()
                with suppress(Exception):
                    (await making).close()
                raise
        with layer:
            made = imports.documents(
                start.config, architecture=architecture, created=created, layer=layer.blob, diff_id=layer.diff_id
            )
            await self._push(reference, layer, made)
        manifest = Descriptor(OCI_MANIFEST, made.digest, len(made.manifest), made.manifest)
        yield image_pb2.ImportImageResponse(image=self._image(reference, manifest, made.config))

    async def GetImage(self, request: image_pb2.GetImageRequest, context: _Context) -> image_pb2.Image:
        """See image.proto."""
        return await self._look_up(parse_reference(request.ref))

    async def ListImages(self, request: image_pb2.ListImagesRequest, context: _Context) -> image_pb2.ListImagesResponse:
        """See image.proto. A page's token is the name of its last image."""
        size = min(request.page_size or _PAGE, 1000)
        filters = parsed(request.filters, parse_image_filter)
        chosen = choosing.chosen(
            filters, {name: await self._look_up(parse_reference(name)) for name in choosing.named(filters)}
        )
        catalog = self._registry.catalog(self._default_registry)
        names = sorted([f"{name}:{tag}" async for name, tag in catalog if chosen.has_name(name, tag)])
        left = [name for name in names if name > request.page_token]
        at_once = asyncio.Semaphore(_LOOKUPS)

        async def look_up(name: str) -> image_pb2.Image | None:
            async with at_once:
                try:
                    return await self._look_up(parse_reference(name))
                except NotFound:
                    return None  # Deleted since the catalog was read; registries keep names of what is gone.
                except InvalidSpec:
                    # Something else than an image for this platform: it has a name, and no more can be said.
                    return image_pb2.Image(reference=name)

        found = await asyncio.gather(*(look_up(name) for name in left[:size]))
        return image_pb2.ListImagesResponse(
            images=[image for image in found if image is not None and chosen.has(image)],
            next_page_token=left[size - 1] if len(left) > size else "",
            selected=True,
        )

    async def PullImage(
        self, request: image_pb2.PullImageRequest, context: _Context
    ) -> AsyncGenerator[image_pb2.PullImageResponse, None]:
        """See image.proto. A node that can't is told of in `error`; the others go on."""
        reference = parse_reference(request.ref)
        nodes = self._nodes_to_pull(request)
        host = reference.registry or self._default_registry
        manifest = await self._registry.resolve(host, reference.repository, reference.target)
        asked = AgentPullRequest(repository=f"{host}/{reference.repository}", digest=manifest.digest)
        with self._agents.stream():
            answers: asyncio.Queue[image_pb2.PullImageResponse] = asyncio.Queue(4 * len(nodes))
            pulls = [
                asyncio.create_task(self._pull(node, asked, answers), name=f"pull-{node.id[:12]}") for node in nodes
            ]
            try:
                left = len(pulls)
                while left:
                    answer = await answers.get()
                    left -= answer.HasField("error")
                    yield answer
            finally:
                for pull in pulls:
                    pull.cancel()
                await asyncio.gather(*pulls, return_exceptions=True)

    async def _pull(
        self, node: NodeEntry, asked: AgentPullRequest, answers: asyncio.Queue[image_pb2.PullImageResponse]
    ) -> None:
        """Have one node pull; put what it tells, and last an answer with `error` set, whatever happens."""
        name = node_name(node)
        error = "was given up by a fault of Shoal's own (its log has the details)"
        try:
            error = await self._pulled(node, asked, answers)
        finally:
            await answers.put(image_pb2.PullImageResponse(node=name, error=error))

    async def _pulled(
        self, node: NodeEntry, asked: AgentPullRequest, answers: asyncio.Queue[image_pb2.PullImageResponse]
    ) -> str:
        action = f"{asked.repository} can't be pulled there"
        try:
            agent = self._agents.agent(node, action)
        except ShoalError as error:
            return error.message
        call = agent.stub.Pull(asked, metadata=trace_metadata(current_trace()))
        try:
            messages = aiter(call)
            while True:
                async with asyncio.timeout(_PULL_IDLE):
                    progress = await anext(messages, None)
                if progress is None:
                    return ""
                await answers.put(image_pb2.PullImageResponse(node=agent.name, progress=progress))
        except TimeoutError:
            return f"node {agent.name} tells no progress of {asked.repository} for {_PULL_IDLE:g} s"
        except grpc.aio.AioRpcError as failure:
            return agent.translated(failure, action).message
        finally:
            call.cancel()

    def _nodes_to_pull(self, request: image_pb2.PullImageRequest) -> list[NodeEntry]:
        if request.nodes:
            return list({node.id: node for node in map(self._cache.resolve_node, request.nodes)}.values())
        ready = [node for node in self._cache.nodes.values() if node.spec is not None and is_ready(node)]
        if not ready:
            raise Unavailable(f'image "{request.ref}" can\'t be pulled: no node is ready (shoal node ls shows them)')
        return sorted(ready, key=node_name)

    def _import_reference(self, text: str) -> Reference:
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidSpec(f'image "{text}" can\'t be given a digest: an import makes one (write NAME[:TAG])')
        if reference.registry not in ("", self._default_registry):
            raise InvalidSpec(
                f'image "{text}" names registry {reference.registry}, but imports go to the cluster\'s own '
                "(leave the registry out)"
            )
        return Reference("", reference.repository, reference.tag, "")

    async def _push(self, reference: Reference, layer: imports.Layer, made: imports.ImageDocuments) -> None:
        host, repository = self._default_registry, reference.repository
        await self._registry.push_blob(host, repository, layer.blob.digest, self._pieces(layer))
        await self._registry.push_blob(host, repository, made.config_blob.digest, _once(made.config))
        await self._registry.push_manifest(host, repository, reference.tag, made.manifest)

    async def _pieces(self, layer: imports.Layer) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        pieces = layer.pieces()
        while data := await loop.run_in_executor(self._files, next, pieces, b""):
            yield data

    async def _look_up(self, reference: Reference) -> image_pb2.Image:
        host = reference.registry or self._default_registry
        manifest = await self._registry.resolve(host, reference.repository, reference.target)
        config = await self._registry.config(host, reference.repository, manifest.body)
        return self._image(reference, manifest, config)

    def _image(self, reference: Reference, manifest: Descriptor, config: bytes) -> image_pb2.Image:
        name = f'image "{reference}"'
        parsed = parse_manifest(manifest.body, media_type=manifest.media_type, name=name)
        told = parse_config(config, name=name)
        if len(told.diff_ids) != len(parsed.layers):
            raise InvalidSpec(f"{name} has {len(parsed.layers)} layers and {len(told.diff_ids)} diff_ids")
        shown = reference if reference.registry != self._default_registry else _without_registry(reference)
        image = image_pb2.Image(
            reference=str(shown),
            digest=manifest.digest,
            config_digest=parsed.config.digest,
            size_bytes=parsed.size,
            config=told.config,
            architecture=told.platform.architecture,
            os=told.platform.os,
        )
        for layer, diff_id in zip(parsed.layers, told.diff_ids, strict=True):
            image.layers.add(digest=layer.digest, size_bytes=layer.size, media_type=layer.media_type, diff_id=diff_id)
        if told.created is not None:
            stamp = Timestamp()
            stamp.FromDatetime(told.created.astimezone(UTC))
            image.created_at.CopyFrom(stamp)
        return image


def _without_registry(reference: Reference) -> Reference:
    return Reference("", reference.repository, reference.tag, reference.digest)


def _check_image_config(config: image_pb2.ImageConfig, reference: Reference) -> None:
    """Check what is to be recorded in an image, by the rules of what a container may be told.

    Raises:
        InvalidSpec: it could not be run.
    """
    try:
        fields.image_config(config)
    except InvalidSpec as error:
        raise InvalidSpec(f'image "{reference}": {error.message}') from error


async def _import_start(requests: AsyncIterator[image_pb2.ImportImageRequest]) -> image_pb2.ImportImageStart:
    first = await _next_upload(requests)
    if first is None or first.WhichOneof("message") != "start":
        raise InvalidSpec("the first message of an import does not say which image to make (send start first)")
    return first.start


async def _import_data(
    requests: AsyncIterator[image_pb2.ImportImageRequest], reference: Reference
) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of an archive.

    Raises:
        Unavailable: the stream ended before the client said that all was sent.
        InvalidSpec: it told something else than it should.
    """
    while (request := await _next_upload(requests)) is not None:
        match request.WhichOneof("message"):
            case "data":
                yield request.data
            case "finished" if request.finished and await _next_upload(requests) is None:
                return
            case _:
                raise InvalidSpec(
                    f'the upload of image "{reference}" is out of order (send start once, data, then finished, and '
                    "close the stream)"
                )
    raise Unavailable(f'the upload of image "{reference}" broke off before all of it was sent (import it again)')


async def _next_upload(
    requests: AsyncIterator[image_pb2.ImportImageRequest],
) -> image_pb2.ImportImageRequest | None:
    try:
        async with asyncio.timeout(_UPLOAD_IDLE):
            return await anext(requests, None)
    except TimeoutError:
        raise Unavailable(f"the upload of an image brought nothing for {_UPLOAD_IDLE:g} s (send it again)") from None


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
