"""Where etcd's members are, and channels to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import grpc
import grpc.aio

from shoal_common.errors import InvalidSpec
from shoal_common.rpc_client import TlsFiles, checked

#: Sent with every call: a member that has lost its leader then refuses, instead of letting a watch hang for ever.
REQUIRE_LEADER: Final = (("hasleader", "true"),)

_URL: Final = re.compile(r"(https?)://([^/@?#]+:[0-9]{1,5})/?")

_OPTIONS: Final[list[tuple[str, int]]] = [
    # A page of a listing has a number of entries, not of bytes; etcd bounds each at 1.5 MiB.
    ("grpc.max_receive_message_length", -1),
    # etcd refuses clients that ping more often than every 5 s.
    ("grpc.keepalive_time_ms", 6_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    # Without it a ping that is not answered counts for a minute, whatever the line above says.
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A member that was restarted is back within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Each user has connections of its own: a stalled watch must not hold up the leader's lease.
    ("grpc.use_local_subchannel_pool", 1),
    # etcd is reached directly, whatever the environment says of proxies.
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The client URLs of etcd's members, as "HOST:PORT", and the files for mutual TLS, if they ask for it."""

    addresses: tuple[str, ...]
    tls: TlsFiles | None = None

    @classmethod
    def parse(cls, urls: Sequence[str], tls: TlsFiles | None = None) -> Self:
        """Return the endpoints for URLs such as "http://10.77.0.2:2379", all of them http or all https.

        Raises:
            InvalidSpec: there is none, one is malformed, or the schemes don't go with `tls`.
        """
        if not urls:
            raise InvalidSpec("no etcd endpoint was given (such as http://127.0.0.1:2379)")
        addresses = []
        for url in urls:
            match = _URL.fullmatch(url)
            if match is None:
                raise InvalidSpec(
                    f'etcd endpoint "{url}" is not valid (write it as http://HOST:PORT or https://HOST:PORT)'
                )
            if (match[1] == "https") != (tls is not None):
                remedy = "use https" if tls is not None else "give CA, certificate and key for etcd"
                raise InvalidSpec(f'etcd endpoint "{url}" does not go with the TLS files given ({remedy})')
            addresses.append(match[2])
        return cls(tuple(dict.fromkeys(addresses)), tls)

    def channel(self, address: str) -> grpc.aio.Channel:
        """Return a channel to one member, for the running event loop.

        Raises:
            Unauthenticated: the TLS files are not usable (`rpc_client.checked`).
        """
        if self.tls is None:
            return grpc.aio.insecure_channel(address, options=_OPTIONS)
        return grpc.aio.secure_channel(address, _credentials(self.tls), options=_OPTIONS)

    def blocking_channel(self, address: str) -> grpc.Channel:
        """Return the same for a thread without an event loop.

        Raises:
            Unauthenticated: the TLS files are not usable (`rpc_client.checked`).
        """
        if self.tls is None:
            return grpc.insecure_channel(address, options=_OPTIONS)
        return grpc.secure_channel(address, _credentials(self.tls), options=_OPTIONS)


def _credentials(tls: TlsFiles) -> grpc.ChannelCredentials:
    ca, certificate, key = checked(tls)
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)
