"""`Registry`: what the daemons ask of an OCI registry.

Source: OCI distribution specification 1.1 (https://github.com/opencontainers/distribution-spec).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.references import is_digest
from shoal_common.registry import manifests
from shoal_common.registry.manifests import Descriptor, Platform
from shoal_common.registry.retry import Retry
from shoal_common.registry.transport import Transport, read, refusal
from shoal_common.registry.uploads import Upload
from shoal_common.rpc_client import TlsFiles

_ACCEPT: Final = ", ".join(manifests.MANIFEST_TYPES + manifests.INDEX_TYPES)
#: Names per page of a list.
PAGE: Final = 200
#: Bytes read from a file at once when it is pushed.
_READ: Final = 1 << 20


def image_name(repository: str, target: str) -> str:
    """Return how errors call an image: `image "web:3"`."""
    return f'image "{repository}{"@" if is_digest(target) else ":"}{target}"'


class Registry:
    """Client of any number of registries.

    All methods take the registry as "host:port". Calls that fail with a broken connection, 429 or 5xx are tried
    again. All raise Unavailable if the registry does not answer, Unauthenticated and PermissionDenied as it says.

    Args:
        insecure: registries that serve plain HTTP.
        own: registries of the cluster itself, and what to show them: mutual TLS with the cluster's authority.
        platform: which image of an index is meant; the host's own by default.
        retry: how calls are tried again.
    """

    def __init__(
        self,
        *,
        insecure: Collection[str] = (),
        own: Mapping[str, TlsFiles] | None = None,
        platform: Platform | None = None,
        retry: Retry | None = None,
    ) -> None:
        self._transport = Transport(insecure=insecure, own=own or {}, retry=retry or Retry())
        self._platform = platform or Platform.of_host()
        self._files = ThreadPoolExecutor(2, thread_name_prefix="registry-files")

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
        self._files.shutdown(wait=False)

    async def resolve(self, host: str, repository: str, target: str) -> Descriptor:
        """Return the image manifest that a tag or digest means, with its bytes, verified.

        An index is followed to the manifest for this client's platform: that one's digest is returned.

        Raises:
            NotFound: there is no such image.
            InvalidSpec: what is there is not an image for this platform, or not what the digest says.
        """
        name = image_name(repository, target)
        found = await self._manifest(host, repository, target, name)
        if found.media_type in manifests.INDEX_TYPES:
            chosen = manifests.choose_platform(found.body, self._platform, media_type=found.media_type, name=name)
            found = await self._manifest(host, repository, chosen.digest, name)
        manifests.parse_manifest(found.body, media_type=found.media_type, name=name)
        return found

    async def config(self, host: str, repository: str, manifest: bytes) -> bytes:
        """Return the image configuration that a manifest names, verified.

        Raises:
            NotFound: the registry has lost it.
            InvalidSpec: the manifest is malformed, or the bytes are not what the digest says.
        """
        wanted = manifests.parse_manifest(manifest, name=f'image "{repository}"').config
        if wanted.size > manifests.MAX_CONFIG:
            raise InvalidSpec(f'configuration of image "{repository}" is larger than {manifests.MAX_CONFIG} bytes')
        what = f'configuration {wanted.digest} of image "{repository}"'

        async def attempt() -> bytes:
            body = bytearray()
            async with self.blob(host, repository, wanted.digest) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > wanted.size:
                        break
            return bytes(body)

        body = await self._transport.retried(host, what, attempt)
        if len(body) != wanted.size or _sha256(body) != wanted.digest:
            raise InvalidSpec(f"{what} has other bytes in registry {host} than its digest says (push the image again)")
        return body

    @asynccontextmanager
    async def blob(
        self, host: str, repository: str, digest: str, *, offset: int = 0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a blob from byte `offset` on; yields an iterator of pieces. The caller verifies the bytes.

        Nothing is retried here: the caller knows how far it came. It catches TryAgain, also while it reads.

        Raises:
            NotFound: there is no such blob in this repository.
            TryAgain: the connection failed or the registry is busy.
        """
        what = f'layer {digest} of image "{repository}"'
        url = self._transport.url(host, f"{repository}/blobs/{digest}")
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._transport.request("GET", url, headers=headers) as response:
            if response.status not in (200, 206):
                raise await refusal(response, host, what)
            skip = offset if response.status == 200 else 0
            if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise InvalidSpec(f"registry {host} sends another part of {what} than was asked for")
            yield _pieces(response, skip)

    async def has_blob(self, host: str, repository: str, digest: str) -> bool:
        """Say whether a repository has a blob."""
        url = self._transport.url(host, f"{repository}/blobs/{digest}")
        what = f'layer {digest} of image "{repository}"'

        async def attempt() -> bool:
            async with self._transport.request("HEAD", url) as response:
                if response.status not in (200, 404):
                    raise await refusal(response, host, what)
                return response.status == 200

        return await self._transport.retried(host, what, attempt)

    async def push_blob(
        self, host: str, repository: str, digest: str | None, source: AsyncIterator[bytes] | Path
    ) -> tuple[str, int]:
        """Push a blob in pieces; return its digest and size in bytes.

        Args:
            digest: what the bytes must hash to; None if that is only known once they have all been seen. With one,
                nothing is sent (and 0 returned as size for an iterator) if the repository has the blob already.
            source: a file, or pieces of any length.

        Raises:
            InvalidSpec: the bytes have another digest; nothing is stored then.
        """
        what = f'layer {digest or "(new)"} of image "{repository}"'
        if digest is not None and await self.has_blob(host, repository, digest):
            return digest, source.stat().st_size if isinstance(source, Path) else 0
        pieces = self._read_file(source) if isinstance(source, Path) else source
        return await Upload(self._transport, host, repository, what).push(pieces, digest=digest)

    async def copy_blob(
        self, host: str, repository: str, digest: str, *, source_host: str, source_repository: str
    ) -> None:
        """Have a blob of another repository, of this registry or another one, in a repository as well.

        Raises:
            NotFound: the source has no such blob.
        """
        if await self.has_blob(host, repository, digest):
            return
        what = f'layer {digest} of image "{source_repository}"'
        if host == source_host and await self._mount(host, repository, digest, source_repository, what):
            return

        async def attempt() -> None:
            async with self.blob(source_host, source_repository, digest) as pieces:
                await self.push_blob(host, repository, digest, pieces)

        await self._transport.retried(source_host, what, attempt)

    async def _mount(self, host: str, repository: str, digest: str, source: str, what: str) -> bool:
        """Have the registry take a blob over from another repository; False if it doesn't."""
        url = self._transport.url(host, f"{repository}/blobs/uploads/").update_query({"mount": digest, "from": source})

        async def attempt() -> bool:
            async with self._transport.request("POST", url, headers={"Content-Length": "0"}) as response:
                if response.status not in (201, 202):
                    raise await refusal(response, host, what)
                # 202: it wants to be sent the bytes, and forgets the upload that it has begun when nothing comes.
                return response.status == 201

        return await self._transport.retried(host, what, attempt)

    async def push_manifest(
        self, host: str, repository: str, target: str, body: bytes, *, media_type: str = manifests.OCI_MANIFEST
    ) -> str:
        """Put a manifest under a tag (or its digest); return its digest.

        Raises:
            InvalidSpec: the registry does not take it (a layer is missing, say), or stored something else.
        """
        name = image_name(repository, target)
        url = self._transport.url(host, f"{repository}/manifests/{target}")
        digest = _sha256(body)

        async def attempt() -> None:
            async with self._transport.request("PUT", url, headers={"Content-Type": media_type}, data=body) as response:
                if response.status != 201:
                    raise await refusal(response, host, name)
                stored = response.headers.get("Docker-Content-Digest", digest)
                if stored != digest:
                    raise InvalidSpec(f"registry {host} stored {name} as {stored[:80]}, not as {digest}")

        await self._transport.retried(host, name, attempt)
        return digest

    async def catalog(self, host: str) -> AsyncIterator[tuple[str, str]]:
        """Yield (repository, tag) of all images of a registry, page by page."""
        async for repository in self._listed(host, "_catalog", "repositories", f"catalog of {host}"):
            try:
                async for tag in self._listed(host, f"{repository}/tags/list", "tags", f'image "{repository}"'):
                    yield repository, tag
            except NotFound:
                # The last tag went, or the repository, while the list was being read.
                continue

    async def _manifest(self, host: str, repository: str, target: str, name: str) -> Descriptor:
        url = self._transport.url(host, f"{repository}/manifests/{target}")

        async def attempt() -> Descriptor:
            async with self._transport.request("GET", url, headers={"Accept": _ACCEPT}) as response:
                if response.status == 404:
                    reference = repository if is_digest(target) else f"{repository}:{target}"
                    remedy = f"import it with: shoal image import {reference} FILE"
                    raise NotFound(f"{name} not found in registry {host} ({remedy})")
                if response.status != 200:
                    raise await refusal(response, host, name)
                body = await _read_whole(response, manifests.MAX_MANIFEST, f"manifest of {name}")
                return Descriptor(response.content_type, _sha256(body), len(body), body)

        found = await self._transport.retried(host, name, attempt)
        if is_digest(target) and found.digest != target:
            raise InvalidSpec(f"manifest of {name} has other bytes in registry {host} than its digest says")
        document = manifests.load_json(found.body, f"manifest of {name}")
        media_type = manifests.document_type(document, found.media_type, name)
        return Descriptor(media_type, found.digest, found.size, found.body)

    async def _listed(self, host: str, path: str, key: str, what: str) -> AsyncIterator[str]:
        url = self._transport.url(host, f"{path}?n={PAGE}")
        seen: set[URL] = set()
        while url not in seen:
            seen.add(url)

            async def attempt(page: URL = url) -> tuple[list[str], URL | None]:
                async with self._transport.request("GET", page) as response:
                    if response.status != 200:
                        raise await refusal(response, host, what)
                    body = await _read_whole(response, manifests.MAX_MANIFEST, f"list of {what}")
                    link = response.links.get("next")
                    following = str(link["url"]) if link else ""
                document = manifests.load_json(body, f"list of {what}")
                names = document.get(key) or []
                if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                    raise InvalidSpec(f"registry {host} sends a malformed list of {what}")
                # Only ever a further page of the same registry, whatever address the link has.
                return names, page.origin().join(URL(URL(following).raw_path_qs, encoded=True)) if following else None

            names, following = await self._transport.retried(host, what, attempt)
            for name in names:
                yield name
            if following is None:
                return
            url = following

    async def _read_file(self, path: Path) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        with await loop.run_in_executor(self._files, path.open, "rb") as file:
            while data := await loop.run_in_executor(self._files, file.read, _READ):
                yield data


async def _pieces(response: aiohttp.ClientResponse, skip: int) -> AsyncIterator[bytes]:
    async for piece in read(response):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:] if skip else piece
        skip = 0


async def _read_whole(response: aiohttp.ClientResponse, limit: int, what: str) -> bytes:
    body = bytearray()
    async for piece in read(response):
        body += piece
        if len(body) > limit:
            raise InvalidSpec(f"{what} is larger than {limit} bytes")
    return bytes(body)


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
