"""Between our types and etcd's messages and errors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

import grpc

from shoal_common import errors
from shoal_controller.state import keys
from shoal_controller.state.kv import Batch, CompareFailed, Entry, Event, Txn
from shoal_proto.etcd import kv_pb2, rpc_pb2

#: A transaction that fails with one of these was refused by etcd: it was not and will not be committed.
_REFUSED: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
#: What another member may well answer.
_ELSEWHERE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
#: etcd's text when the member that was asked has no leader; its interceptor says so before the request is looked at.
_NO_LEADER: Final = "etcdserver: no leader"
#: etcd's text for the alarm NOSPACE.
_NO_SPACE: Final = "database space exceeded"
_TOO_LARGE: Final = "message larger than max"


def range_end(prefix: str) -> bytes:
    """Return the first key that is above everything that begins with `prefix`."""
    data = prefix.encode().rstrip(b"\xff")
    # etcd's "everything from key on" is a range end of one zero byte.
    return data[:-1] + bytes([data[-1] + 1]) if data else b"\0"


def txn_request(txn: Txn) -> rpc_pb2.TxnRequest:
    """Return the request for `txn`; if it is refused, the answer says what its keys are now."""
    request = rpc_pb2.TxnRequest()
    for key, revision in txn.expected.items():
        request.compare.add(
            result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key.encode(), mod_revision=revision
        )
    if txn.leader is not None:
        request.compare.add(
            result=rpc_pb2.Compare.EQUAL,
            target=rpc_pb2.Compare.CREATE,
            key=keys.leader().encode(),
            create_revision=txn.leader,
        )
    for key, put in txn.writes.items():
        if put is None:
            request.success.add(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key.encode()))
        else:
            request.success.add(request_put=rpc_pb2.PutRequest(key=key.encode(), value=put.value, lease=put.lease))
    compared = dict.fromkeys([*txn.expected, *([keys.leader()] if txn.leader is not None else [])])
    for key in compared:
        request.failure.add(request_range=rpc_pb2.RangeRequest(key=key.encode(), keys_only=True))
    return request


def refusal(txn: Txn, answer: rpc_pb2.TxnResponse) -> CompareFailed:
    """Return the error for a transaction whose compares failed, from what its keys were then."""
    present = {
        entry.key.decode(): (entry.mod_revision, entry.create_revision)
        for response in answer.responses
        for entry in response.response_range.kvs
    }
    return txn.refusal(revision=answer.header.revision, present=present)


def entry_of(kv: kv_pb2.KeyValue) -> Entry:
    """Return our form of a key that exists."""
    return Entry(kv.key.decode(), kv.value, kv.mod_revision, kv.create_revision, kv.lease)


def batches_of(events: Iterable[kv_pb2.Event]) -> Iterator[Batch]:
    """Group events, which come in the order of their revisions, by revision."""
    for revision, group in groupby(events, key=lambda event: event.kv.mod_revision):
        yield Batch(revision, tuple(_event_of(event) for event in group))


def _event_of(event: kv_pb2.Event) -> Event:
    kv = event.kv
    if event.type == kv_pb2.Event.DELETE:
        return Event(kv.key.decode(), None, kv.mod_revision)
    return Event(kv.key.decode(), kv.value, kv.mod_revision, kv.lease, kv.create_revision)


def never_proposed(error: grpc.RpcError) -> bool:
    """Say whether etcd turned the request away unread, so that it may be sent again to another member."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and (error.details() or "") == _NO_LEADER


def refused(error: grpc.RpcError) -> bool:
    """Say whether a write that failed like this did not happen and will not."""
    return error.code() in _REFUSED or never_proposed(error)


def worth_asking_elsewhere(error: grpc.RpcError) -> bool:
    """Say whether another member, or the same a little later, may well answer a read that failed like this."""
    return error.code() in _ELSEWHERE


def translate(error: grpc.RpcError, *, peer: str) -> errors.ShoalError:
    """Return our error for what etcd or gRPC said of a call to `peer`."""
    code, details = error.code(), error.details() or error.code().name
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _NO_SPACE in details:
        return errors.Exhausted(
            f"etcd at {peer} is out of space and takes no writes (give space back with: shoal cluster compact; if that "
            "doesn't last, start etcd with a larger --quota-backend-bytes)"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        # Said by etcd's gRPC from 2 MiB on, before etcd itself sees it. It never gets smaller: not to be tried again.
        return errors.InvalidSpec(f"etcd at {peer} refuses the request, it is too large ({details})")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # "too many requests": it lags behind with applying what it has accepted.
        return errors.Unavailable(f"etcd at {peer} is overloaded ({details})")
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return errors.Compacted(f"etcd at {peer} does not have that revision ({details})")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return errors.PermissionDenied(f"etcd at {peer} does not let this controller in ({details})")
    if code is grpc.StatusCode.NOT_FOUND:
        return errors.NotFound(f"etcd at {peer}: {details}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.InvalidSpec(f"what answers at {peer} is not etcd 3.4 or newer ({details})")
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
        return errors.InvalidSpec(f"etcd at {peer} refuses the request ({details})")
    return errors.Unavailable(f"etcd at {peer} does not answer ({details})")
