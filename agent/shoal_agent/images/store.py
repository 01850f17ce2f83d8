"""`Images`: the images of this node, and how they get here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple, Unpack

from shoal_agent.core.collecting import orphans
from shoal_agent.core.image_room import ImageStore, StoredImage
from shoal_agent.images.content import ContentStore
from shoal_agent.images.database import ImageDatabase, ImageRow
from shoal_agent.images.flights import Flights
from shoal_agent.images.pins import Pins
from shoal_agent.images.pull import PATIENCE, LayerPuller, LayerSource
from shoal_agent.images.snapshots import DirectorySnapshotter
from shoal_agent.images.unpack import UnpackLimits
from shoal_agent.paths import NodePaths
from shoal_common.errors import Exhausted, InvalidSpec, NotFound, ShoalError
from shoal_common.references import check_digest
from shoal_common.registry import Manifest, Platform, Registry, Retry, parse_config, parse_manifest
from shoal_common.registry.manifests import ParsedConfig
from shoal_proto.v1.image_pb2 import ImageConfig, PullProgress

#: Seconds between two tellings of how far a pull is.
_PROGRESS_EVERY: Final = 0.2

T = TypeVar("T")
A = TypeVarTuple("A")
OnProgress = Callable[[PullProgress], None]


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that is here, ready to be mounted.

    Attributes:
        digest: of the manifest, as it was asked for.
        config: how to run it.
        layers: unpacked layers as overlayfs takes them, lowest first, none twice.
        diff_ids: the image's own list of layers, lowest first.
    """

    digest: str
    config: ImageConfig
    layers: tuple[Path, ...]
    diff_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes:
        images: digests of their manifests.
        layers: digests of the uncompressed archives.
        bytes: of the layers, with their archives.
    """

    images: tuple[str, ...]
    layers: frozenset[str]
    bytes: int


class Images:
    """The images of one node.

    Args:
        paths: where the node keeps its things.
        registry: client of the registries.
        patience: how long a registry may be away in the middle of a layer.
        limits: what one layer may use.
        check_room: called with the least number of bytes that an image takes, and its name; raises if they don't fit.
    """

    def __init__(
        self,
        paths: NodePaths,
        registry: Registry,
        *,
        patience: Retry = PATIENCE,
        limits: UnpackLimits | None = None,
        check_room: Callable[[int, str], None] = lambda more, what: None,
    ) -> None:
        self._root = paths.images
        self._check_room = check_room
        self._registry = registry
        self._content = ContentStore(paths.images)
        self._snapshots = DirectorySnapshotter(paths.images)
        self._database = ImageDatabase(paths.images / "images.db")
        self._database_thread = ThreadPoolExecutor(1, thread_name_prefix="images-database")
        self._puller = LayerPuller(
            registry,
            self._content,
            self._snapshots,
            self._database,
            self._database_thread,
            patience=patience,
            limits=limits,
        )
        self._removals = ThreadPoolExecutor(1, thread_name_prefix="images-removal")
        self._pins = Pins()
        self._under_way: set[asyncio.Task[Removed]] = set()
        self._flights: Flights[str, LocalImage] = Flights("image")
        self._listeners: dict[str, list[OnProgress]] = {}
        self._images: dict[str, LocalImage] = {}
        self._configs: dict[str, str] = {}

    async def open(self) -> None:
        """Open the store, and remove whatever a process that died left half-made."""
        await self._in_thread(self._open)

    async def close(self) -> None:
        """Stop all pulls and close the store."""
        await self._flights.close()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._puller.close()
        await self._in_thread(self._database.close)
        self._database_thread.shutdown(wait=True)
        self._removals.shutdown(wait=True)

    def find(self, digest: str) -> LocalImage | None:
        """Return an image if all of it is here."""
        return self._images.get(digest)

    async def note_use(self, digest: str) -> None:
        """Note that a container begins or ends with an image: what was of use last is the last to go."""
        if (config := self._configs.get(digest)) is not None:
            await self._in_thread(self._content.note_use, config)

    async def stored(self) -> ImageStore:
        """Return what is here, and what it takes."""
        return await self._in_thread(self._stored)

    async def remove(self, digests: Collection[str], *, keep: Callable[[], Collection[str]]) -> Removed:
        """Remove images, and all that nobody needs then: layers that no image has, archives that no layer came from.

        Killed at any point it leaves what `open` puts right.

        Args:
            digests: of images; none: only what is left over. One that isn't here, or is being fetched, is passed over.
            keep: returns the digests of images that are in use, or are about to be. It is asked at the very moment from
                which on nobody finds what is removed: whoever wants it later has it fetched again.

        Raises:
            OSError, ShoalError: something could not be removed; what is left is removed with the next call.
        """
        removal = asyncio.create_task(self._remove(digests, keep), name="remove-images")
        self._under_way.add(removal)
        removal.add_done_callback(self._under_way.discard)
        # Who asked may go away in the middle of it.
        return await asyncio.shield(removal)

    async def _remove(self, digests: Collection[str], keep: Callable[[], Collection[str]]) -> Removed:
        async with self._pins.gate:
            pinned = self._pins.held
            spared = {*keep(), *pinned}
            going = [digest for digest in digests if digest not in spared and digest in self._images]
            before = {digest: (self._images.pop(digest), self._configs.pop(digest)) for digest in going}
            try:
                removed, blobs = await self._in_thread(self._drop, going, pinned)
            except ShoalError:
                for digest, (image, config) in before.items():
                    self._images[digest], self._configs[digest] = image, config
                raise
            self._puller.forget(removed.layers)
            graves = await self._in_thread(self._bury, removed.layers, blobs)
        await asyncio.get_running_loop().run_in_executor(self._removals, self._discard, graves)
        return removed

    def layers_of(self, diff_ids: Iterable[str]) -> tuple[Path, ...]:
        """Return the unpacked layers as overlayfs takes them, lowest first.

        overlayfs refuses a directory twice. Of a layer that an image has twice only the upper one counts: whatever
        the lower one has, the upper one has again, above everything in between.

        Raises:
            NotFound: a layer is not here.
        """
        once = list(dict.fromkeys(reversed(list(diff_ids))))
        for diff_id in once:
            if not self._puller.knows(diff_id):
                raise NotFound(f"layer {diff_id} is not on this node (pull its image again)")
        return tuple(self._snapshots.path(diff_id) for diff_id in reversed(once))

    async def ensure(self, repository: str, digest: str, *, on_progress: OnProgress | None = None) -> LocalImage:
        """Return an image, fetching what is missing of it; many may ask at the same time.

        Args:
            repository: with the registry, "host:port/name".
            digest: of the manifest (or of an index that has one for this node).
            on_progress: called in the event loop with how far the pull is.

        Raises:
            NotFound: the registry does not have it.
            Unavailable: the registry does not answer; another call may go further.
            InvalidSpec: it is malformed, not for this platform, or not what its digests say.
            Exhausted: the disk is full.
        """
        check_digest(digest)
        found = self._images.get(digest)
        if found is not None:
            if on_progress is not None:
                count = len(found.diff_ids)
                on_progress(PullProgress(digest=digest, layers=count, layers_done=count, done=True))
            return found
        listeners = self._listeners.setdefault(digest, [])
        if on_progress is not None:
            listeners.append(on_progress)
        try:
            return await self._flights.run(digest, lambda: self._pull(repository, digest))
        finally:
            if on_progress is not None:
                listeners.remove(on_progress)
            if not listeners and self._listeners.get(digest) is listeners:
                del self._listeners[digest]

    def _open(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._content.open()
        self._snapshots.open()
        self._database.open()
        rows = {row.diff_id for row in self._database.layers()}
        committed = self._snapshots.committed()
        for diff_id in committed - rows:
            self._snapshots.remove(diff_id)
        self._database.forget_layers(sorted(rows - committed))
        for diff_id in rows & committed:
            self._puller.know(diff_id)
        for image in self._database.images():
            config = self._content.read(image.config)
            # Without its configuration it can't run: the next pull fetches that again, and only that.
            if config is not None:
                parsed = parse_config(config, name=f"image {image.digest}")
                self._images[image.digest] = self._local(image.digest, parsed)
                self._configs[image.digest] = image.config

    def _drop(self, going: Collection[str], pinned: Collection[str]) -> tuple[Removed, set[str]]:
        """Take images out of the database, and return what is to go with them: layers, and blobs.

        The database is first: what it does not name is no part of the store, and goes with the next call or `open`.
        """
        kept = [image for image in self._database.images() if image.digest not in going]
        rows = {row.diff_id: row for row in self._database.layers()}
        layers = orphans({*rows, *self._snapshots.committed()}, (image.diff_ids for image in kept), pinned)
        gone = [rows[layer] for layer in layers if layer in rows]
        size = sum(row.size_bytes + self._content.size(row.blob) for row in gone)
        needed = {row.blob for row in rows.values() if row.diff_id not in layers}
        needed.update(*((image.digest, image.config) for image in kept), pinned)
        try:
            self._database.remove(going, layers)
        except Exhausted:
            # To write that down takes room as well; an archive may go before.
            self._bury((), {row.blob for row in gone} - needed)
            self._database.remove(going, layers)
        return Removed(tuple(going), frozenset(layers), size), self._content.digests() - needed

    def _bury(self, layers: Iterable[str], blobs: Iterable[str]) -> list[Path]:
        """Take layers out of sight, and return where they are; remove blobs."""
        for digest in sorted(blobs):
            self._content.remove(digest)
        return [grave for layer in sorted(layers) if (grave := self._snapshots.bury(layer)) is not None]

    def _discard(self, graves: Iterable[Path]) -> None:
        for grave in graves:
            self._snapshots.discard(grave)

    def _stored(self) -> ImageStore:
        repositories = self._database.repositories()
        images = (
            StoredImage(
                digest=image.digest,
                repository=repositories.get(image.digest, ""),
                layers=frozenset(image.diff_ids),
                used_at=self._content.used_at(image.config),
            )
            for image in self._database.images()
        )
        layers = {row.diff_id: row.size_bytes + self._content.size(row.blob) for row in self._database.layers()}
        return ImageStore(tuple(images), layers)

    async def _pull(self, repository: str, digest: str) -> LocalImage:
        host, _, name = repository.partition("/")
        if not name:
            raise InvalidSpec(f'image repository "{repository}" names no registry')
        image = f'image "{name}@{digest}"'
        self._check_room(0, image)
        async with self._pins.hold([digest]):
            body = await self._manifest(host, name, digest)
            manifest = parse_manifest(body, name=image)
            async with self._pins.hold([manifest.config.digest, *(blob.digest for blob in manifest.layers)]):
                config = await self._config(host, name, body, manifest, image)
                if len(config.diff_ids) != len(manifest.layers):
                    raise InvalidSpec(
                        f"{image} has {len(manifest.layers)} layers, its configuration {len(config.diff_ids)}"
                    )
                _check_platform(config.platform, image)
                sources = [
                    LayerSource(host, name, blob, diff_id)
                    for blob, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
                ]
                async with self._pins.hold(config.diff_ids):
                    return await self._pull_image(digest, repository, manifest, config, sources, image)

    async def _pull_image(
        self,
        digest: str,
        repository: str,
        manifest: Manifest,
        config: ParsedConfig,
        sources: Sequence[LayerSource],
        image: str,
    ) -> LocalImage:
        # The archives are kept beside what they unpack to, which is no smaller.
        missing = {source.blob.digest: source.blob.size for source in sources if not self._puller.knows(source.diff_id)}
        if missing:
            self._check_room(2 * sum(missing.values()), image)
        await self._pull_layers(digest, sources)
        row = ImageRow(digest, manifest.config.digest, config.diff_ids)
        await self._in_thread(self._database.add_image, row, repository)
        local = self._local(digest, config)
        self._images[digest], self._configs[digest] = local, manifest.config.digest
        await self.note_use(digest)
        self._tell(digest, self._progress(digest, sources, done=True))
        return local

    async def _pull_layers(self, digest: str, sources: Sequence[LayerSource]) -> None:
        telling = asyncio.create_task(self._tell_often(digest, sources), name=f"progress of {digest}")
        try:
            async with asyncio.TaskGroup() as group:
                for source in dict.fromkeys(sources):
                    group.create_task(self._puller.ensure(source), name=f"wait for {source.blob.digest}")
        except BaseExceptionGroup as errors:
            # One layer's error says it; the others were cancelled because of it.
            raise errors.exceptions[0] from None
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    async def _manifest(self, host: str, name: str, digest: str) -> bytes:
        body = await self._in_thread(self._content.read, digest)
        if body is None:
            found = await self._registry.resolve(host, name, digest)
            await self._in_thread(self._content.put, found.digest, found.body)
            body = found.body
        return body

    async def _config(self, host: str, name: str, body: bytes, manifest: Manifest, image: str) -> ParsedConfig:
        config = await self._in_thread(self._content.read, manifest.config.digest)
        if config is None:
            config = await self._registry.config(host, name, body)
            await self._in_thread(self._content.put, manifest.config.digest, config)
        return parse_config(config, name=image)

    def _local(self, digest: str, config: ParsedConfig) -> LocalImage:
        return LocalImage(digest, config.config, self.layers_of(config.diff_ids), config.diff_ids)

    async def _tell_often(self, digest: str, sources: Sequence[LayerSource]) -> None:
        last: PullProgress | None = None
        while True:
            progress = self._progress(digest, sources, done=False)
            if progress != last:
                self._tell(digest, progress)
                last = progress
            await asyncio.sleep(_PROGRESS_EVERY)

    def _progress(self, digest: str, sources: Sequence[LayerSource], *, done: bool) -> PullProgress:
        here = [self._puller.knows(source.diff_id) for source in sources]
        return PullProgress(
            digest=digest,
            total_bytes=sum(source.blob.size for source in sources),
            fetched_bytes=sum(
                source.blob.size if known else self._puller.fetched.get(source.blob.digest, 0)
                for source, known in zip(sources, here, strict=True)
            ),
            layers=len(sources),
            layers_done=sum(here),
            done=done,
        )

    def _tell(self, digest: str, progress: PullProgress) -> None:
        for listener in tuple(self._listeners.get(digest, ())):
            listener(progress)

    async def _in_thread(self, work: Callable[[Unpack[A]], T], *args: *A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database_thread, work, *args)


def _check_platform(platform: Platform, image: str) -> None:
    host = Platform.of_host()
    if (platform.os or host.os, platform.architecture or host.architecture) != (host.os, host.architecture):
        raise InvalidSpec(f"{image} is made for {platform}, this node is {host}")
