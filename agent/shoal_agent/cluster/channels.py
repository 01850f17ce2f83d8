"""The session's connections to controllers."""

from __future__ import annotations

from typing import Final, Self

import grpc.aio

from shoal_common.identity import CONTROLLER_NAME
from shoal_common.rpc_client import TlsFiles, secure_channel

#: Seconds for a connection, doubled with each failure up to the second. Where thousands come at once their handshakes
#: take a while: who gives up early has wasted his own, and begins again at the end of the line.
_CONNECT: Final = 4.0
_LONGEST_CONNECT: Final = 16.0


def patience(failures: int, *, least: float = _CONNECT) -> float:
    """Return the seconds that a connection may take after so many failures in a row."""
    return min(_LONGEST_CONNECT, least * float(2 ** min(failures, 8)))


class Channels:
    """One for each: that of a controller which only said who leads is used again, since each costs a handshake."""

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop_others("")

    def to(self, address: str, connect: float) -> grpc.aio.Channel:
        """Return the connection to a controller, made if there is none.

        Args:
            connect: seconds that it may take.

        Raises:
            Unauthenticated: see `shoal_common.rpc_client.checked`.
        """
        if address not in self._channels:
            self._channels[address] = secure_channel(address, self._tls, CONTROLLER_NAME, connect=connect)
        return self._channels[address]

    async def drop(self, address: str) -> None:
        """Close the connection to a controller: it can't be trusted to work."""
        channel = self._channels.pop(address, None)
        if channel is not None:
            await channel.close()

    async def drop_others(self, address: str) -> None:
        """Close all connections but this one."""
        for other in [each for each in self._channels if each != address]:
            await self.drop(other)
