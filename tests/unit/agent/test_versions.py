"""Records of an agent of another version, which was here before this one."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_agent.core import lifecycle
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerState, ContainerStatus
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.parts.peers import remembered, rewritten, tomorrow

PARTS = {"ContainerRecord", "Assignment", "ContainerConfig", "ContainerStatus"}


def test_a_record_of_a_newer_agent_keeps_what_this_one_does_not_know() -> None:
    newer = tomorrow()
    assignment = Assignment(id="c" * 64, generation=2, config=ContainerConfig(image="web:1"))
    status = ContainerStatus(generation=2, state=ContainerState.CONTAINER_STATE_PREPARING, attempt=1)
    record = rewritten(newer, ContainerRecord(schema=1, assignment=assignment, status=status))
    assert remembered(newer, record) >= PARTS
    assert remembered(newer, lifecycle.removing(record)) >= PARTS
    assert remembered(newer, lifecycle.accepted(record, 7)) >= PARTS
    failed = lifecycle.failed(record, run=3, code=125, reason="no room", now=Timestamp(seconds=1))
    assert remembered(newer, failed) >= PARTS


def test_a_new_assignment_of_a_newer_leader_is_kept_whole() -> None:
    newer = tomorrow()
    record = ContainerRecord(schema=1, assignment=Assignment(id="c" * 64, generation=1))
    assigned = lifecycle.assigned(record, rewritten(newer, Assignment(id="c" * 64, generation=1, run_admitted=2)))
    assert "Assignment" in remembered(newer, assigned)
