"""Pushing one blob: in pieces, each of which can be sent again.

Source: OCI distribution specification, "Pushing a blob in chunks".
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp
from yarl import URL

from shoal_common.errors import InvalidSpec, Unavailable
from shoal_common.registry.transport import Transport, TryAgain, refusal

#: Bytes of a piece: what is sent again at most when a connection breaks.
PIECE: Final = 8 << 20


class Upload:
    """One upload under way: `send` pieces in order, then `commit`."""

    def __init__(self, transport: Transport, host: str, repository: str, what: str) -> None:
        self._transport = transport
        self._host = host
        self._repository = repository
        self._what = what
        self._location: URL | None = None
        self._sent = 0
        self._hash = hashlib.sha256()

    async def push(self, source: AsyncIterator[bytes], *, digest: str | None) -> tuple[str, int]:
        """Push all of `source`; return digest and size of what was pushed.

        Args:
            digest: what the bytes must hash to; None takes what they do.

        Raises:
            InvalidSpec: they hash to something else; nothing is stored then.
        """
        await self._start()
        pending = bytearray()
        async for data in source:
            pending += data
            while len(pending) >= PIECE:
                await self._send(bytes(pending[:PIECE]))
                del pending[:PIECE]
        if pending:
            await self._send(bytes(pending))
        found = f"sha256:{self._hash.hexdigest()}"
        if digest is not None and digest != found:
            await self._cancel()
            raise InvalidSpec(f"{self._what} was not pushed: its bytes have the digest {found}")
        await self._commit(found)
        return found, self._sent

    async def _start(self) -> None:
        url = self._transport.url(self._host, f"{self._repository}/blobs/uploads/")

        async def attempt() -> None:
            async with self._transport.request("POST", url, headers={"Content-Length": "0"}) as response:
                if response.status != 202:
                    raise await refusal(response, self._host, self._what)
                self._follow(response, url)

        await self._retried(attempt)

    async def _send(self, piece: bytes) -> None:
        end = self._sent + len(piece)

        uncertain = False

        async def attempt() -> None:
            nonlocal uncertain
            start = await self._received() if uncertain else self._sent
            # From here on only the registry knows how much of the piece has arrived.
            uncertain = True
            if not self._sent <= start <= end:
                raise InvalidSpec(f"registry {self._host} lost track of the upload of {self._what} (push it again)")
            if start == end:
                return
            headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{end - 1}"}
            data = piece[start - self._sent :]
            async with self._transport.request("PATCH", self._at(), headers=headers, data=data) as response:
                # 416: a piece of an earlier attempt arrived after all; ask what is there and go on from it.
                if response.status == 416:
                    raise TryAgain("it has other bytes than were sent")
                if response.status not in (202, 204):
                    raise await refusal(response, self._host, self._what)
                self._follow(response, self._at())

        await self._retried(attempt)
        self._hash.update(piece)
        self._sent = end

    async def _received(self) -> int:
        """Return how many bytes of the upload the registry has."""
        async with self._transport.request("GET", self._at()) as response:
            if response.status == 404:
                raise Unavailable(f"registry {self._host} forgot the upload of {self._what} (push it again)")
            if response.status != 204:
                raise await refusal(response, self._host, self._what)
            self._follow(response, self._at())
            first, dash, last = response.headers.get("Range", "0-0").removeprefix("bytes=").partition("-")
            # "0-0" means one byte or, in Distribution, none: only a piece of one byte could tell them apart.
            return int(last) + 1 if dash and first == "0" and last.isdigit() and last != "0" else 0

    async def _commit(self, digest: str) -> None:
        async def attempt() -> None:
            url = self._at().update_query({"digest": digest})
            async with self._transport.request("PUT", url, headers={"Content-Length": "0"}) as response:
                if response.status == 404 and await self._has(digest):
                    # An attempt whose answer was lost did it.
                    return
                if response.status not in (201, 204):
                    raise await refusal(response, self._host, self._what)

        await self._retried(attempt)

    async def _has(self, digest: str) -> bool:
        url = self._transport.url(self._host, f"{self._repository}/blobs/{digest}")
        async with self._transport.request("HEAD", url) as response:
            return response.status == 200

    async def _cancel(self) -> None:
        async def attempt() -> None:
            async with self._transport.request("DELETE", self._at()):
                # Whatever the registry says: it clears uploads that nobody finishes.
                pass

        await self._retried(attempt)

    async def _retried(self, attempt: Callable[[], Awaitable[None]]) -> None:
        await self._transport.retried(self._host, self._what, attempt)

    def _at(self) -> URL:
        if self._location is None:
            raise RuntimeError("upload used before it was started")
        return self._location

    def _follow(self, response: aiohttp.ClientResponse, base: URL) -> None:
        location = response.headers.get("Location")
        if location is None:
            raise InvalidSpec(f"registry {self._host} names no address for the upload of {self._what}")
        self._location = base.join(URL(location, encoded=True))
