from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import Internal, NotLeader
from shoal_controller.state import keys, wire
from shoal_controller.state.kv import MAX_TXN, Txn
from shoal_controller.state.leadership import Leadership
from shoal_proto.etcd import rpc_pb2

operations = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "require"]), st.sampled_from("abcdef"), st.integers(0, 5)), max_size=20
)


def term(revision: int, *, over: bool = False) -> Leadership:
    return Leadership(revision, deadline=0.0 if over else 1.0, clock=lambda: 0.5)


@given(operations, st.booleans())
def test_no_write_without_a_compare_on_itself(steps: list[tuple[str, str, int]], fenced: bool) -> None:
    """Whatever is built and whatever is refused, what goes to etcd compares every key that it writes."""
    txn = Txn()
    if fenced:
        txn.fence(term(7))
    for kind, key, revision in steps:
        try:
            if kind == "put":
                txn.put(key, b"", expect=revision)
            elif kind == "delete":
                txn.delete(key, expect=revision)
            else:
                txn.require(key, revision=revision)
        except Internal:
            continue
    request = wire.txn_request(txn)
    compared = {
        compare.key: compare.mod_revision for compare in request.compare if compare.target == rpc_pb2.Compare.MOD
    }
    written = [operation.request_put.key or operation.request_delete_range.key for operation in request.success]
    assert len(written) == len(set(written))
    assert set(written) <= compared.keys()
    assert all(compare.result == rpc_pb2.Compare.EQUAL for compare in request.compare)
    assert not any(operation.request_delete_range.range_end for operation in request.success)
    fences = [compare for compare in request.compare if compare.target == rpc_pb2.Compare.CREATE]
    assert [(fence.key.decode(), fence.create_revision) for fence in fences] == ([(keys.leader(), 7)] if fenced else [])


def test_a_key_is_written_once() -> None:
    txn = Txn()
    txn.require("a", revision=3)
    txn.put("a", b"1", expect=3)
    with pytest.raises(Internal, match="twice"):
        txn.put("a", b"2", expect=3)
    with pytest.raises(Internal, match="twice"):
        txn.delete("a", expect=3)


def test_a_key_is_expected_at_one_revision() -> None:
    txn = Txn()
    txn.require("a", revision=3)
    with pytest.raises(Internal, match="at revision 3 and at 4"):
        txn.put("a", b"1", expect=4)
    assert not txn.writes


def test_what_does_not_exist_is_not_deleted() -> None:
    with pytest.raises(Internal, match="does not exist"):
        Txn().delete("a", expect=0)


@pytest.mark.parametrize("fenced", [False, True])
def test_a_transaction_is_never_larger_than_etcd_takes(fenced: bool) -> None:
    txn = Txn()
    if fenced:
        txn.fence(term(7))
    for number in range(MAX_TXN - fenced):
        txn.put(f"{number}", b"", expect=0)
    with pytest.raises(Internal, match=f"{MAX_TXN} compares"):
        txn.require("one more", revision=0)


def test_who_does_not_lead_any_more_fences_nothing() -> None:
    with pytest.raises(NotLeader):
        Txn().fence(term(7, over=True))


def test_one_transaction_is_of_one_term() -> None:
    txn = Txn()
    txn.fence(term(7))
    txn.fence(term(7))
    with pytest.raises(Internal, match="term 7 and by 8"):
        txn.fence(term(8))


def test_a_refusal_names_what_changed() -> None:
    txn = Txn()
    txn.put("a", b"", expect=3)
    txn.put("b", b"", expect=0)
    txn.fence(term(7))
    error = txn.refusal(revision=9, present={"a": (3, 1), "b": (8, 8), keys.leader(): (9, 9)})
    assert error.keys == {"b", keys.leader()}
    assert error.revision == 9
    assert "/shoal/v1/leader (expected of term 7, is 9), b (expected absent, is 8)" in error.message


def test_a_refusal_of_the_wire_is_read() -> None:
    txn = Txn()
    txn.put("a", b"", expect=3)
    txn.require("b", revision=4)
    answer = rpc_pb2.TxnResponse(header=rpc_pb2.ResponseHeader(revision=9))
    answer.responses.add().response_range.kvs.add(key=b"a", mod_revision=5, create_revision=3)
    answer.responses.add().response_range.SetInParent()
    error = wire.refusal(txn, answer)
    assert (error.revision, error.keys) == (9, frozenset({"a", "b"}))
