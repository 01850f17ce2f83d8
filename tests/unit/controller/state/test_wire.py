from __future__ import annotations

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common import errors
from shoal_controller.state import wire
from shoal_controller.state.endpoints import Endpoints
from shoal_proto.etcd import kv_pb2


def failure(code: grpc.StatusCode, details: str) -> grpc.RpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


@given(st.text(min_size=1), st.text())
def test_a_prefix_ends_where_other_keys_begin(prefix: str, key: str) -> None:
    inside = prefix.encode() <= key.encode() < wire.range_end(prefix)
    assert inside == key.startswith(prefix)


@given(st.lists(st.integers(0, 4), max_size=20))
def test_every_revision_becomes_one_batch(steps: list[int]) -> None:
    events, revision = [], 1
    for step in steps:
        revision += step
        events.append(kv_pb2.Event(kv=kv_pb2.KeyValue(key=b"k", mod_revision=revision)))
    batches = list(wire.batches_of(events))
    revisions = [batch.revision for batch in batches]
    assert revisions == sorted(set(revisions))
    assert [event.mod_revision for batch in batches for event in batch.events] == [e.kv.mod_revision for e in events]
    assert all(event.mod_revision == batch.revision for batch in batches for event in batch.events)


@pytest.mark.parametrize(
    ("code", "details", "error", "text"),
    [
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "etcdserver: mvcc: database space exceeded",
            errors.Exhausted,
            "shoal cluster compact",
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests", errors.Unavailable, "overloaded"),
        (grpc.StatusCode.OUT_OF_RANGE, "required revision has been compacted", errors.Compacted, "compacted"),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader", errors.Unavailable, "no leader"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.Unavailable, "does not answer"),
        (grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found", errors.NotFound, "lease"),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large", errors.InvalidSpec, "too large"),
        (grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied", errors.PermissionDenied, "let"),
        (grpc.StatusCode.UNIMPLEMENTED, "", errors.InvalidSpec, "not etcd 3.4"),
    ],
)
def test_errors_name_etcd_and_the_remedy(
    code: grpc.StatusCode, details: str, error: type[errors.ShoalError], text: str
) -> None:
    translated = wire.translate(failure(code, details), peer="10.0.0.1:2379")
    assert type(translated) is error
    assert "10.0.0.1:2379" in translated.message
    assert text in translated.message


@pytest.mark.parametrize(
    ("code", "details", "refused"),
    [
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader", True),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out", False),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: leader changed", False),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", False),
        (grpc.StatusCode.UNKNOWN, "context canceled", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: too many operations in txn request", True),
    ],
)
def test_a_write_counts_as_refused_only_if_etcd_said_so(code: grpc.StatusCode, details: str, refused: bool) -> None:
    assert wire.refused(failure(code, details)) is refused


def test_endpoints_are_read_from_urls() -> None:
    endpoints = Endpoints.parse(["http://10.0.0.1:2379", "http://10.0.0.2:2379/", "http://10.0.0.1:2379"])
    assert endpoints.addresses == ("10.0.0.1:2379", "10.0.0.2:2379")


@pytest.mark.parametrize(
    "urls", [[], ["10.0.0.1:2379"], ["http://10.0.0.1"], ["https://10.0.0.1:2379"], ["http://a:1/b"]]
)
def test_malformed_endpoints_are_refused(urls: list[str]) -> None:
    with pytest.raises(errors.InvalidSpec, match="etcd endpoint"):
        Endpoints.parse(urls)
