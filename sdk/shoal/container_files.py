"""Files of containers: what `cluster.containers` does with them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from shoal.transport import Transport
from shoal_common.errors import InvalidSpec, Unavailable
from shoal_common.ids import DEFAULT_NAMESPACE, check_name
from shoal_common.references import parse_reference
from shoal_proto.v1.container_pb2 import CommitRequest, ContainerRef, DiffRequest, ExportRequest, FileChange, PathInfo
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub


class ContainerFiles:
    """The part of `Containers` that is about files; containers need not run for it.

    What reads and writes archives is loaded when it is needed.

    Paths in a container are absolute, or below its root; links lead nowhere but to what is in the container.
    """

    def __init__(self, transport: Transport, *, namespace: str = DEFAULT_NAMESPACE) -> None:
        self._transport = transport
        self._namespace = namespace

    def _ref(self, ref: str) -> ContainerRef:
        if not ref:
            raise InvalidSpec("the name of a container can't be empty (give a name, an id or the beginning of one)")
        check_name("container", ref[:12] if len(ref) == 64 else ref)
        return ContainerRef(namespace=self._namespace, ref=ref)

    async def stat_path(self, ref: str, path: str) -> PathInfo:
        """Return what a path of a container is. A link is not followed; where it leads is said.

        Raises:
            NotFound: there is no such container, or no such path in it.
            Conflict: nothing of it is on a node yet.
            Unavailable: its node does not answer.
        """
        from shoal import copying

        return await copying.stat_path(self._transport, self._ref(ref), path)

    async def copy_from(
        self,
        ref: str,
        source: str,
        target: Path | str,
        *,
        follow_link: bool = False,
        keep_ids: bool = False,
    ) -> int:
        """Copy a file or a directory of a container to this machine, as `docker cp` does; return the bytes of the tar.

        Args:
            ref: the container.
            source: path in it; a directory that ends in "/." means what is in it.
            target: a directory to copy into, or what the copy is to be.
            follow_link: if the path is a link, copy what it leads to.
            keep_ids: give files the numbers of owner and group that they have in the container (as root); else yours,
                without what would give your rights to whoever executes them (setuid, setgid, capabilities).

        Raises:
            NotFound: a path is not there.
            Conflict: a directory and a file would have to change places, or a file became shorter meanwhile.
            Exhausted: the disk here is full.
            Unavailable: it was cut off; what was copied whole stays.
        """
        from shoal import copying

        return await copying.copy_from(
            self._transport,
            self._ref(ref),
            source,
            os.fspath(target),
            follow_link=follow_link,
            keep_ids=keep_ids,
        )

    async def copy_to(
        self,
        ref: str,
        source: Path | str,
        target: str,
        *,
        follow_link: bool = False,
        keep_ids: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Copy a file or a directory of this machine into a container, as `docker cp` does; return the tar's bytes.

        Each file is there whole or not at all, at every moment.

        Args:
            ref: the container.
            source: what to copy; a directory that ends in "/." means what is in it.
            target: a directory in the container to copy into, or what the copy is to be.
            follow_link: if `source` is a link, copy what it leads to.
            keep_ids: give files the numbers of owner and group that they have here; else the container's root has them.
            on_progress: told how many bytes of the tar the container's node has taken.

        Raises:
            NotFound: a path is not there.
            Conflict: a directory and a file would have to change places, or the target is read-only.
            Exhausted: the node's disk is full.
            Unavailable: it was cut off; what was copied whole stays.
        """
        from shoal import copying

        return await copying.copy_to(
            self._transport,
            self._ref(ref),
            source,
            target,
            follow_link=follow_link,
            keep_ids=keep_ids,
            on_progress=on_progress,
        )

    async def read_archive(self, ref: str, path: str, *, follow_link: bool = False) -> AsyncGenerator[bytes, None]:
        """Yield a file or a directory of a container as a tar, piece by piece; errors as `copy_from`.

        It is whole only once this has ended without an error.
        """
        from shoal import copying

        responses = copying.read_archive(self._transport, self._ref(ref), path, follow_link=follow_link)
        async with aclosing(responses):
            async for response in responses:
                if response.data:
                    yield response.data

    async def write_archive(
        self,
        ref: str,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        keep_ids: bool = True,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Unpack a tar in a directory of a container; return its bytes. Errors and arguments as in `copy_to`.

        Raises:
            InvalidSpec: it is no tar, or it ends too early.
        """
        from shoal import copying

        return await copying.write_archive(
            self._transport, self._ref(ref), path, pieces, keep_ids=keep_ids, on_progress=on_progress
        )

    async def diff(self, ref: str) -> AsyncGenerator[FileChange, None]:
        """Yield what a container has changed of its image: each directory before what is in it.

        Raises:
            Conflict: nothing of it is on a node yet.
            Unavailable: its node does not answer.
        """
        request = DiffRequest(container=self._ref(ref))
        from shoal import copying

        stream = copying.begun_once(
            self._transport, lambda channel: ContainerServiceStub(channel).DiffContainer, request
        )
        async with aclosing(stream) as responses:
            async for response in responses:
                for change in response.changes:
                    yield change

    async def export(self, ref: str) -> AsyncGenerator[bytes, None]:
        """Yield the whole root file system of a container as a tar, without what is mounted in it; errors as `diff`.

        It is whole only once this has ended without an error.
        """
        request = ExportRequest(container=self._ref(ref))
        from shoal import copying

        stream = copying.begun_once(
            self._transport, lambda channel: ContainerServiceStub(channel).ExportContainer, request
        )
        async with aclosing(stream) as responses:
            async for response in responses:
                yield response.data

    async def commit(
        self,
        ref: str,
        image: str,
        *,
        author: str = "",
        message: str = "",
        pause: bool = True,
        changes: Iterable[str] = (),
        on_progress: Callable[[int], None] | None = None,
    ) -> str:
        """Make an image of a container's image and what it has changed, put it into the registry; return its digest.

        It is run as the container was. What is mounted in the container is no part of it. It is safe to begin again.

        Args:
            ref: the container.
            image: name for the image, such as "web:fixed".
            author: who made it.
            message: what it is.
            pause: freeze the container's processes while its files are read.
            changes: how else it is run, as in a Dockerfile: 'CMD ["x"]', "ENV A=b".
            on_progress: told how many bytes of the new layer are there.

        Raises:
            InvalidSpec: `image` or a change is not valid.
            Conflict: nothing of the container is on a node yet.
            Exhausted: the node's disk is full.
            Unavailable: its node, or the registry, does not answer.
        """
        parse_reference(image)
        request = CommitRequest(
            container=self._ref(ref),
            reference=image,
            author=author,
            message=message,
            pause=pause,
            changes=list(changes),
        )
        from shoal import copying

        stream = copying.begun_once(
            self._transport, lambda channel: ContainerServiceStub(channel).CommitContainer, request
        )
        async with aclosing(stream) as responses:
            async for response in responses:
                if response.digest:
                    return response.digest
                if on_progress is not None:
                    on_progress(response.bytes)
        raise Unavailable(f'the commit of container "{ref}" ended without an answer (commit it again)')
