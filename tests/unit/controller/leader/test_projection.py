"""What the core sees of stored containers and nodes."""

from __future__ import annotations

import pytest

from shoal_controller.leader.projection import container_view, node_view
from shoal_controller.state.store import ContainerEntry, NodeEntry, Stored
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerSpec,
    Mount,
    NamespaceSharing,
    NetworkMode,
    PortMapping,
    Security,
    SharingMode,
)
from shoal_proto.v1.node_pb2 import NodeDescription, NodeStatus
from tests.parts.peers import Peer, frozen, frozen_versions


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


def test_what_joins_another_container_has_no_address_and_says_whom() -> None:
    network = ContainerConfig(network=NetworkMode.NETWORK_MODE_CONTAINER, network_container="x")
    pid = ContainerConfig(pid=NamespaceSharing(mode=SharingMode.SHARING_MODE_CONTAINER, container="x"))
    views = [container_view(ContainerEntry("default", "c"), ContainerSpec(config=each)) for each in (network, pid)]
    assert [(view.joins, view.addressed) for view in views] == [("x", False), ("x", True)]
    # An agent that does not know of it would give it a network of its own.
    assert [view.asks for view in views] == [40, 40]
    host = ContainerConfig(security=Security(host_users=True))
    assert container_view(ContainerEntry("default", "c"), ContainerSpec(config=host)).asks == 40


@pytest.mark.parametrize("version", frozen_versions())
def test_what_an_older_controller_stored_without_asking_the_policy_is_not_to_run(version: str) -> None:
    """It keeps fields that it does not know, and so stores what it does not understand."""
    config = ContainerConfig(image="web", security=Security(privileged=True))
    peer = Peer(frozen(version))
    theirs = peer.type("ContainerSpec")(schema=1, name="web", config=peer.read(config))
    stored = ContainerSpec.FromString(theirs.SerializeToString())
    assert stored.config.security.privileged
    view = container_view(ContainerEntry("default", "c"), stored)
    assert "all privileges, which no controller has checked" in view.unchecked
    # Nor does it take the mark from what others have checked, whatever it does with it.
    checked = ContainerSpec(config=config, permissions=["privileged"])
    again = peer.read(checked)
    again.run = 2  # type: ignore[attr-defined]
    rewritten = ContainerSpec.FromString(again.SerializeToString())
    assert (rewritten.run, container_view(ContainerEntry("default", "c"), rewritten).unchecked) == (2, "")


@pytest.mark.parametrize(("told", "knows"), [(0, 16), (38, 38)])
def test_an_agent_that_does_not_say_what_it_knows_is_of_an_older_version(told: int, knows: int) -> None:
    status = NodeStatus(description=NodeDescription(configuration=told))
    assert node_view(NodeEntry("n", status=Stored(status, 1, 1))).knows == knows


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("10.0.0.1:7410", {("tcp", 7410)}),
        ("[fd00::1]:7410", {("tcp", 7410)}),
        ("", set()),
        ("10.0.0.1", set()),
        ("10.0.0.1:x", set()),
        ("10.0.0.1:٣", set()),
        ("10.0.0.1:-1", set()),
        ("10.0.0.1:" + "9" * 6, set()),
        ("10.0.0.1:" + "9" * 5_000, set()),
    ],
)
def test_whatever_a_node_says_of_its_address_the_node_can_be_seen(address: str, taken: set[tuple[str, int]]) -> None:
    status = NodeStatus(description=NodeDescription(address=address))
    assert set(node_view(NodeEntry("n", status=Stored(status, 1, 1))).ports) == taken
