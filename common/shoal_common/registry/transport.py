"""HTTP to registries: one session, retries, time limits, and errors that say what to do."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import aiohttp
from yarl import URL

from shoal_common.errors import (
    Conflict,
    InvalidSpec,
    NotFound,
    PermissionDenied,
    ShoalError,
    Unauthenticated,
    Unavailable,
)
from shoal_common.registry.retry import RETRIED_STATUSES, Retry, imposed_wait
from shoal_common.rpc_client import TlsFiles, checked

#: Seconds until a connection must stand, and until the next bytes must come.
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 30.0
MAX_CONNECTIONS: Final = 32
MAX_REDIRECTS: Final = 5
#: Bytes that a response buffers ahead of its reader.
READ_BUFFER: Final = 1 << 20

T = TypeVar("T")


class TryAgain(Exception):
    """An attempt failed in a way that a later one may not.

    Attributes:
        cause: for the message, should this have been the last.
        wait: seconds that the registry asks to wait at least.
    """

    def __init__(self, cause: str, *, wait: float = 0.0) -> None:
        super().__init__(cause)
        self.cause = cause
        self.wait = wait


class Transport:
    """Requests to registries.

    Args:
        insecure: registries ("host:port") that are spoken to in plain HTTP.
        own: registries of the cluster itself, which trust its certificates and are trusted by its authority alone.
        retry: how calls are tried again.
    """

    def __init__(self, *, insecure: Collection[str], own: Mapping[str, TlsFiles], retry: Retry) -> None:
        self._insecure = frozenset(insecure)
        self._own = {host: _mutual(tls) for host, tls in own.items()}
        self._retry = retry
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def url(self, host: str, path: str) -> URL:
        """Return the address of `path` (below /v2/, encoded) at a registry."""
        scheme = "http" if host in self._insecure else "https"
        return URL(f"{scheme}://{host}/v2/{path}", encoded=True)

    async def retried(self, host: str, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, calling it again while it fails in a way that may pass.

        Args:
            what: the object asked for, for the error.

        Raises:
            Unavailable: the last attempt failed like the others.
        """
        waits = self._retry.waits()
        while True:
            try:
                return await attempt()
            except TryAgain as failure:
                wait = next(waits, None)
                if wait is None:
                    raise unavailable(host, what, failure.cause) from failure
                await asyncio.sleep(max(wait, failure.wait))

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and yield the response, of whatever status but those worth another try.

        Raises:
            TryAgain: the connection failed, or the registry is busy.
        """
        session = self._open()
        with _connection_errors(url):
            response = await session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", **(headers or {})},
                # As a file: aiohttp warns of large bodies given as plain bytes.
                data=io.BytesIO(data) if data is not None else None,
                # A redirect of an upload would send its body to whoever the answer names.
                allow_redirects=method in ("GET", "HEAD"),
                max_redirects=MAX_REDIRECTS,
                ssl=self._own.get(url.authority, True),
            )
        # Errors of the caller's own inside the context (a full disk) must not look like the connection's.
        async with response:
            if response.status in RETRIED_STATUSES:
                wait = imposed_wait(response.headers.get("Retry-After"))
                raise TryAgain(f"it answers {response.status} {response.reason}", wait=wait)
            yield response

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: aiohttp binds a session to the loop that runs then.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT),
                # Digests are of the bytes as they are stored.
                auto_decompress=False,
                read_bufsize=READ_BUFFER,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _mutual(tls: TlsFiles) -> ssl.SSLContext:
    checked(tls)
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def unavailable(host: str, what: str, cause: str) -> Unavailable:
    """Return the error for a registry that does not serve `what` now."""
    return Unavailable(f"registry {host} does not answer for {what}: {cause} (check that it runs and can be reached)")


async def refusal(response: aiohttp.ClientResponse, host: str, what: str) -> ShoalError:
    """Return the error for a response that is not what was asked for."""
    said = await error_text(response)
    if response.status == 401:
        return Unauthenticated(f"registry {host} wants a login for {what}{said}")
    if response.status == 403:
        return PermissionDenied(f"registry {host} denies access to {what}{said}")
    if response.status == 404:
        return NotFound(f"{what} not found in registry {host}")
    if response.status in (405, 415):
        return Conflict(f"registry {host} does not allow this for {what}{said}")
    return InvalidSpec(f"registry {host} refuses {what}: {response.status}{said}")


async def error_text(response: aiohttp.ClientResponse) -> str:
    """Return the registry's own words as ": words", in one short line, or "" if it says nothing of use."""
    try:
        body = await response.content.read(4096)
        errors = json.loads(body)["errors"]
        words = errors[0].get("message") or errors[0]["code"]
    except (aiohttp.ClientError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f": {' '.join(str(words).split())[:200]}"


@contextmanager
def _connection_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except aiohttp.TooManyRedirects as error:
        raise InvalidSpec(f"registry {url.authority} redirects without end") from error
    except TimeoutError as error:
        raise TryAgain("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TryAgain(_cause(error)) from error


async def read(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the body in pieces as they come.

    Raises:
        TryAgain: the connection broke.
    """
    while True:
        with _connection_errors(response.url):
            piece = await response.content.readany()
        if not piece:
            return
        yield piece


def _cause(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not speak TLS (name it as insecure if it serves plain HTTP)"
    if isinstance(error, aiohttp.ClientConnectorError):
        return (error.os_error.strerror or str(error.os_error)).lower()
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return "the connection broke"
    return " ".join(str(error).split())[:200] or type(error).__name__
