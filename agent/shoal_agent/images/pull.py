"""Fetching one layer: download, both hashes, decompress and unpack in one pass, then make it durable.

    registry -> sha256 of the compressed bytes -> ingest file -> pipe -> confined process (decompress, diff_id, files)

A layer is known only when both digests matched, its files are synced, its directory is renamed into place and its row
is in the database, in this order; whatever a crash leaves of it before that, the next `open` removes.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from shoal_agent.images.content import ContentStore, Ingest
from shoal_agent.images.database import ImageDatabase, LayerRow
from shoal_agent.images.flights import Flights
from shoal_agent.images.snapshots import Snapshotter
from shoal_agent.images.unpack import Unpacked, Unpacker, UnpackLimits
from shoal_common.errors import Exhausted, InvalidSpec
from shoal_common.registry import Descriptor, Registry, Retry
from shoal_common.registry.transport import TryAgain, unavailable

#: Layers that are fetched and unpacked at the same time, whatever their images.
PARALLEL_LAYERS: Final = 4
#: While a layer is under way a registry may be away for this long; each byte that comes starts it anew.
PATIENCE: Final = Retry(attempts=8, first=0.2, longest=5.0)
#: Bytes read at once from a blob that is here already.
_READ: Final = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerSource:
    """Where a layer comes from and what it must be.

    Attributes:
        host: the registry, "host:port".
        blob: what the manifest says of the compressed archive.
        diff_id: what the configuration says of the uncompressed one.
    """

    host: str
    repository: str
    blob: Descriptor
    diff_id: str

    def __str__(self) -> str:
        return f'layer {self.blob.digest} of image "{self.repository}" from registry {self.host}'


class _GroupSync:
    """Syncs the file system once for all who ask while an earlier sync is under way."""

    def __init__(self, sync: Callable[[], None], threads: ThreadPoolExecutor) -> None:
        self._sync = sync
        self._threads = threads
        self._lock = asyncio.Lock()
        self._started = 0
        self._completed = 0

    async def __call__(self) -> None:
        # Only a sync that starts after this moment covers what the caller wrote.
        wanted = self._started + 1
        async with self._lock:
            if self._completed >= wanted:
                return
            self._started += 1
            number = self._started
            await asyncio.get_running_loop().run_in_executor(self._threads, self._sync)
            self._completed = number


class LayerPuller:
    """Fetches layers, each once however many ask.

    Args:
        database_thread: the one thread that uses `database`.
        patience: how often a broken download goes on.
    """

    def __init__(
        self,
        registry: Registry,
        content: ContentStore,
        snapshots: Snapshotter,
        database: ImageDatabase,
        database_thread: ThreadPoolExecutor,
        *,
        patience: Retry = PATIENCE,
        limits: UnpackLimits | None = None,
    ) -> None:
        self._registry = registry
        self._content = content
        self._snapshots = snapshots
        self._database = database
        self._database_thread = database_thread
        self._patience = patience
        self._disk = ThreadPoolExecutor(PARALLEL_LAYERS + 2, thread_name_prefix="images-disk")
        # A write to a pipe waits for the unpacking: that must not keep others from the disk.
        self._pipes = ThreadPoolExecutor(PARALLEL_LAYERS, thread_name_prefix="images-pipes")
        self._unpacker = Unpacker(self._pipes, limits=limits)
        self._sync = _GroupSync(snapshots.sync, self._disk)
        self._room = asyncio.Semaphore(PARALLEL_LAYERS)
        self._flights: Flights[tuple[str, str], None] = Flights("layer")
        self._known: set[str] = set()
        #: Bytes fetched of the layers under way, by digest of the blob.
        self.fetched: dict[str, int] = {}

    def know(self, diff_id: str) -> None:
        """Take a layer as unpacked: the database has it and so has the disk."""
        self._known.add(diff_id)

    def forget(self, diff_ids: Iterable[str]) -> None:
        """Take layers as gone."""
        self._known.difference_update(diff_ids)

    def knows(self, diff_id: str) -> bool:
        """Say whether a layer is unpacked."""
        return diff_id in self._known

    async def ensure(self, source: LayerSource) -> None:
        """Return once the layer is unpacked and durable.

        Raises:
            NotFound: the registry does not have it.
            Unavailable: the registry does not answer.
            InvalidSpec: its bytes are not what the digests say, or no layer.
            Exhausted: the disk is full.
        """
        if source.diff_id in self._known:
            return
        # By both digests: an image that lies about a diff_id must not fail another that has the real one.
        await self._flights.run((source.blob.digest, source.diff_id), lambda: self._pull(source))

    async def close(self) -> None:
        """Stop what is under way; nothing half-made stays."""
        await self._flights.close()
        self._disk.shutdown(wait=True)
        self._pipes.shutdown(wait=True)

    async def _pull(self, source: LayerSource) -> None:
        async with self._room:
            if source.diff_id in self._known:
                return
            try:
                await self._fetch_and_unpack(source)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise Exhausted(f"no room on this node for {source} (free some disk space)") from error
                raise
            finally:
                self.fetched.pop(source.blob.digest, None)

    async def _fetch_and_unpack(self, source: LayerSource) -> None:
        local = await self._on_disk(lambda: self._content.has(source.blob.digest))
        prepared = await self._on_disk(self._snapshots.prepare)
        try:
            ingest = await self._on_disk(self._content.ingest)
            try:
                unpacked = await self._stream(source, prepared, ingest, local=local)
                if unpacked.diff_id != source.diff_id:
                    raise InvalidSpec(f"{source} unpacks to {unpacked.diff_id}, its image says {source.diff_id}")
                if not local:
                    await self._on_disk(lambda: ingest.commit(source.blob.digest, what=str(source)))
            finally:
                await self._cleared(ingest.discard)
            await self._sync()
            await self._on_disk(lambda: self._snapshots.commit(prepared, source.diff_id, opaque=unpacked.opaque))
        finally:
            await self._cleared(lambda: self._snapshots.discard(prepared))
        row = LayerRow(source.diff_id, source.blob.digest, unpacked.size, unpacked.inodes, len(unpacked.implied))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._database_thread, self._database.add_layer, row)
        self._known.add(source.diff_id)

    async def _stream(self, source: LayerSource, prepared: Path, ingest: Ingest, *, local: bool) -> Unpacked:
        pieces = self._from_disk(source) if local else self._from_registry(source, ingest)
        async with self._unpacker.unpack(prepared, str(source)) as unpacking, aclosing(pieces):
            async for piece in pieces:
                await unpacking.write(piece)
            return await unpacking.finish()

    async def _from_disk(self, source: LayerSource) -> AsyncGenerator[bytes, None]:
        """Yield a blob that was fetched before (its layer was lost, or is shared under another diff_id)."""
        file = await self._on_disk(lambda: self._content.path(source.blob.digest).open("rb", buffering=0))
        try:
            while piece := await self._on_disk(lambda: file.read(_READ)):
                yield piece
        finally:
            file.close()

    async def _from_registry(self, source: LayerSource, ingest: Ingest) -> AsyncGenerator[bytes, None]:
        """Yield a blob as it comes, hashed and written; goes on where it broke; ends only if the digest is right."""
        waits = self._patience.waits()
        size = source.blob.size
        while True:
            before = ingest.size
            try:
                async with self._registry.blob(
                    source.host, source.repository, source.blob.digest, offset=ingest.size
                ) as pieces:
                    async for piece in pieces:
                        if ingest.size + len(piece) > size:
                            raise InvalidSpec(f"{source} is larger than the {size} bytes that its image says")
                        await self._on_disk(lambda piece=piece: ingest.write(piece))  # type: ignore[misc]
                        self.fetched[source.blob.digest] = ingest.size
                        yield piece
                if ingest.size < size:
                    raise TryAgain("the connection broke")
            except TryAgain as failure:
                if ingest.size > before:
                    waits = self._patience.waits()
                wait = next(waits, None)
                if wait is None:
                    what = f'layer {source.blob.digest} of image "{source.repository}"'
                    raise unavailable(source.host, what, failure.cause) from failure
                await asyncio.sleep(max(wait, failure.wait))
                continue
            break
        if ingest.digest != source.blob.digest:
            raise InvalidSpec(f"{source} has the digest {ingest.digest}: its bytes were changed (push the image again)")

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    async def _cleared(self, work: Callable[[], None]) -> None:
        """Run a clean-up to its end, also when this task is being cancelled."""
        await asyncio.shield(self._on_disk(work))
