"""In which sandbox a container is that joins another one, by what the node remembers of both."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.containers.neighbours import Neighbours, Place
from shoal_agent.core.lifecycle import EXITED, RUNNING
from shoal_agent.kernel import processes
from shoal_agent.runtime.failures import StartFailed
from shoal_agent.runtime.shared import Shared
from shoal_agent.runtime.task import Running, TaskKey
from shoal_agent.sandbox.sandboxes import HOST, Joining, Sandbox
from shoal_common.errors import Conflict, Unavailable
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    DesiredState,
    Dns,
    NamespaceSharing,
    NetworkMode,
    Security,
    SharingMode,
)
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import HoldRole
from shoal_proto.v1.resources_pb2 import Address

if TYPE_CHECKING:
    from shoal_agent.runtime.tasks import Tasks
    from shoal_agent.sandbox.sandboxes import Sandboxes

WEB, BESIDE = "a1" * 32, "b2" * 32
SANDBOX = Sandbox(f"{WEB}-1", Path("/s/user"), Path("/s/net"), 524288)
NETWORK = ContainerConfig(network=NetworkMode.NETWORK_MODE_CONTAINER, network_container=WEB)
PID = ContainerConfig(pid=NamespaceSharing(mode=SharingMode.SHARING_MODE_CONTAINER, container=WEB))
ADDRESS = Address(network="default", ip="10.88.0.7")


class Node:
    """What a node remembers, and what of it is there."""

    def __init__(self, *records: ContainerRecord) -> None:
        self.records = {each.assignment.id: each for each in records}
        self.sandboxes = {SANDBOX.key: SANDBOX}
        own = os.getpid()
        self.tasks = {TaskKey(WEB, 1, 1): Running(own, processes.start_time(own), own, 1)}

    def recorded(self, container: str) -> ContainerRecord | None:
        return self.records.get(container)

    def all_recorded(self) -> Iterable[ContainerRecord]:
        return self.records.values()

    def find(self, key: str) -> Sandbox | None:
        return self.sandboxes.get(key)

    def running(self, key: TaskKey) -> Running:
        if key not in self.tasks:
            raise Conflict("not running")
        return self.tasks[key]

    def shared_memory(self, key: TaskKey) -> Path:
        return Path("/tasks", str(key), "shm")

    def neighbours(self) -> Neighbours:
        made = Neighbours(cast("Sandboxes", self), cast("Tasks", self), boot_id="boot")
        made.node = self
        return made


def record(id_: str, config: ContainerConfig, *, state: int = RUNNING, run: int = 1) -> ContainerRecord:
    made = ContainerRecord(
        assignment=Assignment(
            id=id_,
            name="web" if id_ == WEB else "beside",
            generation=1,
            role=HoldRole.HOLD_ROLE_CURRENT,
            desired=DesiredState.DESIRED_STATE_RUNNING,
            run_admitted=run,
            config=config,
            addresses=[ADDRESS],
        ),
        boot_id="boot",
    )
    made.status.generation = made.status.attempt = made.status.run_served = 1
    made.status.state = state  # type: ignore[assignment]
    return made


def web(**more: int) -> ContainerRecord:
    return record(WEB, ContainerConfig(hostname="www", dns=Dns(servers=["1.1.1.1"])), **more)


def test_it_has_the_others_sandbox_or_a_network_of_its_own_within() -> None:
    neighbours = Node(web()).neighbours()
    assert neighbours.place(record(BESIDE, NETWORK)) == Place(joining=Joining(SANDBOX, network=True))
    assert neighbours.place(record(BESIDE, PID)) == Place((ADDRESS,), (), Joining(SANDBOX))
    assert neighbours.place(record(BESIDE, ContainerConfig())) == Place((ADDRESS,))
    alone = ContainerConfig(network=NetworkMode.NETWORK_MODE_NONE)
    assert neighbours.place(record(BESIDE, alone)) == Place()


def test_what_is_its_nodes_needs_nobody_else() -> None:
    neighbours = Node().neighbours()
    own_network = ContainerConfig(security=Security(host_users=True))
    assert neighbours.place(record(BESIDE, own_network)) == Place((ADDRESS,), (), Joining(HOST))
    assert neighbours.shared(record(BESIDE, own_network)).host == {"user"}
    everything = ContainerConfig(
        security=Security(host_users=True),
        network=NetworkMode.NETWORK_MODE_HOST,
        ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_HOST),
    )
    whole = record(BESIDE, everything)
    assert neighbours.place(whole) == Place(joining=Joining(HOST, network=True))
    assert neighbours.shared(whole) == Shared(shm=Path("/dev/shm"), host=frozenset({"user", "net", "ipc"}))
    assert neighbours.naming(whole)[0].hostname == os.uname().nodename
    everything.hostname = "own"
    assert neighbours.naming(record(BESIDE, everything))[0].hostname == "own"


def test_its_files_are_within_reach_whatever_became_of_the_other() -> None:
    assert Node().neighbours().place(record(BESIDE, NETWORK)) == Place()
    removed = web()
    removed.removing = True
    assert Node(removed).neighbours().place(record(BESIDE, NETWORK)) == Place()
    after_a_reboot = Node(web(state=EXITED))
    after_a_reboot.sandboxes.clear()
    assert after_a_reboot.neighbours().place(record(BESIDE, PID)) == Place()


def test_it_waits_for_what_is_about_to_run() -> None:
    with pytest.raises(Unavailable, match="container web, whose namespaces it joins, does not run yet"):
        Node(web(state=EXITED, run=2)).neighbours().place(record(BESIDE, NETWORK))


def test_it_starts_only_beside_what_runs() -> None:
    node = Node(web())
    neighbours = node.neighbours()
    assert neighbours.place_to_start(record(BESIDE, NETWORK)) == Place(joining=Joining(SANDBOX, network=True))
    node.tasks.clear()
    with pytest.raises(StartFailed, match=r"not running \(start it first: shoal start web") as failed:
        neighbours.place_to_start(record(BESIDE, NETWORK))
    assert failed.value.code == 125
    node.records.clear()
    with pytest.raises(StartFailed, match="not on its node any more"):
        neighbours.place_to_start(record(BESIDE, NETWORK))


def test_with_a_network_come_its_names() -> None:
    neighbours = Node(web()).neighbours()
    config, addresses = neighbours.naming(record(BESIDE, NETWORK))
    assert (config.hostname, list(config.dns.servers), list(addresses)) == ("www", ["1.1.1.1"], [ADDRESS])
    own = record(BESIDE, PID)
    assert neighbours.naming(own)[0] is own.assignment.config


def test_who_dies_with_the_other() -> None:
    node = Node(web(), record(BESIDE, PID), record("c3" * 32, NETWORK))
    assert node.neighbours().among_processes_of(WEB) == [TaskKey(BESIDE, 1, 1)]


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (ContainerConfig(security=Security(host_users=True)), "has its node's users"),
        (ContainerConfig(network=NetworkMode.NETWORK_MODE_CONTAINER, network_container="c3" * 32), "joins another one"),
    ],
)
def test_whom_no_controller_would_let_it_join_it_does_not_join(theirs: ContainerConfig, said: str) -> None:
    """One of an older version knows nothing of joining, and stores what it is given."""
    neighbours = Node(record(WEB, theirs)).neighbours()
    for joins in (NETWORK, PID):
        assert neighbours.place(record(BESIDE, joins)) == Place()
        with pytest.raises(StartFailed, match=said):
            neighbours.place_to_start(record(BESIDE, joins))


def test_what_is_shareable_is_shared() -> None:
    theirs = ContainerConfig(ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_SHAREABLE))
    neighbours = Node(record(WEB, theirs)).neighbours()
    assert neighbours.shared(record(WEB, theirs)).lends
    both = ContainerConfig(pid=PID.pid, ipc=PID.pid)
    shared = neighbours.shared(record(BESIDE, both))
    assert shared.shm == Path(f"/tasks/{WEB}-1-1/shm")
    assert {kind: each.path for kind, each in shared.joined.items()} == {
        kind: Path(f"/proc/{os.getpid()}/ns/{kind}") for kind in ("pid", "ipc")
    }


def test_an_ipc_that_is_not_shareable_is_not_joined() -> None:
    ipc = ContainerConfig(ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_CONTAINER, container=WEB))
    with pytest.raises(StartFailed, match="keeps its ipc to itself"):
        Node(web()).neighbours().shared(record(BESIDE, ipc))
