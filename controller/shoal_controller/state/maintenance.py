"""What is done to etcd itself, member by member: compaction, defragmentation, clearing its alarm, snapshots.

Source: etcd's maintenance guide (etcd.io/docs/v3.4/op-guide/maintenance). Rare, and over connections of its own: a
member that is defragmented answers nothing else meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from shoal_common.errors import Compacted, InvalidSpec, Unavailable
from shoal_controller.core.history import compaction_target
from shoal_controller.state import keys, wire
from shoal_controller.state.endpoints import Endpoints
from shoal_proto.etcd import rpc_pb2, rpc_pb2_grpc
from shoal_proto.v1.cluster_pb2 import StoreMember

_log: Final = logging.getLogger(__name__)

#: Seconds for a short call, and for one that rewrites a member's whole database.
_CALL: Final = 5.0
#: Seconds for a look at one member.
_LOOK: Final = 1.0
_REWRITE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction came to; sizes in bytes, of all members together."""

    size_before: int
    size_after: int
    alarm_cleared: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a snapshot, and how many bytes are still to come after it."""

    data: bytes
    remaining: int
    revision: int


async def _status(address: str, stub: rpc_pb2_grpc.MaintenanceAsyncStub) -> StoreMember:
    try:
        # Asked without "hasleader": one that has no leader says so in its own words.
        answer = await stub.Status(rpc_pb2.StatusRequest(), timeout=_LOOK)
    except grpc.aio.AioRpcError as error:
        return StoreMember(address=address, reason=str(wire.translate(error, peer=address)))
    member = StoreMember(address=address, version=answer.version, size_bytes=answer.dbSize)
    if not answer.leader:
        member.reason = "it has no leader (a majority of the members has to live and to reach each other)"
    elif others := [error for error in answer.errors if "NOSPACE" not in error]:
        # That all are full is one problem, not one of each member.
        member.reason = "; ".join(others)
    member.healthy, member.leads = not member.reason, answer.leader == answer.header.member_id
    return member


class Maintenance:
    """Looks after the members of etcd.

    Args:
        endpoints: of all members.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def compact(self) -> Compaction:
        """Drop old history, have every member give the space back, and clear the alarm of a full store.

        A member that can't be reached is left out; that is said, after the others are done. May be repeated.

        Raises:
            Unavailable: a member does not answer.
        """
        silent: list[str] = []
        async with self._members() as members:
            before, reached = 0, []
            for address, stub in members:
                try:
                    before += (await stub.Status(rpc_pb2.StatusRequest(), timeout=_CALL)).dbSize
                    reached.append((address, stub))
                except grpc.aio.AioRpcError as error:
                    silent.append(str(wire.translate(error, peer=address)))
            if not reached:
                raise Unavailable("; ".join(silent))
            full = await self._alarms(*reached[0])
            await self._drop_history(reached[0][0], full=bool(full))
            after = 0
            for address, stub in reached:
                _log.info("etcd at %s gives back space", address)
                try:
                    await stub.Defragment(rpc_pb2.DefragmentRequest(), timeout=_REWRITE)
                    after += (await stub.Status(rpc_pb2.StatusRequest(), timeout=_CALL)).dbSize
                except grpc.aio.AioRpcError as error:
                    silent.append(str(wire.translate(error, peer=address)))
            for alarm in full:
                await self._disarm(*reached[0], alarm)
        if silent:
            raise Unavailable(f"not all members of etcd gave space back: {'; '.join(silent)}")
        return Compaction(before, after, alarm_cleared=bool(full))

    async def snapshot(self) -> AsyncGenerator[Piece, None]:
        """Yield a snapshot of the store, as `etcdctl snapshot save` writes it.

        Raises:
            Unavailable: no member gives one, or it breaks off.
        """
        async with self._members() as members:
            problem = Unavailable("etcd has no members")
            for address, stub in members:
                begun = False
                try:
                    call = stub.Snapshot(rpc_pb2.SnapshotRequest())
                    async for answer in call:
                        begun = True
                        yield Piece(answer.blob, answer.remaining_bytes, answer.header.revision)
                    return
                except grpc.aio.AioRpcError as error:
                    problem = Unavailable(str(wire.translate(error, peer=address)))
                    if begun:
                        break  # Another member's goes on elsewhere.
            raise problem

    async def members(self) -> list[StoreMember]:
        """Return how each member does, those that don't answer included."""
        async with self._members() as members:
            return list(await asyncio.gather(*(_status(address, stub) for address, stub in members)))

    @asynccontextmanager
    async def _members(self) -> AsyncIterator[list[tuple[str, rpc_pb2_grpc.MaintenanceAsyncStub]]]:
        channels = [(address, self._endpoints.channel(address)) for address in self._endpoints.addresses]
        try:
            yield [(address, rpc_pb2_grpc.MaintenanceStub(channel)) for address, channel in channels]
        finally:
            for _, channel in channels:
                await channel.close()

    async def _alarms(self, address: str, stub: rpc_pb2_grpc.MaintenanceAsyncStub) -> list[rpc_pb2.AlarmMember]:
        """Return the alarms of members that are out of space."""
        request = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET)
        try:
            answer = await stub.Alarm(request, timeout=_CALL)
        except grpc.aio.AioRpcError as error:
            raise wire.translate(error, peer=address) from error
        return [alarm for alarm in answer.alarms if alarm.alarm == rpc_pb2.NOSPACE]

    async def _disarm(self, address: str, stub: rpc_pb2_grpc.MaintenanceAsyncStub, alarm: rpc_pb2.AlarmMember) -> None:
        request = rpc_pb2.AlarmRequest(
            action=rpc_pb2.AlarmRequest.DEACTIVATE, memberID=alarm.memberID, alarm=rpc_pb2.NOSPACE
        )
        try:
            await stub.Alarm(request, timeout=_CALL)
        except grpc.aio.AioRpcError as error:
            raise wire.translate(error, peer=address) from error

    async def _drop_history(self, address: str, *, full: bool) -> None:
        """Compact; what was compacted already is fine."""
        async with self._endpoints.channel(address) as channel:
            stub = rpc_pb2_grpc.KVStub(channel)
            try:
                newest = await stub.Range(
                    rpc_pb2.RangeRequest(key=keys.cluster().encode(), keys_only=True), timeout=_CALL
                )
                target = compaction_target(newest.header.revision, full=full)
                if target:
                    # Physical: what it frees can be given back only once it has been done.
                    request = rpc_pb2.CompactionRequest(revision=target, physical=True)
                    await stub.Compact(request, timeout=_REWRITE)
            except grpc.aio.AioRpcError as error:
                problem = wire.translate(error, peer=address)
                if not isinstance(problem, Compacted | InvalidSpec):
                    raise problem from error
                _log.debug("nothing to compact: %s", problem)
