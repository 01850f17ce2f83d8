"""etcd's write-ahead log: everything that was ever proposed to it and agreed upon, with the conditions. Pure.

A watch tells what came of a transaction; only here stands under which compares it was asked for. Formats: etcd's
`wal/walpb`, `raft/raftpb` and `etcdserverpb.InternalRaftRequest`, the same in 3.4 and 3.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shoal_proto.etcd import rpc_pb2

#: Types of a record.
_ENTRY: Final = 2
_STATE: Final = 3
#: Types of an entry: a request, as opposed to a change of the members.
_NORMAL: Final = 0
#: Fields of InternalRaftRequest.
_PUT, _DELETE, _TXN, _HEADER = 4, 5, 6, 100
_LENGTH: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One write that etcd's members agreed upon, whether its compares held or not.

    Attributes:
        index: its place in the log.
        bare: it came without compares: a put or a deletion outside of a transaction.
    """

    index: int
    txn: rpc_pb2.TxnRequest
    bare: bool = False


@dataclass(slots=True)
class WriteAheadLog:
    """Takes a member's records one after the other.

    Attributes:
        entries: those that are not agreed upon yet, by index: a later leader may overwrite them.
        committed: highest index that is.
    """

    committed: int = 0
    entries: dict[int, bytes] = field(default_factory=dict)
    _told: int = -1

    def take(self, record: bytes) -> Iterator[Proposal]:
        """Take the next record, and yield the proposals that are agreed upon by now, in order."""
        self._record(record)
        while 0 <= self._told < self.committed and self._told + 1 in self.entries:
            self._told += 1
            yield from _proposals(self._told, self.entries.pop(self._told))

    def _record(self, record: bytes) -> None:
        kind, data = 0, b""
        for number, value in fields(record):
            if number == 1 and isinstance(value, int):
                kind = value
            elif number == 3 and isinstance(value, bytes):
                data = value
        if kind == _ENTRY:
            entry = dict(fields(data))
            index, content = entry.get(3, 0), entry.get(4, b"")
            if isinstance(index, int) and isinstance(content, bytes):
                self._overwrite(index, content if entry.get(1, 0) == _NORMAL else b"")
        elif kind == _STATE:
            committed = dict(fields(data)).get(3, 0)
            if isinstance(committed, int):
                self.committed = max(self.committed, committed)

    def _overwrite(self, index: int, content: bytes) -> None:
        """Entries after one that is written again are another leader's, and void."""
        if index in self.entries:
            for later in [each for each in self.entries if each > index]:
                del self.entries[later]
        if self._told < 0:
            # A member that was there from the beginning has index 1; the first is its list of members.
            self._told = index - 1
        self.entries[index] = content


def frames(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the records that `data`, a file from the beginning of a record on, has in full, each with its end."""
    at = 0
    while at + 8 <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        # The highest byte says by how much the record is padded, if its sign bit is set.
        padding = (length >> 56) & 0x7 if length >> 63 else 0
        size = length & ((1 << 56) - 1)
        if size == 0 or at + 8 + size + padding > len(data):
            return  # The rest is room for more.
        begin, at = at + 8, at + 8 + size + padding
        yield data[begin : begin + size], at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protobuf message, as far as it is whole: numbers and values, undecoded."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        elif kind == 1:
            yield number, data[at : at + 8]
            at += 8
        elif kind == 5:
            yield number, data[at : at + 4]
            at += 4
        else:
            return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
    return value, at


def _proposals(index: int, content: bytes) -> Iterator[Proposal]:
    found = list(fields(content))
    if _HEADER not in {number for number, _ in found}:
        return  # A request of version 2, with which members make themselves known.
    for number, value in found:
        if not isinstance(value, bytes):
            continue
        if number == _TXN:
            yield Proposal(index, rpc_pb2.TxnRequest.FromString(value))
        elif number == _PUT:
            op = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest.FromString(value))
            yield Proposal(index, rpc_pb2.TxnRequest(success=[op]), bare=True)
        elif number == _DELETE:
            op = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest.FromString(value))
            yield Proposal(index, rpc_pb2.TxnRequest(success=[op]), bare=True)
