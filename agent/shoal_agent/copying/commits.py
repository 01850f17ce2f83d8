"""What a container has changed, as a layer: packed while its processes are frozen, then pushed while they run on."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import IO, Final

from isal import isal_zlib

from shoal_agent.copying.entrances import Entrances
from shoal_agent.copying.jobs import Job
from shoal_agent.disk import Disk
from shoal_agent.kernel_work import finished
from shoal_common.errors import Exhausted, InvalidSpec
from shoal_common.registry import Registry
from shoal_common.registry.manifests import OCI_LAYER_GZIP
from shoal_proto.v1.agent_pb2 import AgentCommitRequest, AgentCommitResponse
from shoal_proto.v1.image_pb2 import Layer

log = logging.getLogger(__name__)

_LEVEL: Final = 2
_PIECE: Final = 1 << 20
#: Bytes between two messages of how far it is.
_PROGRESS: Final = 4 << 20


class _Packed:
    """A layer in a file without a name: no crash leaves it behind."""

    def __init__(self, directory: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by close)
        self._plain = hashlib.sha256()
        # 16 + 15: a gzip header with no name and no time in it.
        self._compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Compress and keep a piece of the tar. Blocking."""
        self._plain.update(data)
        self._keep(self._compressor.compress(data))

    def finish(self) -> Layer:
        """Return what the layer is."""
        self._keep(self._compressor.flush())
        return Layer(
            digest=f"sha256:{self._digest.hexdigest()}",
            size_bytes=self.size,
            media_type=OCI_LAYER_GZIP,
            diff_id=f"sha256:{self._plain.hexdigest()}",
        )

    def rewind(self) -> None:
        """Begin to read. Blocking."""
        self._file.seek(0)

    def read(self) -> bytes:
        """Return the next piece of what was kept. Blocking."""
        return self._file.read(_PIECE)

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def _keep(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise Exhausted(f"no room on its node for the layer: {error.strerror}") from error
        self._digest.update(data)
        self.size += len(data)


class Commits:
    """Makes layers of this node's containers.

    Args:
        directory: where layers are kept until they are pushed.
    """

    def __init__(self, entrances: Entrances, registry: Registry, disk: Disk, directory: Path) -> None:
        self._entrances = entrances
        self._registry = registry
        self._disk = disk
        self._directory = directory
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="shoal-commit")

    def close(self) -> None:
        """End its threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def commit(self, request: AgentCommitRequest) -> AsyncGenerator[AgentCommitResponse, None]:
        """Push what a container has changed; yield how many bytes that is so far, and last the layer.

        Raises:
            Exhausted: the node's disk is full.
            Unavailable: the registry does not answer.
        """
        host, slash, repository = request.repository.partition("/")
        if not slash or not host or not repository:
            raise InvalidSpec("a commit was not told where its layer goes")
        self._disk.check(f"the layer of container {request.container.id[:12]}")
        packed = await self._run_new()
        try:
            told = 0
            async with aclosing(self._pack(request, packed)) as sizes:
                async for size in sizes:
                    if size - told >= _PROGRESS:
                        told = size
                        yield AgentCommitResponse(bytes=size)
            layer = await finished(self._executor, packed.finish)
            yield AgentCommitResponse(bytes=layer.size_bytes)
            await finished(self._executor, packed.rewind)
            await self._registry.push_blob(host, repository, layer.digest, self._read(packed))
            yield AgentCommitResponse(bytes=layer.size_bytes, layer=layer)
        finally:
            packed.close()

    async def _run_new(self) -> _Packed:
        return await finished(self._executor, lambda: _Packed(self._directory))

    async def _pack(self, request: AgentCommitRequest, packed: _Packed) -> AsyncGenerator[int, None]:
        async with (
            self._entrances.writable(request.container, frozen=request.pause) as entrance,
            Job(entrance, do="layer") as job,
        ):
            await job.said()
            async with aclosing(job.output()) as pieces:
                async for data in pieces:
                    await finished(self._executor, lambda data=data: packed.add(data))  # type: ignore[misc]
                    yield packed.size
            await job.said()

    async def _read(self, packed: _Packed) -> AsyncIterator[bytes]:
        while data := await finished(self._executor, packed.read):
            yield data
