"""Channels to other parts of the cluster: mutual TLS, keepalive, quick reconnects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from shoal_common.errors import Unauthenticated

#: The largest message either side takes. Lists are paged and streams cut far below it.
MAX_MESSAGE: Final = 16 << 20

#: gRPC's least time between attempts to connect, which is also what one attempt may take, its handshake included.
_CONNECT: Final = "grpc.min_reconnect_backoff_ms"
#: For whoever has another controller to turn to: one that was stopped in its tracks, or is cut off, answers no ping.
#: What goes on with it ends after both times. Servers take a ping every second.
QUICK_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
)

CHANNEL_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # What counts, whatever the line above says: without it a ping may wait for a minute. An answer waits behind all
    # that was sent before it, which on a slow network takes its time: who is silent is told sooner by heartbeats.
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own are 20 and 120 s: a peer that was away for a moment would look dead for minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    (_CONNECT, 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Otherwise channels to the same address share one connection, and with it another channel's certificate.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a client's or a server's part of mutual TLS lies, all PEM."""

    ca: Path
    certificate: Path
    key: Path


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unauthenticated(f"{what} {path} can't be read: {error.strerror}") from error


def contents(tls: TlsFiles) -> tuple[bytes, bytes, bytes]:
    """Return CA, certificate and key as they are.

    Raises:
        Unauthenticated: a file is missing or unreadable.
    """
    return _read(tls.ca, "CA certificate"), _read(tls.certificate, "certificate"), _read(tls.key, "key")


def checked(tls: TlsFiles) -> tuple[bytes, bytes, bytes]:
    """Return CA, certificate and key after looking at them.

    A server that refuses a certificate looks like a dead server to gRPC's client, so what can be seen here is said
    here.

    Raises:
        Unauthenticated: a file is missing, unreadable or no certificate, or the certificate is not valid now.
    """
    # Not with the module: a command that connects without trouble looks into no certificate, and this takes as long to
    # load as the connection to come up.
    from datetime import UTC, datetime

    from cryptography import x509

    ca, certificate, key = contents(tls)
    now = datetime.now(UTC)
    for path, data in ((tls.ca, ca), (tls.certificate, certificate)):
        try:
            parsed = x509.load_pem_x509_certificate(data)
        except ValueError as error:
            raise Unauthenticated(f"{path} is not a certificate in PEM form") from error
        if now >= parsed.not_valid_after_utc:
            raise Unauthenticated(f"certificate {path} expired on {parsed.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        if now < parsed.not_valid_before_utc:
            raise Unauthenticated(
                f"certificate {path} is valid only from {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on "
                "(is this machine's clock right?)"
            )
    return ca, certificate, key


def _secure(
    files: tuple[bytes, bytes, bytes], server_name: str, connect: float
) -> tuple[grpc.ChannelCredentials, list[tuple[str, str | int]]]:
    ca, certificate, key = files
    credentials = grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)
    usual = (option for option in CHANNEL_OPTIONS if option[0] != _CONNECT)
    own = ((_CONNECT, int(connect * 1000)), ("grpc.ssl_target_name_override", server_name))
    return credentials, [*usual, *own]


def secure_channel(
    address: str,
    tls: TlsFiles,
    server_name: str,
    *,
    connect: float = 1.0,
    options: Sequence[tuple[str, int]] = (),
    check: bool = True,
) -> grpc.aio.Channel:
    """Return a channel to `address` ("HOST:PORT") that accepts only the holder of a certificate for `server_name`.

    Args:
        connect: seconds that an attempt to connect may take. Where thousands connect at once a short time makes each
            of them give up the handshake it waits for and begin another, until none gets through.
        options: in place of those of `CHANNEL_OPTIONS`.
        check: look at the certificates first; who does not must do so when the connection fails.

    Raises:
        Unauthenticated: see `checked`, and `contents` without that.
    """
    credentials, usual = _secure(checked(tls) if check else contents(tls), server_name, connect)
    return grpc.aio.secure_channel(address, credentials, options=list({**dict(usual), **dict(options)}.items()))


def secure_sync_channel(address: str, tls: TlsFiles, server_name: str, *, connect: float = 1.0) -> grpc.Channel:
    """Return the same for a thread that has no event loop.

    Raises:
        Unauthenticated: see `checked`.
    """
    credentials, options = _secure(checked(tls), server_name, connect)
    return grpc.secure_channel(address, credentials, options=options)


def local_channel(socket: Path) -> grpc.aio.Channel:
    """Return a channel to the unix socket on which a controller serves the local administrator."""
    return grpc.aio.insecure_channel(f"unix:{socket}", options=[*CHANNEL_OPTIONS, ("grpc.default_authority", "local")])
