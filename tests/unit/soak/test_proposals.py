"""Under which conditions a write may be proposed, and how proposals are read from etcd's own log."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from shoal_controller.state import keys, wire
from shoal_controller.state.kv import Txn
from shoal_controller.state.leadership import Leadership
from shoal_proto.etcd import rpc_pb2
from tests.soak import proposals
from tests.soak.feed import LogFiles
from tests.soak.wal import Proposal, WriteAheadLog, frames

ID, NODE = "a" * 64, "n" * 32
SPEC, NAME, TOMBSTONE = (
    keys.container_spec("default", ID),
    keys.name("default", "container", "web"),
    keys.tombstone("default", ID),
)
HOLD, LEDGER, STATUS = keys.hold(NODE, ID), keys.node_ledger(NODE), keys.container_status("default", ID)
TERM = Leadership(5, deadline=1.0, clock=lambda: 0.0)


def said(txn: Txn) -> list[str]:
    """Return what is wrong with a transaction."""
    return [each.what.partition(": ")[2] for each in proposals.check(Proposal(1, wire.txn_request(txn)))]


def placing(*, fenced: bool = True, ledger: bool = True) -> Txn:
    txn = Txn()
    if fenced:
        txn.fence(TERM)
    txn.put(HOLD, b"hold", expect=0)
    if ledger:
        txn.put(LEDGER, b"ledger", expect=3)
    return txn


def test_a_placement_goes_by_leader_and_ledger() -> None:
    assert not said(placing())
    assert said(placing(ledger=False)) == [f"nodes/{NODE[:12]}/holds/{ID[:12]} is written past the node's ledger"]
    assert len(said(placing(fenced=False))) == 2
    assert "without the leader's term" in said(placing(fenced=False))[0]


def test_limits_are_booked_with_their_spec_by_any_controller() -> None:
    def limiting(*, spec: bool = True, placement: bool = True, hold: int = 4) -> Txn:
        txn = Txn()
        if spec:
            txn.put(SPEC, b"spec", expect=2)
        if placement:
            txn.require(keys.container_placement("default", ID), revision=3)
        txn.put(HOLD, b"hold", expect=hold)
        txn.put(LEDGER, b"ledger", expect=3)
        return txn

    assert not said(limiting())
    for wrong in (limiting(spec=False), limiting(placement=False), limiting(hold=0)):
        assert sum("without the leader's term" in each for each in said(wrong)) == 2


def test_every_write_compares_itself() -> None:
    request = wire.txn_request(placing())
    kept = [each for each in request.compare if each.key != LEDGER.encode()]
    del request.compare[:]
    request.compare.extend(kept)
    what = [each.what for each in proposals.check(Proposal(1, request))]
    assert any(f"nodes/{NODE[:12]}/ledger is written without a compare on itself" in each for each in what)


def test_a_status_goes_by_session_hold_and_placement() -> None:
    txn = Txn()
    txn.fence(TERM)
    txn.put(STATUS, b"status", expect=0)
    assert len(said(txn)) == 2
    for key in (keys.node_session(NODE), HOLD, keys.container_placement("default", ID)):
        txn.require(key, revision=3)
    assert not said(txn)


def test_a_creation_takes_its_name_and_needs_no_tombstone() -> None:
    txn = Txn()
    txn.put(SPEC, b"spec", expect=0)
    assert len(said(txn)) == 2
    txn.put(NAME, b"id", expect=0)
    txn.require(TOMBSTONE, revision=0)
    assert not said(txn)


def test_what_is_not_compared_at_all_is_wrong() -> None:
    request = rpc_pb2.TxnRequest()
    request.success.add(request_put=rpc_pb2.PutRequest(key=SPEC.encode(), value=b"x"))
    assert len(proposals.check(Proposal(1, request, bare=True))) == 1
    request.success[0].request_put.key = keys.leader().encode()
    assert not proposals.check(Proposal(1, request, bare=True))


# etcd's log


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Return a protobuf message of these fields."""
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def entry(index: int, key: str) -> bytes:
    """Return the record of an entry with a transaction that puts a key."""
    request = rpc_pb2.TxnRequest()
    request.success.add(request_put=rpc_pb2.PutRequest(key=key.encode()))
    raft = message((1, 9), (6, request.SerializeToString()), (100, b""))
    return message((1, 2), (2, 0), (3, message((1, 0), (2, 1), (3, index), (4, raft))))


def committed(index: int) -> bytes:
    """Return the record that says what is agreed upon."""
    return message((1, 3), (2, 0), (3, message((1, 1), (2, 1), (3, index))))


def told(log: WriteAheadLog, *records: bytes) -> list[tuple[int, str]]:
    """Return index and key of the proposals that are told."""
    found = [proposal for record in records for proposal in log.take(record)]
    return [(each.index, each.txn.success[0].request_put.key.decode()) for each in found]


def test_a_proposal_is_told_once_it_is_agreed_upon() -> None:
    log = WriteAheadLog()
    assert told(log, entry(1, "a"), entry(2, "b")) == []
    assert told(log, committed(1)) == [(1, "a")]
    assert told(log, entry(3, "c"), committed(3)) == [(2, "b"), (3, "c")]


def test_what_another_leader_overwrote_was_never_agreed_upon() -> None:
    log = WriteAheadLog()
    assert told(log, entry(1, "a"), entry(2, "b"), entry(3, "c"), entry(2, "d"), committed(3)) == [(1, "a"), (2, "d")]
    assert told(log, entry(3, "e"), committed(3)) == [(3, "e")]


@pytest.mark.parametrize("padding", [0, 5])
def test_records_are_framed_and_followed_by_room(padding: int) -> None:
    record = b"x" * (16 - padding)
    length = len(record) | ((0x80 | padding) << 56 if padding else 0)
    frame = struct.pack("<Q", length) + record + bytes(padding)
    found = list(frames(frame * 2 + bytes(64)))
    assert found == [(record, len(frame)), (record, 2 * len(frame))]
    assert list(frames(frame[:-1])) == []


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    def framed(*records: bytes) -> bytes:
        return b"".join(struct.pack("<Q", len(each)) + each for each in records)

    files = LogFiles(tmp_path)

    def read() -> list[int]:
        return [proposal.index for proposal in files.read()]

    assert read() == []
    first = framed(entry(1, "a"), committed(1))
    (tmp_path / "0-0.wal").write_bytes(first + bytes(100))
    # What is new may not be whole yet.
    assert read() == []
    assert read() == [1]
    (tmp_path / "0-0.wal").write_bytes(first + framed(entry(2, "b"), committed(2)) + bytes(50))
    (tmp_path / "1-3.wal").write_bytes(framed(entry(3, "c"), committed(3)) + bytes(50))
    assert [*read(), *read(), *read(), *read()] == [2, 3]
    assert read() == []
