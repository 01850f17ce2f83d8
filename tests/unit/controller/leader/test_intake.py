from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import InvalidSpec
from shoal_controller.leader import intake
from shoal_proto.v1.container_pb2 import Attempt, ContainerConfig, ContainerState, ContainerStatus, PortBinding
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import NodeCleaning, NodeDescription
from shoal_proto.v1.resources_pb2 import Address, Resources

times = st.builds(Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
reasons = st.text(max_size=50) | st.just("x" * (intake.MAX_STATUS // 10))
attempts = st.builds(Attempt, number=st.integers(0, 9), reason=reasons, started_at=times, finished_at=times)
statuses = st.builds(
    ContainerStatus,
    generation=st.integers(0, 9),
    state=st.sampled_from(ContainerState.values()),
    reason=reasons,
    started_at=times,
    finished_at=times,
    attempts=st.lists(attempts, max_size=20),
    health_output=st.text(max_size=50) | st.just("z\n" * 5_000),
    warning=reasons,
    command=st.lists(st.text(max_size=5) | st.just("y" * (intake.MAX_STATUS // 3)), max_size=4),
)


@given(statuses)
def test_any_status_can_be_stored_and_shown(status: ContainerStatus) -> None:
    kept = intake.bounded(status)
    assert kept.ByteSize() <= intake.MAX_STATUS
    assert len(kept.attempts) == min(len(status.attempts), intake.MAX_ATTEMPTS)
    assert all(reason.isprintable() for reason in (kept.reason, *(each.reason for each in kept.attempts)))
    assert kept.warning.isprintable()
    assert len(kept.health_output) <= intake.MAX_HEALTH_OUTPUT
    assert kept.health_output.replace("\n", "").replace("\t", "").isprintable()
    MessageToDict(kept)
    assert (kept.generation, kept.state) == (status.generation, status.state)


def test_an_honest_status_is_kept_as_it_is() -> None:
    status = ContainerStatus(
        generation=1,
        attempt=2,
        state=ContainerState.CONTAINER_STATE_EXITED,
        report=3,
        reason='executable "nö" not found',
        exit_code=127,
        started_at=Timestamp(seconds=1_700_000_000, nanos=5),
        command=["sh", "-c", "a\nb"],
        attempts=[Attempt(number=2, run=1, reason="x", finished_at=Timestamp(seconds=1))],
    )
    assert intake.bounded(status) == status


@pytest.mark.parametrize(
    "description",
    [
        NodeDescription(labels={str(number): "x" * 1000 for number in range(100)}),
        NodeDescription(version="1\n9 ready"),
        NodeDescription(labels={"a": "\x1b[31m"}),
        NodeDescription(runtimes={"a\0": "1"}),
        NodeDescription(capacity=Resources(memory_bytes=2**63 - 1)),
        NodeDescription(capacity=Resources(cpu_millis=-1)),
        NodeDescription(cleanings=[NodeCleaning(names=["web\x1b[31m"])]),
        NodeDescription(cleanings=[NodeCleaning(at=Timestamp(seconds=1 << 60))]),
    ],
    ids=["large", "line", "escape", "nul", "memory", "negative", "cleaning", "time"],
)
def test_a_description_that_no_agent_gives_is_refused(description: NodeDescription) -> None:
    with pytest.raises(InvalidSpec):
        intake.check_description("n1", description)


def test_strays_are_container_ids() -> None:
    assert intake.strays(["../x", "b" * 64, "a" * 64, "a" * 64]) == ("a" * 64, "b" * 64)


def _copy(**what: object) -> Assignment:
    copy = Assignment(namespace="default", id="a" * 64, name="web", generation=1, run_admitted=1)
    copy.addresses.add(
        network="default", ip="10.88.0.7", prefix_length=16, gateway="10.88.0.1", mac="02:42:0a:58:00:07"
    )
    copy.MergeFrom(Assignment(**what))  # type: ignore[arg-type]
    return copy


def test_what_an_agent_has_can_be_taken_over() -> None:
    intake.check_copy(_copy(), ContainerStatus(generation=1))
    intake.check_copy(_copy(config=ContainerConfig(image="web:1", env=["A=1"])), ContainerStatus())


@pytest.mark.parametrize(
    "what",
    [
        {"id": "../../leader"},
        {"namespace": "default/x"},
        {"name": "web\x1b[2J"},
        {"name": "a/b"},
        {"generation": 2**64 - 1},
        {"run_admitted": 2**64 - 1},
        {"config": ContainerConfig(args=["x" * (1 << 20)])},
        {"config": ContainerConfig(resources=Resources(memory_bytes=2**63 - 1))},
        {"config": ContainerConfig(resources=Resources(cpu_millis=-1))},
        {"addresses": [Address(network="default", ip="10.88.0.7/../x", prefix_length=16)]},
        {"addresses": [Address(network="default", ip="10.88.0.7", prefix_length=99)]},
        {"addresses": [Address(network="a/b", ip="10.88.0.7", prefix_length=16)]},
        {"addresses": [Address(network="default", ip="10.88.0.7", prefix_length=16)] * 50},
        {"ports": [PortBinding(host_port=0, container_port=80, protocol="tcp")]},
        {"ports": [PortBinding(host_port=80, container_port=80, protocol="gre")]},
        {"ports": [PortBinding(host_port=80, container_port=80, protocol="tcp", host_ip="x")]},
        {"ports": [PortBinding(host_port=80, container_port=80, protocol="tcp")] * 2000},
    ],
)
def test_what_no_agent_has_is_not_taken_over(what: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec):
        intake.check_copy(_copy(**what), ContainerStatus(generation=1))


@pytest.mark.parametrize(
    "count", [{"generation": 2**64 - 1}, {"run_served": 2**63}, {"report": 2**60}, {"attempt": 2**32 - 1}]
)
def test_no_counter_is_taken_over_that_could_not_be_raised(count: dict[str, int]) -> None:
    with pytest.raises(InvalidSpec, match="counts further"):
        intake.check_copy(_copy(), ContainerStatus(**count))  # type: ignore[arg-type]
