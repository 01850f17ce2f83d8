"""What the core sees of stored containers and nodes."""

from __future__ import annotations

import pytest

from shoal_controller.leader.projection import container_view, node_view
from shoal_controller.state.store import ContainerEntry, NodeEntry, Stored
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, Mount, PortMapping, Security
from shoal_proto.v1.node_pb2 import NodeDescription, NodeStatus


@pytest.mark.parametrize(
    ("config", "asks"),
    [
        (ContainerConfig(image="web", args=["a"], auto_remove=True), 0),
        (ContainerConfig(ports=[PortMapping(container_first=80)], exposed_ports=["80/tcp"], publish_all=True), 0),
        (ContainerConfig(security=Security()), 0),
        (ContainerConfig(mounts=[Mount(target="/data")]), 22),
        (ContainerConfig(mounts=[Mount(target="/data")], read_only=True), 23),
        (ContainerConfig(security=Security(cap_drop=["ALL"])), 37),
    ],
)
def test_what_of_a_configuration_an_agent_has_to_know(config: ContainerConfig, asks: int) -> None:
    assert container_view(ContainerEntry("default", "c"), ContainerSpec(config=config)).asks == asks


@pytest.mark.parametrize(("told", "knows"), [(0, 16), (38, 38)])
def test_an_agent_that_does_not_say_what_it_knows_is_of_an_older_version(told: int, knows: int) -> None:
    status = NodeStatus(description=NodeDescription(configuration=told))
    assert node_view(NodeEntry("n", status=Stored(status, 1, 1))).knows == knows
